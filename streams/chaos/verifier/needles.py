"""Many words sought in many bytes at once: windows of bytes are held against a table, and only hits are looked at."""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

import numpy as np
from numpy.typing import NDArray

WINDOW = 6
"""Bytes of a needle that the table knows; shorter needles cannot be sought."""
TABLE_BITS = 22
CHUNK = 4_000_000
_MIX = np.uint64(0x9E3779B97F4A7C15)
_WORD = re.compile(rb"[0-9A-Za-z.]")
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def forms(word: str) -> Iterator[bytes]:
    """How a word may stand in bytes, in lower case: as it is, backwards, escaped for a URL, in base64, in hexadecimal.

    A name "Doe^Jane" also with a blank, and with the given name first.
    """
    spelled = {word, word[::-1], word.replace("^", " "), " ".join(reversed(word.split("^")))}
    for text in spelled:
        for encoded in (text.encode(), text.encode("latin-1", "replace")):
            yield encoded.lower()
        yield quote(text, safe="").lower().encode()
        yield quote_plus(text, safe="").lower().encode()
        yield json.dumps(text)[1:-1].lower().encode()
        yield text.encode().hex().encode()
    for text in {word, word.lower(), word.upper(), word.swapcase()}:
        yield from _base64(text.encode())


def of_dates(date: str) -> Iterator[bytes]:
    """How a date YYYYMMDD may stand: in the ways people write it, and as forms has it."""
    year, month, day = date[:4], date[4:6], date[6:8]
    yield date.encode()
    for sign in "-./":
        yield sign.join((year, month, day)).encode()
        yield sign.join((day, month, year)).encode()
        yield sign.join((month, day, year)).encode()
    yield from _base64(date.encode())
    yield date.encode().hex().encode()


def _base64(content: bytes) -> Iterator[bytes]:
    """What of its base64 does not depend on what stands before and after, for each of the three alignments."""
    for lead in range(3):
        whole = base64.b64encode(bytes(lead) + content)
        first = -(-lead * 8 // 6)
        last = (lead + len(content)) * 8 // 6
        for text in (whole[first:last], whole[first:last].replace(b"+", b"-").replace(b"/", b"_")):
            yield text.lower()


class Needles:
    """Words to be found whatever their case; digits alone only by themselves: no part of a number, a UID, a UUID."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        """In lower case.

        Raises:
            ValueError: one is too short to be told from chance.
        """
        self._by_head: dict[bytes, set[bytes]] = defaultdict(set)
        for needle in needles:
            if len(needle) < WINDOW:
                raise ValueError(f"{needle.decode()!r} is too short to be sought: {WINDOW} bytes at least")
            self._by_head[needle[:WINDOW]].add(needle)
        self._longest = max((len(n) for group in self._by_head.values() for n in group), default=WINDOW)
        self._table = np.zeros(1 << TABLE_BITS, np.bool_)
        for head in self._by_head:
            self._table[_hashes(np.frombuffer(head, np.uint8))] = True

    def found_in(self, content: bytes) -> Iterator[tuple[int, bytes]]:
        """Offset and needle of each that stands in the bytes."""
        content = content.lower()
        for start in range(0, len(content), CHUNK):
            part = content[start : start + CHUNK + self._longest]
            hits = np.flatnonzero(self._table[_hashes(np.frombuffer(part, np.uint8))])
            for at in hits[hits < CHUNK].tolist():
                yield from self._at(content, start + at)

    def _at(self, content: bytes, at: int) -> Iterator[tuple[int, bytes]]:
        for needle in self._by_head.get(content[at : at + WINDOW], ()):
            if content.startswith(needle, at) and not (needle.isdigit() and _inside(content, at, len(needle))):
                yield at, needle


def _inside(content: bytes, at: int, length: int) -> bool:
    """Whether it is a part of a longer number, UID or digest, or begins a UUID: chance, not a date."""
    if _UUID.match(content, at):
        return True
    before, after = content[max(0, at - 1) : at], content[at + length : at + length + 1]
    return bool(_WORD.match(before) or _WORD.match(after))


def _hashes(content: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """A number of TABLE_BITS for each window."""
    count = max(0, len(content) - WINDOW + 1)
    packed = np.zeros(count, np.uint64)
    for place in range(WINDOW):
        packed = (packed << np.uint64(8)) | content[place : place + count].astype(np.uint64)
    return (packed * _MIX) >> np.uint64(64 - TABLE_BITS)
