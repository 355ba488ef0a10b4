"""What lies in the pixels beside the patient's anatomy: noise, metal, motion, contrast agent, text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.quality.body import IN_PLANE, Body, pieces_over
from streams.reading.quality.look import Look
from streams.reading.volume import Volume

BLOCK = 8
"""Side of the squares in which noise is measured, in pixels."""
NOISE_SLICES = 8
NOISE_AT_MM = 5.0
QUIET = 25.0
"""Percentile of the squares' deviations: those without a vessel, a sulcus or an edge."""
METAL_HU = 2600.0
METAL_MM2 = 30.0
VESSEL_HU = (115.0, 700.0)
"""Above fresh blood, which stays below 100."""
LEAST_MM3 = 200_000.0
"""In less tissue than this nothing is said of contrast agent."""
SKULL_MM2 = 400.0
"""Bone in one piece larger than this on a slice is skull; a vessel full of contrast agent is smaller."""
BRAIN_CM2 = 40.0
STEADY = 0.7
"""Share of its largest area that the skull's inside has where its outline changes slowly."""
TEXT_SLICES = 5
TEXT_ABOVE_HU = 100
GLYPH_PX = (4, 40)


def noise(volume: Volume, look: Look, body: Body) -> float | None:
    """Standard deviation in even soft tissue, HU, as slices of 5 mm have it; None where there is none."""
    quiet = []
    deep = ndimage.binary_erosion(body.body, IN_PLANE, iterations=2)
    soft = deep & (look.hu > 0) & (look.hu < 110)
    wide = np.flatnonzero(soft.sum((1, 2)) * look.cell_mm2 > 1500)
    for place in wide[np.unique(np.linspace(0, len(wide) - 1, NOISE_SLICES).astype(int))] if len(wide) else ():
        blocks = _blocks(volume.hu[look.index[place]])
        mean, spread = blocks.mean(1), blocks.std(1)
        even = (mean > 5) & (mean < 100) & (blocks.min(1) > -250) & (blocks.max(1) < 350)
        if even.sum() >= 20:
            quiet.append(float(np.percentile(spread[even], QUIET)))
    if not quiet:
        return None
    return float(np.median(quiet)) * min(1.0, float(np.sqrt(volume.spacing_mm[0] / NOISE_AT_MM)))


