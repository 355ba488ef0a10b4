"""What looks like blood and is none: calcification, dense vessels and folds, bone's edges, hardened beams."""

from __future__ import annotations

import numpy as np
from scene import Plane, Scene, Z
from scipy import ndimage


def calcified(s: Scene, hu: Plane) -> Plane:
    """Choroid plexus (a pair), pineal, basal ganglia or falx: small, mostly far above blood, with paler mixed edges."""
    r = s.rng
    kind = r.choice(["choroid", "pineal", "ganglia", "falx"])
    y0, x0 = {
        "choroid": (r.uniform(8, 32), r.uniform(12, 26)),
        "pineal": (r.uniform(2, 18), 0.0),
        "ganglia": (r.uniform(-18, 2), r.uniform(12, 24)),
        "falx": (r.uniform(-65, -30), 0.0),
    }[kind]
    core = np.zeros_like(hu)
    for side in (-1, 1) if x0 else (1,):
        if x0 and r.random() < 0.2:
            continue
        y, x = s.y - y0 - r.normal(0, 2), s.x - side * x0 - r.normal(0, 1.5)
        ry, rx = (r.uniform(4, 14), r.uniform(0.8, 1.6)) if kind == "falx" else r.uniform(1.2, 5, 2)
        turn = 0.0 if kind == "falx" else r.uniform(0, np.pi)
        v, u = y * np.cos(turn) + x * np.sin(turn), x * np.cos(turn) - y * np.sin(turn)
        level = (v / ry) ** 2 + (u / rx) ** 2 + ((Z - r.uniform(-4, 4)) / r.uniform(3, 8)) ** 2
        core = np.maximum(core, level < 1 + 0.3 * s.blobs(1.5))
    soft = ndimage.gaussian_filter(core, (0, 0.6, 0.6)) * s.inside
    return hu + soft * (r.uniform(55, 400) - hu)


def dense_sinus(s: Scene, hu: Plane) -> Plane:
    """The sagittal sinus or torcula at the back, or a transverse sinus along the bone."""
    r = s.rng
    back = s.rim_point(np.pi / 2 + r.normal(0, 0.06))
    if back is None:
        return hu
    if r.random() < 0.6:
        high, wide = r.uniform(4, 11), r.uniform(2.5, 6)
        up = back[0] - s.y
        shape = (up > -6) & (up < high) & (np.abs(s.x - back[1]) < wide * (1 - np.clip(up, 0, high) / (high * 1.15)))
        body = np.broadcast_to(shape, hu.shape)
    else:
        side = 1.0 if r.random() < 0.5 else -1.0
        towards = np.pi / 2 - side * r.uniform(0.5, 1.1)
        body = (s.depth < r.uniform(3, 6)) & (s.turn(towards) < r.uniform(0.1, 0.35))
    soft = ndimage.gaussian_filter((body & s.inside).astype(np.float32), (0, 0.8, 0.8))
    return hu + soft * np.maximum(0, r.uniform(48, 70) - s.smooth)


def dense_fold(s: Scene, hu: Plane) -> Plane:
    """A dense falx, or the tentorium's edges as a V."""
    r = s.rng
    wave = s.blobs(15) * 1.2
    width = r.uniform(0.8, 2.0)
    if r.random() < 0.6:
        line = (np.abs(s.x + wave) < width) & ((s.y > r.uniform(20, 45)) | (s.y < -r.uniform(20, 45)))
    else:
        slope, top = r.uniform(0.6, 1.4), r.uniform(0, 25)
        line = (np.abs(s.y - top - slope * np.abs(s.x) + wave) < width * 2) & (np.abs(s.x) < r.uniform(20, 45))
    soft = ndimage.gaussian_filter((line & s.inside).astype(np.float32), (0, 0.6, 0.6))
    return hu + soft * np.maximum(0, r.uniform(48, 68) - s.smooth)


def hardened(s: Scene, hu: Plane) -> Plane:
    """Cupping under the skull, and a dark or bright band from bone to bone."""
    r = s.rng
    hu = hu + r.uniform(0, 11) * np.exp(-s.depth / r.uniform(2.5, 6)) * s.inside
    if r.random() < 0.5:
        turn = r.normal(0, 0.3)
        across = (s.y - r.uniform(-30, 40)) * np.cos(turn) + s.x * np.sin(turn)
        hu = hu + r.uniform(-12, 9) * np.exp(-((across / r.uniform(3, 9)) ** 2)) * s.inside
    return hu


