"""TOML files read into frozen dataclasses: every key known, every fault with its file, line and key."""

from __future__ import annotations

import dataclasses
import re
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from streams.errors import PolicyInvalid

T = TypeVar("T")

_TABLE = re.compile(r"\s*\[{1,2}\s*(?P<path>[^\]]+?)\s*\]{1,2}")
_KEY = re.compile(r"\s*(?P<key>[A-Za-z0-9_\-.\"']+)\s*=")
_AT_PATH = re.compile(r" - at `(?:key` in `)?\$(?P<path>[^`]*)`")
_STEP = re.compile(r"\.(\w+)|\[(\.\.\.|\d+)\]")


class TomlFile:
    """A TOML file with its text, so that a fault found later still names its line.

    Attributes:
        name: how faults call it.
        content: its bytes, for a digest.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        try:
            self.content = path.read_bytes()
            self._tree: dict[str, Any] = tomllib.loads(self.content.decode())
        except FileNotFoundError as error:
            raise PolicyInvalid(f"{name} is missing in {path.parent}") from error
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise PolicyInvalid(f"{name} cannot be read: {error}") from error
        self._lines = _lines(self.content.decode())

    def read(self, as_type: type[T]) -> T:
        """Its content as a frozen dataclass.

        Raises:
            PolicyInvalid: an unknown or missing key, or a value of the wrong kind; names file, line and key.
        """
        self._unknown(self._tree, as_type, ())
        try:
            return msgspec.convert(self._tree, as_type, strict=True)
        except msgspec.ValidationError as error:
            sentence, path = _parted(str(error))
            key = f"key '{'.'.join(path)}': " if path else ""
            self.fault(path, f"{key}{sentence[:1].lower()}{sentence[1:]}", error)

    def part_of(self, as_type: type) -> dict[str, Any]:
        """Its content as it stands, where every key is one of the dataclass; keys may be missing.

        Raises:
            PolicyInvalid: an unknown key; names file, line and key.
        """
        self._unknown(self._tree, as_type, ())
        return self._tree

    def fault(self, path: tuple[str, ...], sentence: str, cause: Exception | None = None) -> NoReturn:
        """Say what is wrong at a key; the line is that of the nearest key there is.

        Raises:
            PolicyInvalid: always.
        """
        for length in range(len(path), 0, -1):
            line = self._lines.get(path[:length])
            if line is not None:
                raise PolicyInvalid(f"{self.name} line {line}: {sentence}") from cause
        raise PolicyInvalid(f"{self.name}: {sentence}") from cause

    def _unknown(self, tree: Any, as_type: Any, path: tuple[str, ...]) -> None:
        """Look for keys that the dataclass, or one inside it, does not have."""
        if not isinstance(tree, Mapping):
            return
        inner = _dataclass_in(as_type)
        if inner is None:
            words, values = _entries(as_type)
            for key, value in tree.items():
                self._known(key, words or [key], path)
                self._unknown(value, values, (*path, key))
            return
        hints = typing.get_type_hints(inner)
        known = [field.name for field in dataclasses.fields(inner)]
        for key, value in tree.items():
            self._known(key, known, path)
            self._unknown(value, hints[key], (*path, key))

    def _known(self, key: str, known: Sequence[str], path: tuple[str, ...]) -> None:
        if key not in known:
            self.fault((*path, key), f"key '{key}' is not known{meant(key, known)}")


def meant(word: str, known: typing.Iterable[str]) -> str:
    """The end of a sentence about a wrong word: the nearest right one, or all of them."""
    words = list(known)
    near = get_close_matches(word, words, n=1)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; known are {', '.join(words)}" if words else ""


def _dataclass_in(as_type: Any) -> Any:
    """The dataclass that a type is, or is optionally (X | None)."""
    options = (as_type,) if typing.get_origin(as_type) is None else typing.get_args(as_type)
    union = typing.get_origin(as_type) in (None, typing.Union, types.UnionType)
    return next((t for t in options if dataclasses.is_dataclass(t)), None) if union else None


def _entries(as_type: Any) -> tuple[tuple[str, ...], Any]:
    """A dict's keys, where a Literal names them, and the type of its values."""
    if typing.get_origin(as_type) is not dict:
        return (), None
    keys, values = typing.get_args(as_type)
    return typing.get_args(keys), values


def _parted(message: str) -> tuple[str, tuple[str, ...]]:
    """The sentence of msgspec and the path that it names."""
    found = _AT_PATH.search(message)
    if found is None:
        return message, ()
    path = tuple(name for name, _ in _STEP.findall(found["path"]) if name)
    return message[: found.start()], path


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """The line of each table and key that stands at the beginning of a line."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        heading = _TABLE.match(line)
        if heading is not None and "=" not in line.partition("#")[0]:
            table = _dotted(heading["path"])
            lines.setdefault(table, number)
            continue
        key = _KEY.match(line)
        if key is not None:
            lines.setdefault((*table, *_dotted(key["key"])), number)
    return lines


def _dotted(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in text.split("."))