def _blocks(plane: NDArray[np.int16]) -> NDArray[np.float32]:
    rows, columns = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    cut = plane[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return cut.swapaxes(1, 2).reshape(-1, BLOCK * BLOCK).astype(np.float32)


def metal(look: Look, body: Body, *, head: bool) -> float:
    """% of the slices (of a head: of those through the brain) with more than 30 mm2 of metal in the body."""
    near = ndimage.binary_dilation(body.body, IN_PLANE)
    shown = ((look.hu > METAL_HU) & near).sum((1, 2)) * look.cell_mm2 > METAL_MM2
    levels = _brain_levels(look, body) if head else body.pieces > 0
    return float(shown[levels].mean() * 100) if levels.any() else 0.0


def _brain_levels(look: Look, body: Body) -> NDArray[np.bool_]:
    return np.asarray(body.areas(body.enclosed, look) > BRAIN_CM2)


def _wide_levels(look: Look, body: Body) -> NDArray[np.bool_]:
    """Slices through the wide part of the skull, well above its base."""
    area = body.areas(body.enclosed, look)
    return np.asarray((area > BRAIN_CM2) & (area > STEADY * area.max()))


def motion(look: Look, body: Body) -> float:
    """The largest step of the skull's inside from one slice to the next that its run does not explain, mm.

    Only what both sides do alike counts: a head that widens does not move.
    """
    levels = np.flatnonzero(_wide_levels(look, body))
    if len(levels) < 3 or (np.diff(levels) > 1).any():
        return 0.0
    jumps = np.zeros(len(levels))
    for axis, mm in ((1, look.pixel_mm[1]), (2, look.pixel_mm[0])):
        profile = body.enclosed[levels].sum(axis).astype(np.float64)
        low, high = (_quantile(profile, share) * mm for share in (0.1, 0.9))
        one, other = (_steps(edge, look.positions_mm[levels]) for edge in (low, high))
        both = np.where(np.sign(one) == np.sign(other), np.minimum(np.abs(one), np.abs(other)), 0.0)
        jumps = np.maximum(jumps, both)
    return float(jumps.max())


def _quantile(profile: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Where, in pixels, so much of each row's sum is reached; between pixels by interpolation."""
    total = np.cumsum(profile, 1)
    total /= np.maximum(total[:, -1:], 1e-9)
    places = np.arange(profile.shape[1]) + 1.0
    return np.asarray([np.interp(share, row, places) for row in total])


def _steps(values: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each value the step from the one before, beyond the usual run of the five steps round it; the first is 0."""
    lengths = np.diff(positions)
    slopes = np.diff(values) / lengths
    usual = ndimage.median_filter(slopes, 5, mode="nearest")
    return np.asarray(np.concatenate([[0.0], (slopes - usual) * lengths]))


def bright_in_head(look: Look, body: Body) -> float | None:
    """% of the skull's inside, 6 mm off the bone, that is brighter than blood; None without a brain.

    The median of the wide slices: vessels show on each of them, the bone of the skull's base on a few.
    """
    skull = pieces_over(body.bone, SKULL_MM2 / look.cell_mm2)
    deep = ndimage.binary_erosion(body.enclosed | (body.bone & ~skull), IN_PLANE, iterations=2)
    brain = deep[_wide_levels(look, body)]
    if brain.sum() * look.cell_mm2 * look.step_mm < LEAST_MM3:
        return None
    grey = look.hu[_wide_levels(look, body)]
    shown = brain & (grey > VESSEL_HU[0]) & (grey < VESSEL_HU[1])
    return float(np.median(shown.sum((1, 2)) / np.maximum(brain.sum((1, 2)), 1)) * 100)


def bright_in_trunk(look: Look, body: Body) -> float | None:
    """% of the soft tissue in the front 60 % of the body that is a thick piece of 110 to 450 HU; None without."""
    depth = np.cumsum(body.body.any(2), 1) / np.maximum(body.body.any(2).sum(1), 1)[:, None]
    front = body.core & (depth < 0.6)[:, :, None]
    soft = front & (look.hu > 0) & (look.hu < 450)
    if soft.sum() * look.cell_mm2 * look.step_mm < LEAST_MM3:
        return None
    thick = ndimage.binary_opening(soft & (look.hu > 110), IN_PLANE, iterations=2)
    return float(thick.sum() / soft.sum() * 100)


def text(volume: Volume, look: Look, body: Body) -> int:
    """Characters written into the pixels beside the patient: pieces of one brightest value; median of five slices."""
    counts = []
    for place in np.unique(np.linspace(0, len(look.index) - 1, TEXT_SLICES).astype(int)):
        plane = volume.hu[look.index[place]]
        outside = ~_full_size(ndimage.binary_dilation(body.body[place], iterations=4), plane.shape)
        brightest = int(plane[outside].max()) if outside.any() else 0
        if brightest < TEXT_ABOVE_HU:
            counts.append(0)
            continue
        labels, _ = ndimage.label((plane == brightest) & outside, np.ones((3, 3)))
        boxes = [[s.stop - s.start for s in found] for found in ndimage.find_objects(labels)]
        counts.append(sum(GLYPH_PX[0] <= high <= GLYPH_PX[1] and 2 <= wide <= GLYPH_PX[1] for high, wide in boxes))
    return int(np.median(counts))


def _full_size(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    rows, columns = (np.minimum(np.arange(n) * m // n, m - 1) for n, m in zip(shape, mask.shape, strict=True))
    return np.asarray(mask[np.ix_(rows, columns)])
