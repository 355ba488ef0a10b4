"""What tells the parts of the body apart on one axial slice: sizes and shares that a person can check."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.reading.quality.body import FAT_HU, SOFT_HU, Body
from streams.reading.quality.look import Look

FEATURES = (
    "area",  # square root of the body's area, dm
    "width",  # of the body's box, dm
    "flatness",  # height over width of that box
    "lungs",  # share of the body
    "gas",  # other gas, share of the body
    "bone",  # share of the body
    "bone_rim",  # share of the bone that lies in the body's outer 18 mm
    "enclosed",  # share of the body that bone surrounds on four sides
    "fat",  # share of the body
    "soft",  # share of the body from 0 to 90 HU
    "bone_spread_x",  # standard deviation of the bone from right to left, over the body's width
    "bone_spread_y",  # the same from front to back, over its height
    "bone_middle",  # share of the bone in the middle third from right to left
    "limbs",  # pieces of the body beyond the first, at most 2
)


def features(look: Look, body: Body) -> NDArray[np.float64]:
    """[n, features]; a slice without a body has zeros."""
    count = np.maximum(body.body.sum((1, 2)), 1)
    bones = np.maximum(body.bone.sum((1, 2)), 1)
    width, height, left = _box(body.body, look)
    out = np.zeros((len(look.hu), len(FEATURES)))
    x = (np.arange(look.hu.shape[2]) + 0.5) * look.pixel_mm[1]
    y = (np.arange(look.hu.shape[1]) + 0.5) * look.pixel_mm[0]
    spread_x = _spread(body.bone.sum(1), x)
    spread_y = _spread(body.bone.sum(2), y)
    third = (x[None] > (left + width / 3)[:, None]) & (x[None] < (left + width * 2 / 3)[:, None])
    out[:, 0] = np.sqrt(count * look.cell_mm2) / 100
    out[:, 1] = width / 100
    out[:, 2] = height / np.maximum(width, 1.0)
    out[:, 3] = body.lungs.sum((1, 2)) / count
    out[:, 4] = body.gas.sum((1, 2)) / count
    out[:, 5] = body.bone.sum((1, 2)) / count
    out[:, 6] = (body.bone & ~body.core).sum((1, 2)) / bones
    out[:, 7] = body.enclosed.sum((1, 2)) / count
    out[:, 8] = (body.body & _within(look, FAT_HU)).sum((1, 2)) / count
    out[:, 9] = (body.body & _within(look, SOFT_HU)).sum((1, 2)) / count
    out[:, 10] = spread_x / np.maximum(width, 1.0)
    out[:, 11] = spread_y / np.maximum(height, 1.0)
    out[:, 12] = (body.bone.sum(1) * third).sum(1) / bones
    out[:, 13] = np.clip(body.pieces - 1, 0, 2)
    return np.asarray(out * (body.pieces > 0)[:, None])


def _within(look: Look, hu: tuple[float, float]) -> NDArray[np.bool_]:
    return np.asarray((look.hu >= hu[0]) & (look.hu <= hu[1]))


def _box(mask: NDArray[np.bool_], look: Look) -> tuple[NDArray[np.float64], ...]:
    """Width, height and left edge (mm) of the box round each slice's mask."""
    edges = []
    for axis, mm in ((1, look.pixel_mm[1]), (2, look.pixel_mm[0])):
        line: NDArray[np.bool_] = np.asarray(mask.any(axis))
        first = line.argmax(1)
        last = line.shape[1] - line[:, ::-1].argmax(1)
        edges.append((np.where(line.any(1), last - first, 0) * mm, first * mm))
    return edges[0][0], edges[1][0], edges[0][1]


def _spread(profile: NDArray[np.int64], places: NDArray[np.floating]) -> NDArray[np.float64]:
    """Standard deviation of the places (mm) that a profile weighs."""
    total = np.maximum(profile.sum(1), 1)
    mean = (profile * places).sum(1) / total
    variance = (profile * (places[None] - mean[:, None]) ** 2).sum(1) / total
    return np.asarray(np.sqrt(variance))
