"""Masks to learn from: MIAS' films by the rule of the product, shifted by what their letters say; nobody drew them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.breast.rule import CUT, off_muscle, score_of

Plane = NDArray[np.float32]
Bits = NDArray[np.bool_]

HARDER = {"F": 0.5, "G": 0.1, "D": -0.45}
"""By letter, added to CUT: the median share of the letter's films becomes about 12, 34 and 49 percent (a choice)."""
CLOSED = 4
"""Radius in pixels of the frame: a hand goes round the fat between strands."""
SMALLEST = 0.2
"""Of the largest part: smaller ones are not drawn."""


def guessed(grey: Plane, inside: Bits, muscle: Bits, tissue: str) -> Bits:
    """Dense tissue as a hand would outline it in a film in the frame whose MIAS letter is known."""
    breast = off_muscle(inside, muscle)
    return outlined((score_of(grey, inside, breast).plane >= CUT + HARDER[tissue]) & breast) & breast


def outlined(dense: Bits) -> Bits:
    """The greater parts, gaps between strands closed and holes filled."""
    parts, count = ndimage.label(dense)
    if count == 0:
        return dense
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    kept = np.isin(parts, np.flatnonzero(sizes >= SMALLEST * sizes.max()))
    y, x = np.mgrid[-CLOSED : CLOSED + 1, -CLOSED : CLOSED + 1]
    closed = ndimage.binary_closing(np.pad(kept, 2 * CLOSED, mode="edge"), y * y + x * x <= CLOSED * CLOSED)
    return np.asarray(ndimage.binary_fill_holes(closed)[2 * CLOSED : -2 * CLOSED, 2 * CLOSED : -2 * CLOSED])
