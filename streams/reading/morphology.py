"""Widening, narrowing and filling of binary planes, for a whole stack at once: each slice by itself."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]

IN_PLANE = np.array([[[0, 0, 0]] * 3, [[0, 1, 0], [1, 1, 1], [0, 1, 0]], [[0, 0, 0]] * 3], np.bool_)
"""Four neighbours in the slice, none above or below."""


def widened(stack: Mask, reach: float) -> Mask:
    """All pixels of `[z, y, x]` within `reach` pixels (Euclidean, in the slice) of a marked one.

    What a distance transform and a threshold give, as a union of shifted rows: a disc of some pixels has few
    different row lengths, and whole stacks are moved at memory's speed.
    """
    rows = _rows_of_disc(reach)
    out = np.zeros_like(stack)
    row, length = stack.copy(), 0
    for offset in range(len(rows) - 1, -1, -1):  # the outermost row of the disc is the shortest
        while length < rows[offset]:
            length += 1
            _or_shifted(row, stack, 2, length)
        _or_shifted(out, row, 1, offset)
    return out


def narrowed(stack: Mask, reach: float) -> Mask:
    """All marked pixels further than `reach` pixels from an unmarked one in their slice; edges do not count."""
    return ~widened(~stack, reach)


def rims(stack: Mask) -> Mask:
    """The marked pixels that have an unmarked one, or the edge, at one of their four sides in the slice."""
    inner = np.pad(stack, ((0, 0), (1, 1), (1, 1)))
    surrounded = inner[:, :-2, 1:-1] & inner[:, 2:, 1:-1] & inner[:, 1:-1, :-2] & inner[:, 1:-1, 2:]
    return stack & ~surrounded


def filled(stack: Mask) -> Mask:
    """Each slice with its holes filled: what cannot be left through four neighbours without crossing a mark."""
    outside, _ = ndimage.label(~np.pad(stack, ((0, 0), (1, 1), (1, 1))), IN_PLANE)
    around = np.unique(outside[:, 0, 0])  # one corner of the frame for each slice
    reached = np.zeros(int(outside.max()) + 1, np.bool_)
    reached[around] = True
    return np.asarray(~reached[outside[:, 1:-1, 1:-1]])


def _rows_of_disc(reach: float) -> list[int]:
    """Half the length of a disc's rows, from its middle row outwards: sqrt(row^2 + half^2) <= reach."""
    rows: list[int] = []
    while sqrt(len(rows) ** 2) <= reach:
        half = 0
        while sqrt(len(rows) ** 2 + (half + 1) ** 2) <= reach:
            half += 1
        rows.append(half)
    return rows


def _or_shifted(out: Mask, stack: Mask, axis: int, by: int) -> None:
    """`out` united with `stack` moved both ways along an axis; what leaves the slice is lost."""
    if by == 0:
        out |= stack
        return
    after = [slice(None)] * 3
    before = [slice(None)] * 3
    after[axis], before[axis] = slice(by, None), slice(None, -by)
    out[tuple(after)] |= stack[tuple(before)]
    out[tuple(before)] |= stack[tuple(after)]
