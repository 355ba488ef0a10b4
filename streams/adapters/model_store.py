"""Models brought to this installation: every version kept, one of each answering, and the role that people gave it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import tomli_w

from streams.adapters.contract_files import ModelFolder, read_model, read_models
from streams.errors import ModelRefused, PolicyInvalid

SHIPPED = "shipped"
"""The version that lies in WETREAD_MODELS, and not in the store."""
SERVING, HISTORY, SERVED = "serving.toml", "history.jsonl", "served"
Stamp = tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What `wetread models` has decided; it goes before routing.toml and the contracts.

    Attributes:
        roles: model to live, shadow or off.
        versions: model to the version that answers; what is not named is as shipped.
        previous: model to the version that a rollback brings back; it stays loaded beside.
    """

    roles: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    previous: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Of the roles; versions are in the models' own digests. Empty: nothing was decided here."""
        return hashlib.sha256(json.dumps(self.roles, sort_keys=True).encode()).hexdigest() if self.roles else ""


class ModelStore:
    """A folder: `<name>/<version>/` as added, never changed; serving.toml says which of them answer.

    `served/` holds a link for each version that Triton has loaded, named as it is asked there.
    """

    def __init__(self, root: Path, shipped: Path) -> None:
        self.root, self._shipped = root, shipped

    def stamp(self) -> Stamp:
        """Another one whenever serving.toml was written anew; None: it was never."""
        try:
            told = (self.root / SERVING).stat()
        except FileNotFoundError:
            return None
        return told.st_mtime_ns, told.st_ino

    def serving(self) -> Serving:
        """What was decided last.

        Raises:
            PolicyInvalid: somebody wrote into the file by hand, and wrongly.
        """
        try:
            return Serving(**tomllib.loads((self.root / SERVING).read_text()))
        except FileNotFoundError:
            return Serving()
        except (OSError, TypeError, tomllib.TOMLDecodeError) as error:
            raise PolicyInvalid(f"{self.root / SERVING} cannot be read: {error}") from error

    def models(self, serving: Serving | None = None) -> dict[str, ModelFolder]:
        """Each model by name, in the version that answers."""
        serving = serving or self.serving()
        found = dict(read_models(self._shipped))
        for name, version in serving.versions.items():
            if version != SHIPPED:
                found[name] = self.version(name, version)
        return found

    def served(self, serving: Serving | None = None) -> dict[str, ModelFolder]:
        """Each version that Triton has loaded, by the name that it is asked by there, which its contract bears too."""
        serving = serving or self.serving()
        found = dict(read_models(self._shipped))
        for versions in (serving.versions, serving.previous):
            for name, version in versions.items():
                if version != SHIPPED:
                    folder = self.version(name, version)
                    found[folder.asked_as] = replace(folder, contract=replace(folder.contract, name=folder.asked_as))
        return found

    def version(self, name: str, version: str) -> ModelFolder:
        """A kept version, or the shipped one.

        Raises:
            ModelRefused: there is none.
        """
        if version == SHIPPED and (self._shipped / name / "contract.toml").is_file():
            return read_model(self._shipped / name)
        folder = self.root / name / version
        if version == SHIPPED or not folder.is_dir():
            kept = ", ".join(self.versions(name)) or "none"
            raise ModelRefused(f"there is no version {version} of {name}; kept are: {kept}")
        return replace(read_model(folder, name), served=served_name(name, version))

    def versions(self, name: str) -> tuple[str, ...]:
        """Every version of a model, the oldest first."""
        shipped = (SHIPPED,) if (self._shipped / name / "contract.toml").is_file() else ()
        own = self.root / name
        added = (
            sorted((p for p in own.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime_ns) if own.is_dir() else []
        )
        return (*shipped, *(p.name for p in added if not p.name.startswith(".")))

    def keep(self, folder: Path) -> str:
        """Take a whole model folder into the store, under its contract's version, or the next free one.

        Raises:
            ModelRefused: just this model is there already.
        """
        model = read_model(folder)
        name, version = model.contract.name, model.contract.version
        for known in self.versions(name):
            if self.version(name, known).digest == model.digest:
                raise ModelRefused(f"just this model is here already: {name} version {known}")
        free, number = version, 2
        while (self.root / name / free).exists() or free == SHIPPED:
            free, number = f"{version}-{number}", number + 1
        if free != version:
            contract = folder / "contract.toml"
            contract.write_text(contract.read_text().replace(f'version = "{version}"', f'version = "{free}"', 1))
        target = self.root / name / free
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_name(f".{free}.new")
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(folder, half)
        half.rename(target)
        os.utime(target)
        return free

    def link(self, name: str, version: str) -> Path:
        """The version's link in `served/`, from which Triton's repository is laid out at each start."""
        link = self.root / SERVED / served_name(name, version)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(Path("..") / name / version)
        return link

    def decide(self, serving: Serving, now: datetime, what: str) -> None:
        """Write what is decided, at once and whole, and set down that it was."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / HISTORY).open("a") as history:
            history.write(json.dumps({"at": now.isoformat(), "what": what, **asdict(serving)}) + "\n")
        part = self.root / f".{SERVING}.new"
        head = "# Written by `wetread models`; workers and readers see a change with their next event.\n"
        part.write_text(head + tomli_w.dumps(asdict(serving)))
        part.replace(self.root / SERVING)
        wanted = {served_name(n, v) for of in (serving.versions, serving.previous) for n, v in of.items()}
        for link in (self.root / SERVED).glob("*"):
            if link.name not in wanted:
                link.unlink()

    def history(self, name: str) -> list[dict[str, Any]]:
        """What was decided about a model, the oldest first."""
        path = self.root / HISTORY
        lines = path.read_text().splitlines() if path.is_file() else []
        return [said for said in map(json.loads, lines) if said["what"].split()[1] == name]


def served_name(name: str, version: str) -> str:
    """What a version is called in Triton: versions of one model are loaded side by side."""
    return name if version == SHIPPED else f"{name}.{version}"


class LiveModels(Mapping[str, ModelFolder]):
    """The models of a store as they stand now: looked up anew after each decision, without a restart."""

    def __init__(self, store: ModelStore, *, as_served: bool = False) -> None:
        """as_served: by their names in Triton, the previous versions too."""
        self._store, self._as_served = store, as_served
        self._stamp: Stamp = None
        self._models: dict[str, ModelFolder] | None = None

    def _now(self) -> dict[str, ModelFolder]:
        stamp = self._store.stamp()
        if self._models is None or stamp != self._stamp:
            self._models = self._store.served() if self._as_served else self._store.models()
            self._stamp = stamp
        return self._models

    def __getitem__(self, name: str) -> ModelFolder:
        return self._now()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())
