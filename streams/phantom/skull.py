"""Skull, scalp and face of the atlas head as signed distances, mm; the origin lies at the sella."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage

from streams.phantom.lattice import Lattice, blobs
from streams.phantom.person import Person
from streams.phantom.solids import Field, Points, chain, common, ellipsoid, melted, rod, single, slope, union

Fields = dict[str, Field]


def skull_fields(person: Person, lattice: Lattice, at: Points) -> Fields:
    """Everything outside the brain: cavity, tables, face bones, air, orbits, muscle and skin."""
    rng = np.random.default_rng((person.seed, 3))
    bumps, grain, cells = blobs(rng, lattice, 22.0), blobs(rng, lattice, 4.5), blobs(rng, lattice, 2.6)
    dome = _dome(at)
    floor = _floor(at) + 1.3 * bumps
    cavity = np.maximum(dome, floor)
    side = at.folded()
    thickness = _thickness(person, side, bumps)
    outer = dome - thickness
    outer = np.maximum(outer, floor - 4.5)
    fields = {"cavity": cavity, "vault": dome, "outer": outer, "grain": grain}
    fields |= _low(person, side, (outer, cavity), cells)
    fields["skin"] = _skin(person, at, side, dome - thickness)
    fields["muscle"] = _muscle(side, dome - thickness, grain)
    return fields


def _low(person: Person, side: Points, vault: tuple[Field, Field], cells: Field) -> Fields:
    """The face's fields, computed only for the planes that it can reach."""
    rows = int(np.flatnonzero(side.z.min(axis=(1, 2)) < 34)[-1]) + 1 if (side.z < 34).any() else 1
    part = Points(*side.part((slice(rows), slice(None), slice(None))))
    below = _face(person, part, (vault[0][:rows], vault[1][:rows]), cells[:rows])
    whole = {name: np.full(side.shape, 40, np.float32) for name in below}
    for name, field in below.items():
        whole[name][:rows] = field
    return whole


def _dome(at: Points) -> Field:
    """The vault's inner surface, without the floor: wider at the back, flat walls, rounder above."""
    wide = 67 * (1 - 0.15 * slope(at.y, 25, -95) - 0.05 * slope(at.y, 35, 100)) * (1 + 0.02 * slope(at.z, 0, 40))
    z = at.z - 26
    half = np.where(z > 0, np.float32(68), np.float32(84))
    squared = np.square(at.x / wide) ** 1.22 + np.square((at.y - 1) / 86) ** 1.22 + np.square(z / half) ** 1.2
    reach = squared ** np.float32(1 / 2.42)
    radius = np.sqrt(np.square(at.x) + np.square(at.y) + np.square(z))
    return np.asarray(radius * (1 - 1 / np.maximum(reach, 0.02)), dtype=np.float32)


def _thickness(person: Person, side: Points, bumps: Field) -> Field:
    """Thickness of the vault: thin at the temples, thick at the brow, the vertex and the occiput, mm."""
    temple = slope(side.x, 40, 58) * slope(side.z, 32, 8) * slope(np.abs(side.y + 8), 42, 18)
    occiput = slope(side.y, 62, 84) * slope(side.x, 26, 4) * slope(np.abs(side.z), 24, 4)
    brow = slope(side.y, -62, -82) * slope(side.z, 40, 5)
    parietal = slope(side.z, 50, 90)
    mm = person.skull_mm * (1 + 0.09 * bumps - 0.5 * temple + 0.6 * occiput + 0.4 * brow + 0.12 * parietal)
    return np.asarray(np.clip(mm, 2.4, 14), dtype=np.float32)


