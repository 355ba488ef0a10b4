"""Bleeds with an exact mask: where blood would lie in an atlas head, grown until it holds the ordered volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streams.phantom.lattice import Lattice, blobs
from streams.phantom.skull import Fields
from streams.phantom.solids import Field, single, slope

Where = NDArray[np.bool_]

KINDS = ("intraparenchymal", "subdural", "epidural", "subarachnoid", "intraventricular")
"""The kinds of bleed that can be ordered."""

TABLE = np.float32(0.6)
"""How far from the inner table blood begins, mm: nearer, a pixel is more bone than blood."""

COUNTS_FROM = 0.5
"""A pixel belongs to the mask when at least this share of it is blood."""


@dataclass(frozen=True, slots=True)
class Order:
    """A bleed that is wanted: kind (one of `KINDS`), volume in ml, and the seed of its place and shape."""

    kind: str
    ml: float
    seed: int
    side: int = 0
    """-1 right, 1 left, 0 as the seed has it."""


@dataclass(frozen=True, slots=True)
class Bleed:
    """A bleed on the coarse lattice: all places whose `level` is under `size` and whose `wall` is negative, mm."""

    kind: str
    level: Field
    wall: Field
    hu: float
    rim_mm: float
    side: int = 0
    size: float = 0.0
    low: float = -np.inf
    high: float = np.inf

    def share(self, level: Field, wall: Field) -> Field:
        """Share of each place that is blood, of `level` and `wall` resampled there."""
        return single(np.clip(np.float32(0.5) - np.maximum(level - np.float32(self.size), wall), 0, 1))

    def rim(self, level: Field) -> Field:
        """Share of each place that is oedema round the blood; all zero without a rim."""
        if not self.rim_mm:
            return np.zeros_like(level)
        return 1 - slope(level - np.float32(self.size), 0.4 * self.rim_mm, 1.4 * self.rim_mm)

    def sized(self, lattice: Lattice, ml: float) -> Bleed:
        """The same bleed grown to about `ml`, and where it then lies along z."""
        step = [float(axis[1] - axis[0]) for axis in (lattice.z, lattice.y, lattice.x)]
        voxel = step[0] * step[1] * step[2] / 1000 * float(np.cos(np.radians(lattice.tilt)))
        near = self.wall < 0.5
        level, wall = self.level[near], self.wall[near]
        low, high = float(level.min()) - 1, float(level.max()) + 1
        for _ in range(22):
            middle = (low + high) / 2
            held = float(np.clip(0.5 - np.maximum(level - middle, wall), 0, 1).sum()) * voxel
            low, high = (middle, high) if held < ml else (low, middle)
        size = (low + high) / 2
        rows = np.flatnonzero(((self.level < size + 1) & (self.wall < 0.5)).any(axis=(1, 2)))
        reach = 6.0 + self.rim_mm * 1.5
        return replace(self, size=size, low=float(lattice.z[rows[0]]) - reach, high=float(lattice.z[rows[-1]]) + reach)


@dataclass(frozen=True, slots=True)
class _Site:
    """What a kind's rule needs: chance, lattice, the head's fields, and the side (-1 right, 1 left)."""

    rng: np.random.Generator
    lattice: Lattice
    fields: Fields
    side: int
    ml: float

    def away(self, spot: int) -> tuple[Field, Field, Field]:
        """Offsets (x, y, z) in mm of every node from the node numbered `spot`."""
        k, j, i = np.unravel_index(spot, self.lattice.shape)
        x = self.lattice.x[None, None, :] - self.lattice.x[i]
        y = self.lattice.y[None, :, None] - self.lattice.y[j]
        z = self.lattice.z[:, None, None] - self.lattice.z[k]
        return x, y, z

    def pick(self, allowed: Where) -> int:
        """A node drawn from those allowed. Raises ValueError when there is none."""
        spots = np.flatnonzero(allowed)
        if not len(spots):
            raise ValueError("this head has no place for the ordered bleed")
        return int(self.rng.choice(spots))


def plan(order: Order, lattice: Lattice, fields: Fields) -> Bleed:
    """Where and how the ordered bleed lies in this head. Raises ValueError for an unknown kind."""
    rules: dict[str, Callable[[_Site], Bleed]] = {
        "intraparenchymal": _intraparenchymal,
        "subdural": _subdural,
        "epidural": _epidural,
        "subarachnoid": _subarachnoid,
        "intraventricular": _intraventricular,
    }
    if order.kind not in rules:
        raise ValueError(f"no such kind of bleed: {order.kind!r}; known: {', '.join(KINDS)}")
    rng = np.random.default_rng((order.seed, 6))
    side = order.side or int(rng.choice((-1, 1)))
    bleed = rules[order.kind](_Site(rng, lattice, fields, side, order.ml))
    whole = [
        np.ascontiguousarray(np.broadcast_to(f, lattice.shape), dtype=np.float32) for f in (bleed.level, bleed.wall)
    ]
    return replace(bleed, level=whole[0], wall=whole[1], side=side)


def _own_side(site: _Site) -> Field:
    """Negative on the bleed's side of the falx, above the tentorium."""
    return single(np.maximum(1.0 - site.side * site.fields["middle"], _hind(site)))


