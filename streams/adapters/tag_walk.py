"""A walk over the top level of a little-endian dataset: some small values, and where it stops; untrusted bytes."""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass

UNDEFINED = 0xFFFFFFFF
DEEPEST = 16
"""Nested sequences; a hostile file nests deeper."""
LONGEST_VALUE = 256
"""Bytes of a wanted value; numbers and code strings are shorter."""

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG_FORM = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
"""Value representations with a length of 4 bytes (PS3.5 7.1.2)."""


class WalkFailed(ValueError):  # no fault of the file: it is left to the slow reader
    """The dataset is not built as the walk expects."""


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk found.

    Attributes:
        values: the wanted elements that there are, as their bytes; of a sequence none.
        stopped_at: offset of the first element with a tag of `until` or higher, or the end.
    """

    values: dict[int, bytes]
    stopped_at: int


def walk(content: bytes, start: int, *, explicit: bool, wanted: Collection[int], until: int) -> Walked:
    """Read the elements from `start` until one with the tag `until` or a higher one.

    Raises:
        WalkFailed, struct.error: tags out of order, an element past the end, nesting without end.
    """
    values: dict[int, bytes] = {}
    at, last, end = start, -1, len(content)
    while at + 8 <= end:
        tag = _tag(content, at)
        if tag <= last:
            raise WalkFailed("tags out of order")
        if tag >= until:
            break
        last = tag
        _, length, data = element_at(content, at, explicit=explicit)
        at = _past(content, (length, data), explicit=explicit, depth=0)
        if at > end:
            raise WalkFailed("an element ends past the end")
        if tag in wanted:
            values[tag] = content[data : min(at, data + LONGEST_VALUE)]
    return Walked(values, at)


def _tag(content: bytes, at: int) -> int:
    group, element = struct.unpack_from("<HH", content, at)
    return int(group << 16 | element)


def element_at(content: bytes, at: int, *, explicit: bool) -> tuple[int, int, int]:
    """Tag, length (UNDEFINED is one) and the offset of the value.

    Raises:
        WalkFailed, struct.error: there is no element.
    """
    tag = _tag(content, at)
    if not explicit or tag >> 16 == _ITEM >> 16:
        return tag, struct.unpack_from("<I", content, at + 4)[0], at + 8
    vr = content[at + 4 : at + 6]
    if vr in _LONG_FORM:
        return tag, struct.unpack_from("<I", content, at + 8)[0], at + 12
    if not (vr.isalpha() and vr.isupper()):
        raise WalkFailed("no value representation")
    return tag, struct.unpack_from("<H", content, at + 6)[0], at + 8


def _past(content: bytes, place: tuple[int, int], *, explicit: bool, depth: int) -> int:
    """Offset behind an element, given its length and the offset of its value."""
    length, data = place
    if length != UNDEFINED:
        return data + length
    return _past_sequence(content, data, explicit=explicit, depth=depth)


def _past_sequence(content: bytes, at: int, *, explicit: bool, depth: int) -> int:
    """Offset behind a sequence of undefined length whose items begin at `at`."""
    if depth > DEEPEST:
        raise WalkFailed("nested too deep")
    while True:
        tag, length, data = element_at(content, at, explicit=explicit)
        if tag == _SEQUENCE_END:
            return data
        if tag != _ITEM:
            raise WalkFailed("a sequence without items")
        at = data + length if length != UNDEFINED else _past_item(content, data, explicit=explicit, depth=depth)


def _past_item(content: bytes, at: int, *, explicit: bool, depth: int) -> int:
    while True:
        tag, length, data = element_at(content, at, explicit=explicit)
        if tag == _ITEM_END:
            return data
        at = _past(content, (length, data), explicit=explicit, depth=depth + 1)