@cache
def _floor_table() -> tuple[Field, Field]:
    """Height of the skull base over (y, x >= 0) on a 1 mm grid from y = -110, and how steep it is."""
    y, x = np.meshgrid(np.arange(-110.0, 111.0), np.arange(0.0, 101.0), indexing="ij")
    front = (
        1
        + 4 * np.exp(-(((x - 28) / 16) ** 2) - ((y + 58) / 24) ** 2)
        - 9 * np.exp(-((x / 5) ** 2) - ((y + 66) / 16) ** 2)
    )
    middle = -29 + 22 * slope(x + 0.28 * (y + 24), 19, 8) + 0.016 * np.square(x - 38) + 0.016 * np.square(y + 6)
    behind = -45 + 0.012 * np.square(y - 46).clip(0, 900) + 0.006 * x * x
    clivus = np.minimum(2.0, (20 - y) * 2.5 - 46)
    behind = np.maximum(behind, np.where(x < 16, clivus, -90.0))
    ridge_line = 2 + (x - 10) * 0.56
    mix_front = slope(y + 0.22 * x, -18, -25)
    mix_back = slope(y - ridge_line, -3, 3)
    height = front * mix_front + (1 - mix_front) * (middle * (1 - mix_back) + behind * mix_back)
    away = np.abs(y - ridge_line) * 0.87
    ridge = -2 - 0.10 * np.abs(x - 10) - np.maximum(away - 2, 0) * 1.5
    height = np.maximum(height, np.where((x > 8) & (x < 70), ridge, -90.0))
    height = np.maximum(height, 0 - 3.0 * np.hypot(x / 3, y - 2))
    height -= 8 * np.exp(-((x / 7) ** 4) - ((y + 8) / 5) ** 4)
    hole = np.hypot(x / 15, (y - 38) / 18)
    height = np.where(hole < 1, -120.0, height)
    whole = ndimage.gaussian_filter(np.concatenate([height[:, :0:-1], height], axis=1), 1.6)[:, 100:]
    rise = np.hypot(*np.gradient(whole))
    return whole.astype(np.float32), (1 / np.sqrt(1 + np.minimum(rise, 3.0) ** 2)).astype(np.float32)


def _floor(at: Points) -> Field:
    """Distance above (negative) or below the skull base."""
    height, cosine = _floor_table()
    where = np.stack([at.y + 110, np.abs(at.x)])
    high = ndimage.map_coordinates(height, where, order=1, mode="nearest")
    flat = ndimage.map_coordinates(cosine, where, order=1, mode="nearest")
    return np.asarray((high - at.z) * flat, dtype=np.float32)


def _face(person: Person, side: Points, vault: tuple[Field, Field], cells: Field) -> Fields:
    """Petrous bones, face bones, air spaces and orbits, both sides at once; `vault` is (outer, cavity)."""
    orbit = chain(side, (((31, -82, -13), 17.5), ((23, -60, -9), 12), ((13, -36, -4), 3)), 4)
    orbit = np.maximum(orbit, -side.y - 92)
    air, walls = _air(person.sinuses, side, vault, cells)
    walls = np.minimum(walls, np.maximum(orbit - 1.7, -side.y - 84 + 0.25 * (side.x - 30)))
    septum = np.maximum(side.x - 0.9, np.maximum(np.abs(side.y + 66) - 28, np.abs(side.z + 34) - 22))
    bone = union(_base(side), _facial(side), walls, septum)
    return {
        "bone": bone,
        "air": air,
        "orbit": orbit,
        "globe": ellipsoid(side, (31, -80, -13), (12.2, 12.0, 12.2)),
        "eye": _eye(side),
    }


def _base(side: Points) -> Field:
    """Petrous bones, mastoids, sphenoid, clivus, condyles."""
    petrous = chain(side, (((12, 4, -10), 5), ((38, 17, -15), 8), ((60, 30, -20), 11)))
    mastoid = ellipsoid(side, (58, 34, -30), (10, 14, 18))
    clivus = rod(side, (0, 2, -10), (0, 20, -46), (9, 5))
    sphenoid = ellipsoid(side, (0, -22, -14), (17, 18, 14))
    wing = chain(side, (((14, -24, 0), 2.5), ((34, -30, -2), 3), ((52, -32, 6), 3)), 3)
    condyle = ellipsoid(side, (17, 34, -50), (8, 14, 7))
    return union(petrous, mastoid, clivus, sphenoid, wing, condyle)


def _facial(side: Points) -> Field:
    """Cheek bones and arches, jaw, nose, pterygoids."""
    cheek = chain(
        side, (((38, -80, -34), 4), ((50, -68, -28), 4), ((62, -52, -30), 2.6), ((67, -26, -30), 2), ((65, 0, -28), 3))
    )
    rim = chain(side, (((50, -68, -28), 4), ((50, -70, -12), 3.2), ((47, -74, 2), 4)), 3)
    jaw = chain(side, (((54, 2, -32), 6), ((52, -4, -50), 4), ((48, -16, -80), 6)), 3)
    nose = np.minimum(
        rod(side, (0, -92, -6), (0, -102, -26), (3, 1.2)), rod(side, (9, -86, -20), (13, -82, -50), (2, 3))
    )
    pterygoid = rod(side, (13, -30, -26), (15, -30, -55), (2, 3))
    return union(cheek, rim, jaw, nose, pterygoid)


