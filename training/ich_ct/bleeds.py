"""Synthetic bleeds with exact masks, painted on real slabs without one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scene import Plane, Scene, Z
from scipy import ndimage

Mask = NDArray[np.bool_]
LEAST_RISE = 4.0  # HU: what is paler than that nobody can be taught to see


def subdural(s: Scene) -> Mask | None:
    """A crescent along the inner table, thin ones and two-sided ones too; now and then a strip along the falx."""
    r = s.rng
    thick, height, middle = float(np.exp(r.uniform(np.log(2.2), np.log(15)))), r.uniform(6, 40), r.uniform(-4, 4)
    fade = np.sqrt(np.clip(1 - ((Z - middle) / height) ** 2, 0, 1))
    if r.random() < 0.14:
        wave = s.blobs(12) * 1.5
        along = (s.y > r.uniform(-20, 30)) & (s.y < r.uniform(40, 90))
        slope = r.uniform(0.7, 1.4) if r.random() < 0.3 else 0.0  # one leaf of the tentorium
        side = r.choice([-1.0, 1.0])
        line = s.x + wave if not slope else s.x * side - (s.y - r.uniform(-10, 25)) / slope + wave
        return s.inside & ((np.abs(line) < 0.35 * thick * fade) & along)
    reach = np.zeros_like(fade * s.depth)
    towards = r.uniform(-np.pi, np.pi)
    for turned in (0.0, np.pi - 2 * towards) if r.random() < 0.15 else (0.0,):
        half = np.radians(r.uniform(18, 85))
        profile = np.clip(1 - (s.turn(towards + turned) / half) ** 2, 0, 1) ** 0.6
        reach = np.maximum(reach, thick * profile * fade)
    return s.inside & (s.depth < reach + s.blobs(6) * 0.12 * thick) & (reach > 1)


def epidural(s: Scene) -> Mask | None:
    """A lens whose flat side lies on the inner table."""
    r = s.rng
    towards, wide = r.uniform(-np.pi, np.pi), float(np.exp(r.uniform(np.log(6), np.log(38))))
    at = s.rim_point(towards)
    if at is None:
        return None
    deep, height, middle = wide * r.uniform(0.22, 0.75), wide * r.uniform(0.5, 1.1), r.uniform(-4, 4)
    uy, ux = -at[0] / (np.hypot(*at) + 1e-6), -at[1] / (np.hypot(*at) + 1e-6)
    along = (s.y - at[0]) * uy + (s.x - at[1]) * ux
    across = (s.x - at[1]) * uy - (s.y - at[0]) * ux
    shrink = np.sqrt(np.clip(1 - ((Z - middle) / height) ** 2, 1e-3, 1))
    level = (along / (deep * shrink)) ** 2 + (across / (wide * shrink)) ** 2
    return s.inside & (level < 1 + 0.08 * s.blobs(5)) & (along > -14)


def _ball(s: Scene, at: tuple[float, float], radius: float) -> Mask:
    r = s.rng
    ay, ax, az = r.uniform(0.65, 1.35, 3)
    turn, middle = r.uniform(0, np.pi), r.uniform(-3, 3)
    y, x = s.y - at[0], s.x - at[1]
    v, u = y * np.cos(turn) + x * np.sin(turn), x * np.cos(turn) - y * np.sin(turn)
    level = (v / (radius * ay)) ** 2 + (u / (radius * ax)) ** 2 + ((Z - middle) / max(3.0, radius * az)) ** 2
    return s.inside & (level < 1 + 0.22 * s.blobs(max(2.0, radius * 0.35)))


def parenchymal(s: Scene) -> Mask | None:
    """One ragged ball in the brain."""
    radius = float(np.exp(s.rng.uniform(np.log(2.3), np.log(22))))
    at = s.somewhere(s.depth[1] > min(6.0, radius * 0.6))
    return None if at is None else _ball(s, at, radius)


def contusions(s: Scene) -> Mask | None:
    """A few small balls close to the surface."""
    first = s.somewhere((s.depth[1] > 3) & (s.depth[1] < 14))
    if first is None:
        return None
    out = _ball(s, first, s.rng.uniform(2.5, 7))
    for _ in range(int(s.rng.integers(1, 5))):
        near = (first[0] + s.rng.normal(0, 9), first[1] + s.rng.normal(0, 9))
        out |= _ball(s, near, s.rng.uniform(2, 6))
    return out


def ventricular(s: Scene) -> Mask | None:
    """Blood in the ventricles: layered at the back, one side or both, or a cast."""
    r = s.rng
    water = ndimage.binary_opening((s.smooth < 17) & (s.depth > 22) & s.inside, np.ones((1, 2, 2)))
    if water[1].sum() < 60:
        return None
    rows = s.y[water[1]]
    level = np.percentile(rows, r.uniform(0, 75)) if r.random() < 0.7 else -200.0
    water = ndimage.binary_dilation(water, np.ones((1, 3, 3))) & (s.y > level)
    side = r.random()
    return water & (s.x < 0) if side < 0.35 else water & (s.x > 0) if side < 0.7 else water


def subarachnoid(s: Scene) -> Mask | None:
    """Blood in sulci of a region, or in the cisterns; where the sulci are tight, along the darkest lines."""
    r = s.rng
    middle = np.hypot(s.y, s.x)
    shallow = s.depth < r.uniform(12, 24)
    if r.random() < 0.5:
        water = (s.smooth < r.uniform(22, 28)) & (shallow | (middle < 28))
    else:
        lines = s.smooth - ndimage.gaussian_filter(s.hu, (0, 5, 5))
        water = (lines < -r.uniform(1.2, 3.0)) & shallow & (s.smooth < 40)
        water = ndimage.binary_dilation(water, np.ones((1, 2, 2)))
    water = water & s.inside
    where = s.turn(r.uniform(-np.pi, np.pi)) < r.uniform(0.3, 1.1) + 0.15 * s.blobs(8)
    if r.random() < 0.35:
        where = middle < r.uniform(22, 42)
    where &= s.blobs(7) > r.uniform(-1.2, 0.2)
    return water & where & (np.exp(-((Z / r.uniform(4, 14)) ** 2)) > 0.3)


KINDS: dict[str, tuple[Callable[[Scene], Mask | None], float]] = {
    "subdural": (subdural, 0.23),
    "epidural": (epidural, 0.18),
    "parenchymal": (parenchymal, 0.19),
    "contusions": (contusions, 0.10),
    "ventricular": (ventricular, 0.10),
    "subarachnoid": (subarachnoid, 0.20),
}


def density(s: Scene, kind: str) -> float:
    """HU of the blood: mostly fresh; some subdurals are older, blood mixed with water is paler."""
    if kind == "subdural" and s.rng.random() < 0.25:
        return float(s.rng.uniform(41, 54))
    low, high = {"subarachnoid": (43, 66), "ventricular": (44, 72), "contusions": (46, 72)}.get(kind, (49, 79))
    return float(s.rng.uniform(low, high))


def pushed(s: Scene, mask: Mask) -> Plane:
    """The slabs with tissue moved away from the bleed: sulci close, the ventricles' walls shift."""
    spread = s.rng.uniform(5, 11)
    field = ndimage.gaussian_filter(mask.astype(np.float32), (0, spread, spread))
    slope_y, slope_x = np.gradient(field, axis=(1, 2))
    steep = float(np.hypot(slope_y, slope_x).max()) + 1e-6
    strength = s.rng.uniform(1, 0.8 * spread) / steep * np.clip(s.depth / 4, 0, 1)
    z, y, x = np.mgrid[: s.hu.shape[0], : s.hu.shape[1], : s.hu.shape[2]].astype(np.float32)
    at = np.stack([z, y + slope_y * strength, x + slope_x * strength])
    moved = ndimage.map_coordinates(s.hu, at, order=1, mode="nearest")
    return np.where((s.hu > 85) | (moved > 85) | ~s.inside, s.hu, moved)