def _hind(site: _Site) -> Field:
    """Positive in the posterior fossa, under the tentorium."""
    return np.minimum(site.fields["tent"], -site.fields["tent_edge"])


def _heights(site: _Site, low: float, high: float) -> Where:
    z = site.lattice.z[:, None, None]
    return np.broadcast_to((z > max(low, float(site.lattice.z[0]) + 14)) & (z < high), site.lattice.shape)


def _intraparenchymal(site: _Site) -> Bleed:
    """A lump in the brain: basal ganglia or a lobe, lumpy outline, dark rim of oedema."""
    rng, fields = site.rng, site.fields
    radius = (site.ml * 1000 * 3 / 4 / np.pi) ** (1 / 3)
    own = (site.side * fields["middle"] > max(8.0, 0.75 * radius)) & (fields["cavity"] < -(8 + 0.6 * radius))
    own &= fields["cavity"] > -48
    lobar = own & (_hind(site) < -8) & _heights(site, 2, 70)
    deep = own & (fields["nuclei"] < 0)
    hind = (_hind(site) > 4 + 0.4 * radius) & (fields["cavity"] < -(6 + 0.6 * radius)) & (fields["stem"] > radius)
    choice = rng.random()
    allowed = deep if choice < 0.4 and deep.any() else lobar
    if choice > 0.9 and site.ml < 12 and (hind & _heights(site, -40, 10)).any():
        allowed = hind & _heights(site, -40, 10)
    x, y, z = site.away(site.pick(allowed if allowed.any() else own))
    a, b, c = np.exp(rng.normal(0, 0.2, 3))
    turn = rng.uniform(0, np.pi)
    u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    reach = np.sqrt(np.square(u / a) + np.square(v / b) + np.square(z / c))
    lumps = blobs(rng, site.lattice, max(4.5, radius * 0.55)) + 0.5 * blobs(rng, site.lattice, max(3.5, radius * 0.3))
    level = reach + lumps * np.minimum(float(rng.uniform(0.08, 0.26)) * reach, 3.5)
    wall = np.maximum(fields["cavity"] + 2.5, 1.0 - site.side * fields["middle"] if allowed is not hind else -9.0)
    rim = float(rng.uniform(2.5, 8.0)) if rng.random() < 0.85 else 0.0
    return Bleed("intraparenchymal", level, wall, float(rng.uniform(58, 74)), rim)


def _angles(site: _Site, spot: int) -> Field:
    """Angle in radians between each node and `spot`, seen from the middle of the hemispheres."""
    lattice = site.lattice
    centre = np.array([28.0, 0.0, 0.0])
    k, j, i = np.unravel_index(spot, lattice.shape)
    toward = np.array([lattice.z[k], lattice.y[j] * 0.8, lattice.x[i]]) - centre
    toward /= np.linalg.norm(toward)
    z, y, x = lattice.z[:, None, None] - centre[0], lattice.y[None, :, None] * 0.8, lattice.x[None, None, :]
    along = z * toward[0] + y * toward[1] + x * toward[2]
    length = np.sqrt(z * z + y * y + x * x) + 1e-3
    return single(np.arccos(np.clip(along / length, -1, 1)))


def _surface(site: _Site, low: float, high: float) -> Where:
    """Nodes at the side's convexity."""
    fields = site.fields
    near = (fields["cavity"] < -1) & (fields["cavity"] > -4) & (_hind(site) < -6)
    return near & (site.side * fields["middle"] > 26) & _heights(site, low, high)


def _subdural(site: _Site) -> Bleed:
    """A crescent along the inner table that crosses where sutures would be, never the falx or the tentorium."""
    rng, fields = site.rng, site.fields
    spot = site.pick(_surface(site, 15, 62))
    widest = min(0.42 + 0.0065 * site.ml, 0.135 * float(np.sqrt(site.ml)))  # radians: a film is no clot
    half = float(np.clip(rng.uniform(0.8, 1.3) * widest, 0.14, 1.3))
    share = np.clip(1 - np.square(_angles(site, spot) / half), 0.0, 1) ** 0.55
    waves = 1 + 0.10 * blobs(rng, site.lattice, 14.0)
    level = -fields["cavity"] / np.maximum(share * waves, 0.02)
    wall = np.maximum.reduce([fields["cavity"] + TABLE, _own_side(site), (0.03 - share) * 40])
    dense = rng.uniform(55, 72) if rng.random() < 0.85 else rng.uniform(46, 55)
    return Bleed("subdural", np.minimum(level, 200), wall, float(dense), 0.0)