def _air(size: float, side: Points, vault: tuple[Field, Field], cells: Field) -> tuple[Field, Field]:
    """Air spaces, and the thin bone round those that have walls of their own."""
    outer, cavity = vault
    ethmoid = np.maximum(ellipsoid(side, (0, -62, -13), (12.5, 26, 14)), 1.2 - 3 * np.abs(cells))
    frontal = ellipsoid(side, (12, -86, 12), (14 * size, 9, 17 * size))
    frontal = common(frontal, outer + 1.8, 1.8 - cavity, 0.7 - side.x)
    sphenoidal = np.maximum(ellipsoid(side, (0, -22, -15), (13 * size, 14 * size, 10.5 * size)), 0.8 - side.x)
    maxillary = ellipsoid(side, (31, -60, -46), (15, 17, 16))
    nasal = np.maximum(ellipsoid(side, (0, -62, -42), (15, 32, 24)), 2.6 - 4.5 * np.abs(cells))
    throat = ellipsoid(side, (0, -22, -46), (11, 12, 24))
    canal = chain(side, (((88, 16, -27), 4), ((58, 14, -26), 3), ((46, 12, -24), 4)))
    mastoid = np.maximum(ellipsoid(side, (57, 33, -25), (9.5 * size, 12 * size, 17 * size)), -2.4 * cells)
    air = np.minimum.reduce(
        [ethmoid, frontal, sphenoidal, maxillary, np.maximum(nasal, 1.2 - side.x), throat, canal, mastoid]
    )
    return air, union(ellipsoid(side, (0, -62, -13), (13.5, 27, 15)), maxillary - 1.5)


def _eye(side: Points) -> Field:
    """Straight muscles and optic nerve."""
    apex = (13.0, -37.0, -5.0)
    nerve = chain(side, (((30, -68, -13), 2.3), ((22, -54, -10), 2.2), (apex, 2.0)), 1)
    inner = chain(side, (((19, -76, -13), 1.4), ((15, -58, -10), 2.4), (apex, 1.5)), 1)
    outside = chain(side, (((43, -76, -13), 1.4), ((34, -56, -10), 2.4), (apex, 1.5)), 1)
    above = chain(side, (((31, -76, -1), 1.4), ((22, -56, 1), 2.4), (apex, 1.5)), 1)
    below = chain(side, (((31, -76, -25), 1.4), ((22, -56, -20), 2.4), (apex, 1.5)), 1)
    return union(nerve, inner, outside, above, below)


def _skin(person: Person, at: Points, side: Points, bony: Field) -> Field:
    """The outer surface: scalp over the vault, face, nose, ears and neck."""
    face = ellipsoid(at, (0, -34, -34), (72, 66, 62), whole=True)
    neck = ellipsoid(at, (0, 30, -72), (66, 70, 80), whole=True)
    nose = chain(at, (((0, -94, -6), 7), ((0, -110, -30), 9), ((0, -100, -38), 12)), 4)
    lids = ellipsoid(side, (32, -80, -13), (18, 13, 12))
    ear = ellipsoid(side, (83, 24, -16), (4, 15, 27), 0.5)
    scalp = bony - np.float32(person.scalp_mm) - slope(side.z, 20, -20) * 3
    whole = melted(scalp, face, 8)
    whole = melted(whole, neck, 14)
    return np.minimum(melted(melted(whole, nose, 6), lids, 4), ear)


def _muscle(side: Points, bony: Field, grain: Field) -> Field:
    """Temporal, chewing and neck muscles, parted by fat."""
    temporal = np.maximum(bony - 7 * slope(side.z, 45, 5), np.maximum(-side.y - 66, side.y - 22))
    temporal = np.maximum(temporal, 42 - side.x)
    chewing = ellipsoid(side, (42, -24, -46), (23, 34, 36))
    neck = ellipsoid(side, (24, 62, -62), (33, 26, 42), -0.3)
    deep = ellipsoid(side, (0, 10, -62), (40, 46, 36))
    tongue = ellipsoid(side, (0, -45, -84), (34, 40, 20))
    return single(union(temporal, chewing, neck, deep, tongue) + 1.3 * grain)
