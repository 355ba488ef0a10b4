"""The JSON of a MONAI bundle: its objects with the line each stands in, references to plain values followed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.errors import ModelRefused

Tree = dict[str, Any]
TARGET = "_target_"
BOOKKEEPING = frozenset({"keys", "allow_missing_keys", "_disabled_", "_desc_", "_requires_", TARGET})
DEEPEST = 8
"""References in a row; more are a circle."""


@dataclass(frozen=True, slots=True)
class Step:
    """One object of the configuration with a `_target_`: its class, its arguments resolved, where it stands."""

    name: str
    arguments: Tree
    line: int

    @property
    def where(self) -> str:
        """For a person."""
        return f"{self.name} (inference.json line {self.line})"

    @property
    def expressions(self) -> list[str]:
        """Arguments that are Python, a reference that leads nowhere, or a file: nothing of it is run."""
        return [
            f"{n} = {v!r}" for n, v in self.arguments.items() if isinstance(v, str) and v.startswith(("$", "%", "@"))
        ]


def read_json(path: Path) -> tuple[Tree, str]:
    """A file's JSON object, and its text.

    Raises:
        ModelRefused: it is missing or none.
    """
    try:
        text = path.read_text()
        tree = json.loads(text)
    except FileNotFoundError as error:
        raise ModelRefused(
            f"{path.parent.parent.name} is no MONAI bundle: {path.parent.name}/{path.name} is missing"
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelRefused(f"{path.name} cannot be read: {error}") from error
    if not isinstance(tree, dict):
        raise ModelRefused(f"{path.name} holds no JSON object")
    return tree, text


def with_lines(config: Tree, text: str) -> Iterator[tuple[Tree, int]]:
    """Each object with a `_target_`, in the order of the file, with its line."""
    lines = [text.count("\n", 0, found.start()) + 1 for found in re.finditer(rf'"{TARGET}"\s*:', text)]
    yield from zip(_targets(config), lines, strict=True)


def _targets(value: Any) -> Iterator[Tree]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == TARGET:
                yield value
            yield from _targets(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _targets(inner)


def steps_of(config: Tree, section: str, steps: list[tuple[Tree, int]]) -> Iterator[Step]:
    """The steps of a section, Compose opened; references to plain values are followed."""
    own = [id(tree) for tree in _targets(config.get(section))]
    for tree, line in steps:
        if id(tree) not in own:
            continue
        name = str(tree[TARGET]).rpartition(".")[2]
        if name != "Compose" and _followed(config, tree.get("_disabled_")) is not True:
            arguments = {k: _followed(config, v) for k, v in tree.items() if k not in BOOKKEEPING}
            yield Step(_plain(name), arguments | _doubt(tree), line)


def _doubt(tree: Tree) -> Tree:
    """Whether a step is taken at all may be an expression: nobody runs it here."""
    disabled = tree.get("_disabled_", False)
    return {} if isinstance(disabled, bool) else {"_disabled_": disabled}


def _plain(name: str) -> str:
    """MONAI's dictionary transforms end in d, D or Dict."""
    for ending in ("Dict", "D", "d"):
        if name.endswith(ending) and name[: -len(ending)]:
            return name[: -len(ending)]
    return name


def _followed(config: Tree, value: Any) -> Any:
    """A reference such as @pixdim or @a#b as the value that it names; what is no plain value stays as it is."""
    depth = 0
    while isinstance(value, str) and re.fullmatch(r"@[\w#]+", value) and depth < DEEPEST:
        found: Any = config
        for key in value[1:].split("#"):
            found = found.get(key) if isinstance(found, dict) else None
        if found is None:
            return value
        value, depth = found, depth + 1
    return value
