"""Whether the pixels that a header announces can be there; nothing is decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from streams.doors.elements import DOUBLE_PIXELS, FLOAT_PIXELS, PixelPlace
from streams.doors.part10 import UNDEFINED

LARGEST_PIXELS = 2_000_000_000
FRAGMENTS_MOST = 1_000_000
_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
_WIDTHS = (1, 8, 16, 32, 64)
_HALF_CHROMA = ("YBR_FULL_422", "YBR_PARTIAL_422")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Rows, Columns, frames, Samples per Pixel, Bits Allocated and Photometric Interpretation (C.7.6.3)."""

    rows: int
    columns: int
    frames: int
    samples: int
    bits: int
    photometric: str

    @property
    def size(self) -> int:
        """Bytes of uncompressed pixel data (PS3.5 8.1.1)."""
        samples = 2 if self.photometric in _HALF_CHROMA else self.samples
        return (self.rows * self.columns * self.frames * samples * self.bits + 7) // 8


def shape_fault(shape: Shape) -> str | None:
    """What is absurd about the announced shape."""
    if shape.rows <= 0 or shape.columns <= 0 or shape.frames <= 0:
        return f"no image has {shape.rows} rows, {shape.columns} columns and {shape.frames} frames"
    if shape.bits not in _WIDTHS or shape.samples not in (1, 3, 4):
        return f"no image has {shape.bits} bits allocated and {shape.samples} samples per pixel"
    if shape.size > LARGEST_PIXELS:
        return f"its header announces {shape.size} bytes of pixels: over {LARGEST_PIXELS} are not read"
    return None


def pixel_fault(stream: BinaryIO, shape: Shape, pixels: PixelPlace, *, compressed: bool) -> str | None:
    """What is wrong with the pixel data by their length, or by their fragments where they are compressed."""
    if compressed:
        if pixels.length != UNDEFINED:
            return "its pixels are said to be compressed, but are not in fragments (PS3.5 A.4)"
        return _fragments_fault(stream, pixels, shape.frames)
    if pixels.length == UNDEFINED:
        return "its pixels are in fragments, but are said not to be compressed (PS3.5 A.4)"
    there = min(pixels.length, pixels.available)
    expected = shape.size
    if pixels.tag in (FLOAT_PIXELS, DOUBLE_PIXELS):
        width = 4 if pixels.tag == FLOAT_PIXELS else 8
        expected = shape.rows * shape.columns * shape.frames * width
    if there < expected or pixels.available < pixels.length:
        return f"truncated: {there} of {max(expected, pixels.length)} bytes"
    return None


def _fragments_fault(stream: BinaryIO, pixels: PixelPlace, frames: int) -> str | None:
    """Step from item to item: each must lie inside, there must be enough, and the delimiter must come."""
    end = pixels.start + pixels.available
    place, items = pixels.start, 0
    while place + 8 <= end and items <= FRAGMENTS_MOST:
        stream.seek(place)
        group, element, length = struct.unpack("<HHL", stream.read(8))
        tag = group << 16 | element
        if tag == _SEQUENCE_END:
            # the first item is the offset table, which no frame lies in
            return None if items > frames else f"truncated: {max(items - 1, 0)} fragments for {frames} frames"
        if tag != _ITEM:
            return "its compressed pixels are damaged: no item where one is due"
        place += 8 + length
        items += 1
    if items > FRAGMENTS_MOST:
        return f"its compressed pixels have over {FRAGMENTS_MOST} fragments"
    return f"truncated: its compressed pixels end after {pixels.available} bytes without their delimiter"