def _epidural(site: _Site) -> Bleed:
    """A lens between inner table and dura: the cavity's overlap with a ball whose middle lies near the table."""
    rng, fields, lattice = site.rng, site.fields, site.lattice
    spot = site.pick(_surface(site, 2, 50))
    steps = np.gradient(fields["cavity"], lattice.z, lattice.y, lattice.x)
    out = np.array([float(step.flat[spot]) for step in steps])
    out /= np.linalg.norm(out) + 1e-6
    x, y, z = site.away(spot)
    keep = float(rng.uniform(0.35, 0.6))
    along = z * out[0] + y * out[1] + x * out[2] - 3.0
    square = x * x + y * y + z * z
    level = (-keep * along + np.sqrt(np.square(keep * along) + (1 - keep**2) * square)) / (1 - keep**2)
    level = level * (1 + 0.03 * blobs(rng, lattice, 12.0))
    wall = np.maximum(fields["cavity"] + TABLE, _own_side(site))
    return Bleed("epidural", level, wall, float(rng.uniform(60, 75)), 0.0)


def _subarachnoid(site: _Site) -> Bleed:
    """Blood in the fluid spaces: cisterns and sylvian fissures, or the furrows of one convexity."""
    rng, fields = site.rng, site.fields
    depth = -fields["cavity"] - fields["gap"]
    furrow = np.maximum(np.abs(fields["furrow"]) - 0.9, depth - fields["reach"] - 3)
    furrow = np.where(_hind(site) > 0, np.float32(9), furrow)
    fluid = np.minimum(fields["cisterns"] - 0.3, furrow)
    basal = rng.random() < 0.55 or site.ml > 25
    start = (fields["cisterns"] < -1) & _heights(site, -4, 14) if basal else _surface(site, 20, 75)
    spot = site.pick(start if start.any() else fields["cisterns"] < 0)
    x, y, z = site.away(spot)
    far = np.sqrt(np.square(x * (0.7 if basal else 1.0)) + y * y + np.square(z * 1.2))
    patches = blobs(rng, site.lattice, 16.0)
    level = fluid + 0.075 * far + 0.5 * patches
    wall = np.maximum.reduce([fields["cavity"] + 0.3, 1.2 - fields["stem"], fluid - 2.2])
    return Bleed("subarachnoid", level, wall, float(rng.uniform(50, 66)), 0.0)


def _intraventricular(site: _Site) -> Bleed:
    """Blood that has sunk to the back of the ventricles, level at its top; more of it fills them and widens them."""
    rng, fields, lattice = site.rng, site.fields, site.lattice
    y = lattice.y[None, :, None]
    inside = fields["ventricles"] < 0
    back = float(np.percentile(np.broadcast_to(y, lattice.shape)[inside], 98))
    one = rng.random() < 0.5
    other = np.float32(14.0 if one else 0.0) * slope(-site.side * fields["middle"], -2, 4)
    high = np.float32(0.08) * np.abs(lattice.z[:, None, None] - 25)
    level = (back - y) * np.float32(0.11) + other + high + np.maximum(fields["ventricles"] - 0.3, 0) * 3.2
    wall = np.maximum(fields["cavity"] + 4, fields["ventricles"] - 7.0)
    return Bleed("intraventricular", level, wall, float(rng.uniform(54, 70)), 0.0)


def pushed(bleed: Bleed, lattice: Lattice, fields: Fields) -> Fields:
    """The fields with the brain moved aside by the bleed: a shift of the midline that grows with its volume, mm."""
    if bleed.kind not in ("intraparenchymal", "subdural", "epidural"):
        return fields
    inside = (bleed.level < bleed.size) & (bleed.wall < 0)
    step = [float(axis[1] - axis[0]) for axis in (lattice.z, lattice.y, lattice.x)]
    ml = float(inside.sum()) * step[0] * step[1] * step[2] / 1000
    middle = [float(axis[np.nonzero(inside)[n]].mean()) for n, axis in enumerate((lattice.z, lattice.y))]
    far = np.square((lattice.z - middle[0]) / 45)[:, None] + np.square((lattice.y - middle[1]) / 50)[None]
    wide = np.exp(-far / 2)[:, :, None] * slope(-fields["vault"], 2, 32)
    nodes = np.float32(min(0.16 * ml, 9.0) * bleed.side / step[2]) * wide
    at = np.clip(np.arange(lattice.shape[2], dtype=np.float32) + nodes, 0, lattice.shape[2] - 1.001)
    left = at.astype(np.int64)
    part = at - left
    moved = dict(fields)
    for name in ("middle", "furrow", "ventricles", "cisterns", "nuclei", "capsule", "calcified", "stem"):
        one = np.take_along_axis(fields[name], left, 2)
        moved[name] = one + (np.take_along_axis(fields[name], left + 1, 2) - one) * part
    return moved