def bone_edge(s: Scene, hu: Plane) -> Plane:
    """Bone that only part of the slab holds: brightness that fades from the skull inwards, without a plateau."""
    r = s.rng
    area = float(s.inside[1].sum())
    if r.random() < (0.7 if area < 7000 else 0.25):  # the vault leans: a wide shade all round, or on one side
        tone = r.uniform(8, 40) * np.exp(-s.depth / r.uniform(2.5, 7))
        if r.random() < 0.5:
            tone = tone * np.clip(1.3 - s.turn(r.uniform(-np.pi, np.pi)) / r.uniform(0.5, 1.6), 0, 1)
        return hu + tone * s.inside
    for _ in range(int(r.integers(1, 4))):
        at = s.rim_point(r.uniform(-np.pi, np.pi))
        if at is None:
            continue
        y, x = s.y - at[0], s.x - at[1]
        turn = np.arctan2(at[0], at[1])
        along, across = y * np.sin(turn) + x * np.cos(turn), y * np.cos(turn) - x * np.sin(turn)
        far = np.sqrt((along / r.uniform(3, 11)) ** 2 + (across / r.uniform(4, 16)) ** 2) + 0.1 * s.blobs(4)
        level = 1 - np.abs(Z - r.choice([-5.0, 5.0, 0.0])) / r.uniform(7, 14)
        hu = hu + s.inside * np.clip(1.1 - far, 0, 1) * r.uniform(20, 110) * np.clip(level, 0, 1)
    return hu


def dense_artery(s: Scene, hu: Plane) -> Plane:
    """A full artery or vein: a dot of the basilar artery, or a short thin line of the middle cerebral."""
    r = s.rng
    y0, x0 = (r.uniform(-12, 22), r.normal(0, 2)) if r.random() < 0.5 else (r.uniform(-30, 0), r.uniform(12, 40))
    x0 = x0 if r.random() < 0.5 else -x0
    turn, length, wide = r.uniform(0, np.pi), r.uniform(1.5, 9), r.uniform(0.9, 1.9)
    y, x = s.y - y0 + s.blobs(5) * 0.6, s.x - x0
    v, u = y * np.cos(turn) + x * np.sin(turn), x * np.cos(turn) - y * np.sin(turn)
    line = ((v / length) ** 2 + (u / wide) ** 2 + (Z / r.uniform(3, 7)) ** 2) < 1
    soft = ndimage.gaussian_filter((line & s.inside).astype(np.float32), (0, 0.6, 0.6))
    return hu + soft * np.maximum(0, r.uniform(46, 66) - s.smooth)


def streaked(s: Scene, hu: Plane) -> Plane:
    """Streaks of hardened beams or of metal, fanning from a point."""
    r = s.rng
    y0, x0 = r.uniform(-95, 95, 2)
    angle = np.arctan2(s.y - y0, s.x - x0)
    fan = np.zeros_like(angle)
    for _ in range(int(r.integers(2, 6))):
        off = np.abs((angle - r.uniform(-np.pi, np.pi) + np.pi) % (2 * np.pi) - np.pi)
        fan = fan + r.uniform(-16, 12) * np.exp(-((off / r.uniform(0.02, 0.09)) ** 2))
    fade = np.exp(-np.hypot(s.y - y0, s.x - x0) / r.uniform(40, 120))
    return hu + fan * fade * s.inside


LOOKALIKES = (calcified, calcified, dense_sinus, dense_fold, hardened, bone_edge, bone_edge, dense_artery, streaked)


def with_lookalikes(s: Scene, hu: Plane) -> Plane:
    """Some of them, at least one."""
    first = int(s.rng.integers(len(LOOKALIKES)))
    for place, one in enumerate(LOOKALIKES):
        if place == first or s.rng.random() < 0.2:
            hu = one(s, hu)
    return np.where(s.hu > 91, s.hu, np.minimum(hu, 400)).astype(np.float32)
