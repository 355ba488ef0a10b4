"""The top-level elements of a header up to the pixels, read under limits; whatever stands there."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO

from pydicom.filereader import data_element_generator

from streams.doors.part10 import UNDEFINED

BIG_ENDIAN = "1.2.840.10008.1.2.2"
IMPLICIT = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

FLOAT_PIXELS, DOUBLE_PIXELS, PIXELS = 0x7FE00008, 0x7FE00009, 0x7FE00010
_FIRST_PIXELS = 0x7FE00008
_CHARACTER_SET = 0x00080005
VALUE_LONGEST = 65_536
READS_MOST = 300_000
"""Calls of read() for one header: two or three per element, so some 100,000 elements, a few seconds at most."""
INFLATED_HEADER = 16_000_000
INFLATED_MOST = 512_000_000
INFLATED_TIMES = 100
"""Deflated pixels that claim to be so many times as long are not read: images of anything shrink by 2 to 20."""
_CHUNK = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelPlace:
    """Where pixel data stand: tag, claimed length, offset of the value, bytes that are there after it."""

    tag: int
    length: int
    start: int
    available: int


@dataclass(slots=True)
class Elements:
    """Raw values by tag, as far as the header could be read; `broken` says why it ended early."""

    little_endian: bool
    values: dict[int, bytes] = field(default_factory=dict)
    sequences: set[int] = field(default_factory=set)
    pixels: PixelPlace | None = None
    broken: str | None = None


class _Bounded:
    """A stream that gives up after too many reads."""

    def __init__(self, stream: BinaryIO) -> None:
        self._left = READS_MOST
        self._read = stream.read
        self.seek = stream.seek
        self.tell = stream.tell

    def read(self, size: int = -1) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise OverflowError(f"more than {READS_MOST // 3} elements")
        return self._read(size)


def read_elements(stream: BinaryIO, size: int, transfer_syntax: str, wanted: Collection[int]) -> Elements:
    """The wanted elements of the dataset at the stream's place, to the pixel data or the first lie.

    Args:
        stream: its read() must not reserve more than there is (a BytesIO or an mmap).
        size: where the stream ends.
        transfer_syntax: an unknown one is read as explicit little endian (PS3.5 10: all but two are).
        wanted: tags; values over 64 KB count as absent.
    """
    inflated: _Inflated | None = None
    if transfer_syntax == DEFLATED:
        inflated = _Inflated(stream, size)
        stream, size = BytesIO(inflated.head), len(inflated.head)
    elements = Elements(little_endian=transfer_syntax != BIG_ENDIAN)
    implicit = _is_implicit(stream, transfer_syntax)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd character sets and VRs: what matters of them is checked here
            for element in data_element_generator(
                _Bounded(stream),  # type: ignore[arg-type]  # all that is asked of a stream
                implicit,
                elements.little_endian,
                _stop(elements, stream, size),
                defer_size=VALUE_LONGEST,
                specific_tags=list(wanted),
            ):
                if isinstance(element.value, bytes):
                    elements.values[int(element.tag)] = element.value
                elif element.VR == "SQ":
                    elements.sequences.add(int(element.tag))
    except Exception as error:  # noqa: BLE001  # pydicom raises some ten types on broken bytes, RecursionError too
        elements.broken = f"its header cannot be read to the end ({type(error).__name__})"
    if inflated and elements.pixels:
        elements.broken = elements.broken or inflated.fault(elements.pixels)
        elements.pixels = inflated.measure(elements.pixels)
    return elements


def _stop(elements: Elements, stream: BinaryIO, size: int) -> Callable[[int, str | None, int], bool]:
    """Ends the reading at the pixels, and at a length that cannot be."""

    def stop(tag: int, _vr: str | None, length: int) -> bool:
        start = stream.tell()
        if _FIRST_PIXELS <= tag <= PIXELS:
            elements.pixels = PixelPlace(tag=tag, length=length, start=start, available=max(size - start, 0))
            return True
        if tag > PIXELS:
            return True
        if length != UNDEFINED and length > size - start:
            name = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
            elements.broken = f"element {name} claims {length} bytes where {max(size - start, 0)} are left"
        elif tag == _CHARACTER_SET and length > VALUE_LONGEST:
            elements.broken = f"its character set claims {length} bytes"
        return elements.broken is not None

    return stop


def _is_implicit(stream: BinaryIO, transfer_syntax: str) -> bool:
    """What the first element shows, where it contradicts the transfer syntax: some writers mistake it."""
    start = stream.tell()
    vr = stream.read(6)[4:6]
    stream.seek(start)
    shows_vr = len(vr) == 2 and vr.isalpha() and vr.isupper()  # noqa: PLR2004
    return not shows_vr if vr else transfer_syntax == IMPLICIT


class _Inflated:
    """A deflated dataset: its head inflated, the rest only counted (PS3.5 A.5), and never more than was sent tells."""

    def __init__(self, packed: BinaryIO, size: int) -> None:
        self._packed = packed
        self._most = min(INFLATED_HEADER + INFLATED_TIMES * size, INFLATED_MOST)
        self._unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        self._ended = False
        self.head = b""
        while len(self.head) < INFLATED_HEADER and (chunk := self._next()):
            self.head += chunk

    def _next(self) -> bytes:
        """At most _CHUNK inflated bytes; empty at the end, or where the stream is damaged."""
        while not self._ended:
            packed = self._unpacker.unconsumed_tail or self._packed.read(65_536)
            try:
                chunk = self._unpacker.decompress(packed, _CHUNK)
            except zlib.error:
                self._ended = True
                return b""
            self._ended = self._unpacker.eof or not packed
            if chunk:
                return chunk
        return b""

    def fault(self, pixels: PixelPlace) -> str | None:
        """Why the pixels are not even counted."""
        if pixels.length == UNDEFINED or pixels.start + pixels.length <= self._most:
            return None
        return f"its deflated pixels claim {pixels.length} bytes: at most {self._most} are made of what was sent"

    def measure(self, pixels: PixelPlace) -> PixelPlace:
        """How many bytes of the pixel data there are, inflating no more of them than are claimed."""
        end = len(self.head)
        wanted = min(pixels.start + pixels.length, self._most)
        while end < wanted and (chunk := self._next()):
            end += len(chunk)
        return PixelPlace(tag=pixels.tag, length=pixels.length, start=pixels.start, available=end - pixels.start)