def paint(s: Scene, mask: Mask, kind: str) -> Plane:
    """The slabs with blood in the mask: soft edges, the picture's own grain, clots, levels, a dark rim."""
    r = s.rng
    soft = ndimage.gaussian_filter(mask.astype(np.float32), (0, r.uniform(0.5, 1.1), r.uniform(0.5, 1.1)))
    if kind == "subarachnoid":
        soft = np.clip(soft * r.uniform(0.8, 1.7), 0, 1)  # thin sulci would fade away else
    blood = density(s, kind) + s.blobs(r.uniform(3, 8)) * r.uniform(1, 6)
    if kind == "epidural" and r.random() < 0.3:
        blood = blood - (s.blobs(7) > 0.8) * 18.0  # swirl: still bleeding
    if kind in {"subdural", "parenchymal"} and r.random() < 0.2:
        blood = blood + np.clip(s.y / 80, -1, 1) * 10  # cells sink to the back
    grain = s.hu - ndimage.gaussian_filter(s.hu, (0, 1.5, 1.5))
    presses = kind in {"subdural", "epidural", "parenchymal"} and mask[1].sum() > 80 and r.random() < 0.5
    base = pushed(s, mask) if presses else s.hu
    if kind in {"parenchymal", "contusions"} and r.random() < 0.7:
        widths = int(r.integers(2, 11))
        wide = np.stack([ndimage.binary_dilation(p, iterations=widths) for p in mask]) & (s.blobs(6) > -1.2)
        rim = np.clip(ndimage.gaussian_filter(wide.astype(np.float32), (0, 2, 2)) - soft, 0, 1)
        base = base - rim * r.uniform(4, 14) * (s.smooth > 18)
    painted = base * (1 - soft) + (blood + 0.8 * grain) * soft
    return np.where(s.hu > 91, s.hu, painted).astype(np.float32)


def with_bleed(s: Scene, kind: str | None = None) -> tuple[Plane, Mask, str] | None:
    """HU `[3, 192, 192]`, the middle slab's mask and the kind; None where the drawn bleed does not fit here."""
    weights = np.asarray([w for _, w in KINDS.values()])
    kind = kind or str(s.rng.choice(list(KINDS), p=weights / weights.sum()))
    mask = KINDS[kind][0](s)
    if mask is None:
        return None
    mask &= s.smooth < 88
    area = int(mask[1].sum())
    if area < (12 if kind not in {"subdural", "epidural"} else 22) or area > 0.35 * s.inside[1].sum():
        return None
    hu = paint(s, mask, kind)
    if float((hu - s.hu)[1][mask[1]].mean()) < LEAST_RISE * (1.6 if kind == "subarachnoid" else 1):
        return None
    return hu, mask[1], kind
