"""Is the organ whole: vertex and skull base, apices and bases of the lungs, the field of view, the right way up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.reading.quality.body import Body
from streams.reading.quality.look import Look, Mask
from streams.reading.quality.parts import PARTS

TOUCHING_MM = 30.0
"""An organ meets the field's edge on a slice where it does so over this length."""
TAPERED_CM2, WIDE_CM2 = 60.0, 120.0
"""A vertex is smaller than the first, a face or a neck larger than the second."""
LEAST_MM = 50.0


def ends_of_head(look: Look, body: Body) -> tuple[float, float]:
    """cm2 of the head on the highest slice, and of what the skull encloses on the lowest one."""
    return float(body.areas(body.body, look)[-1]), float(body.areas(body.enclosed, look)[0])


def ends_of_lungs(look: Look, body: Body) -> tuple[float, float]:
    """cm2 of lung on the highest slice and on the lowest one."""
    areas = body.areas(body.lungs, look)
    return float(areas[-1]), float(areas[0])


def at_the_edge(look: Look, mask: Mask) -> float:
    """% of the slices that show this organ on which it runs out of the field of view."""
    seen = mask.any((1, 2))
    if not seen.any():
        return 0.0
    rows = (mask[:, :, 0].sum(1) + mask[:, :, -1].sum(1)) * look.pixel_mm[0]
    columns = (mask[:, 0].sum(1) + mask[:, -1].sum(1)) * look.pixel_mm[1]
    return float((rows + columns > TOUCHING_MM)[seen].mean() * 100)


def upside_down(look: Look, body: Body, part: NDArray[np.int64]) -> float:
    """How many mm of slices lie in the wrong order from foot to head; 0 where they do not."""
    area = body.areas(body.body, look)
    length = float(look.positions_mm[-1] - look.positions_mm[0])
    head = part == PARTS.index("head")
    if head.mean() > 0.5:
        return length if area[0] < TAPERED_CM2 and area[-1] > WIDE_CM2 else 0.0
    trunk = [look.positions_mm[part == PARTS.index(name)] for name in ("pelvis", "abdomen", "chest", "neck")]
    long = [places for places in trunk if len(places) * look.step_mm >= LEAST_MM]
    middles = [float(places.mean()) for places in long]
    wrong = len(middles) > 1 and middles == sorted(middles, reverse=True)
    return length if wrong else 0.0


def spine_in_front(body: Body, part: NDArray[np.int64]) -> float:
    """By how much of the body's depth the bones of the trunk lie before its middle, in %; 0: behind it."""
    trunk = np.isin(part, [PARTS.index(name) for name in ("abdomen", "chest", "pelvis")])
    shifts = []
    for index in np.flatnonzero(trunk & (body.pieces > 0) & (body.bone.sum((1, 2)) > 0)):
        rows = np.flatnonzero(body.body[index].any(1))
        profile = body.bone[index].sum(1)
        centre = float((profile * np.arange(len(profile))).sum() / profile.sum())
        shifts.append((centre - (rows[0] + rows[-1]) / 2) / max(1, len(rows)))
    return max(0.0, -float(np.median(shifts)) * 100) if shifts else 0.0
