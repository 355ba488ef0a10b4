"""Masks as compact objects: one bit a pixel, on the grid of the stored images, named by their instances."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.errors import EventUnreadable
from streams.events.codec import decode_part, encode_part

MAGIC = b"wetread-mask-1\n"
LEVEL = 6
"""Of zlib: a thin bleed over a whole head shrinks twentyfold in some milliseconds."""
LARGEST_PIXELS = 1 << 30
"""Of a mask, a byte each once it is read: four thousand slices of 512 x 512, more than any reading takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskHeader:
    """What stands before the bits, as a line of JSON.

    Attributes:
        instances: SOP Instance UIDs of the slices that the mask touches, from foot to head.
        rows, columns: of the stored images.
        box: first and one past last row, first and one past last column that the bits cover.
    """

    instances: tuple[str, ...]
    rows: int
    columns: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """A mask on the stored pixels of some instances: bool [n, rows, columns]."""

    instances: tuple[str, ...]
    bits: NDArray[np.bool_]


def encode_mask(mask: Mask) -> bytes | None:
    """The mask's bytes, the same for the same mask (and zlib); None where it marks nothing.

    Slices without a marked pixel are left out, and the bits cover only the box that holds the marked ones.
    """
    touched = np.flatnonzero(mask.bits.any(axis=(1, 2)))
    if touched.size == 0:
        return None
    bits = mask.bits[touched]
    rows, columns = (np.flatnonzero(bits.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    box = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
    header = MaskHeader(
        instances=tuple(mask.instances[index] for index in touched),
        rows=bits.shape[1],
        columns=bits.shape[2],
        box=box,
    )
    packed = np.packbits(bits[:, box[0] : box[1], box[2] : box[3]])
    return MAGIC + encode_part(header) + b"\n" + zlib.compress(packed.tobytes(), LEVEL)


def decode_mask(content: bytes) -> Mask:
    """A mask from its bytes; it holds only the slices that it touches.

    Raises:
        EventUnreadable: the bytes are none, or claim more than LARGEST_PIXELS; nothing is allocated for them.
    """
    if not content.startswith(MAGIC):
        raise EventUnreadable("not a mask: it does not begin as one")
    line, _, deflated = content[len(MAGIC) :].partition(b"\n")
    header = decode_part(MaskHeader, line)
    top, bottom, left, right = header.box
    if not (0 <= top < bottom <= header.rows and 0 <= left < right <= header.columns):
        raise EventUnreadable("not a mask: its box lies outside its images")
    claimed = len(header.instances) * header.rows * header.columns
    if claimed > LARGEST_PIXELS:
        raise EventUnreadable(f"not a mask that is read: it claims {claimed} pixels, of {LARGEST_PIXELS} at most")
    shape = (len(header.instances), bottom - top, right - left)
    count = shape[0] * shape[1] * shape[2]
    packed = _inflated(deflated, (count + 7) // 8)
    bits = np.zeros((shape[0], header.rows, header.columns), dtype=np.bool_)
    inside = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=count)
    bits[:, top:bottom, left:right] = inside.reshape(shape)
    return Mask(instances=header.instances, bits=bits)


def _inflated(deflated: bytes, size: int) -> bytes:
    """The packed bits, of exactly this size; never more is made of them."""
    inflater = zlib.decompressobj()
    try:
        packed = inflater.decompress(deflated, size + 1)
    except zlib.error as error:
        raise EventUnreadable(f"not a mask: {error}") from error
    if len(packed) != size or not inflater.eof:
        raise EventUnreadable("not a mask: it holds too many bits or too few")
    return packed
