"""Brain of the atlas head as signed distances, mm: folds, ventricles, cisterns, nuclei, membranes, sinuses."""

from __future__ import annotations

import numpy as np

from streams.phantom.lattice import Lattice, blobs, folds
from streams.phantom.person import Person
from streams.phantom.skull import Fields
from streams.phantom.solids import Field, Points, chain, ellipsoid, melted, rod, single, slope, union


def brain_fields(person: Person, lattice: Lattice, at: Points, bony: Fields) -> Fields:
    """All that lies inside the inner table, whose fields `bony` are `skull_fields`'s."""
    cavity, vault = bony["cavity"], bony["vault"]
    rng = np.random.default_rng((person.seed, 4))
    texture, waves = blobs(rng, lattice, 9.0), blobs(rng, lattice, 14.0)
    side = at.folded()
    tent = _tent_height(at) - at.z
    stem = _stem(at)
    fields = {
        "texture": texture,
        "middle": at.x + 1.2 * waves * slope(np.abs(at.y), 0, 40),
        "tent": tent,
        "tent_edge": _tent_edge(at),
        "falx_edge": _falx_edge(at, vault),
        "stem": stem,
        "gap": _gap(person, at, waves),
        "ventricles": _ventricles(person, at, side),
        "cisterns": _cisterns(person, at, side, stem, waves),
        "nuclei": _nuclei(side),
        "capsule": _white_core(side),
        "calcified": _calcified(person, side),
        "sinus": _sinuses(at, side, cavity, tent),
        "furrow": _furrows(rng, lattice, at, cavity, tent),
        "reach": _reach(person, waves),
        "foliage": _foliage(at, waves),
        "streaks": _streaks(at, waves),
    }
    return {name: np.ascontiguousarray(field, dtype=np.float32) for name, field in fields.items()}


def _tent_height(at: Points) -> Field:
    """Height of the tentorium over (x, y)."""
    back = np.maximum(at.y - 30, 0)
    return np.asarray(21 - 0.52 * np.sqrt(np.square(at.x) + 36) - 0.33 * back, dtype=np.float32)


def _tent_edge(at: Points) -> Field:
    """Negative where the tentorium is: behind the petrous ridges and outside its notch."""
    ridge = 5 + np.abs(at.x) * 0.5 - at.y
    notch = 1 - np.sqrt(np.square(at.x / 19) + np.square((at.y - 6) / 27))
    return single(np.maximum(ridge, notch * 19))


def _falx_edge(at: Points, vault: Field) -> Field:
    """Negative where the falx is: a sickle along the vault, deeper at the back, above the tentorium."""
    deep = 20 + 26 * slope(at.y, -60, 45) - 4
    return single(np.maximum(-vault - deep, 2 - at.z))


def _stem(at: Points) -> Field:
    """Midbrain, pons and medulla."""
    pons = ellipsoid(at, (0, 10, -14), (16, 12, 14))
    midbrain = melted(rod(at.folded(), (8, 4, 9), (13, -3, 14), (7, 6)), ellipsoid(at, (0, 13, 8), (12, 9, 13)), 4)
    cord = chain(at, (((0, 14, -22), 9.5), ((0, 24, -42), 7.5), ((0, 36, -80), 5.5)), 3)
    return melted(melted(pons, midbrain, 4), cord, 5)


def _gap(person: Person, at: Points, waves: Field) -> Field:
    """Width of the fluid between the inner table and the cortex, mm."""
    base = 0.5 + 2.4 * person.atrophy * (0.6 + 0.7 * slope(at.y, 10, -60))
    return np.maximum(base + 0.55 * waves, 0.3)


def _ventricles(person: Person, at: Points, side: Points) -> Field:
    """Lateral ventricles with their horns, third and fourth, aqueduct."""
    k = person.ventricles
    paths = (
        (((9, -38, 26), 2.4 * k), ((7.5, -27, 33), 5.4 * k), ((8, -8, 40), 5.8 * k), ((14, 14, 45), 5.8 * k),
         ((23, 34, 36), 6.8 * k), ((24, 48, 27), 4.2 * k), ((21, 62, 22), 1.6 * k)),
        (((24, 34, 33), 5.0 * k), ((32, 20, 12), 3.0 * k), ((30, 2, -2), 2.0 * k)),
    )  # fmt: skip
    lateral = melted(chain(side, paths[0], 3), chain(side, paths[1], 3), 3)
    caudate = ellipsoid(side, (17.5, -19, 31), (6.5, 12, 12))
    lateral = np.maximum(lateral, -caudate)
    lateral = np.maximum(lateral, 0.9 - side.x)
    third = ellipsoid(at, (0, 3, 19), (2.4 * k * k, 15, 11))
    fourth = np.minimum(ellipsoid(at, (0, 31, -17), (7 * k, 6 * k, 11)), rod(at, (0, 20, 8), (0, 27, -8), (0.9, 1.4)))
    return union(lateral, third, fourth)


def _cisterns(person: Person, at: Points, side: Points, stem: Field, waves: Field) -> Field:
    """Basal cisterns, sylvian fissures with the insular sheet, and the great cistern."""
    w = 0.5 + 1.3 * person.atrophy
    rough = _ripple(at)
    around = stem - np.float32(0.5 + w) - 1.1 * waves - 0.9 * rough - 1.4 * slope(at.y, 14, -6)
    around = np.maximum(around, at.z - 20)
    star = np.maximum(ellipsoid(at, (0, -9, 7), (13 + 2 * w, 10, 7)) + 0.8 * waves, -60 - at.y)
    carotid = rod(side, (10, -10, 6), (26, -16, 7), (3.2, 1.5 + w))
    quad = chain(side, (((0, 26, 14), 3.6 + w), ((9, 24, 13), 2.6 + w), ((17, 14, 10), 1.6 + w)), 3)
    velum = ellipsoid(at, (0, 27, 20), (6 + 2 * w, 7, 5))
    great = ellipsoid(side, (4, 62, -38), (10, 7 + 3 * w, 8))
    pontine = np.maximum(ellipsoid(side, (13, 4, -14), (12, 4 + w, 10)), -90 - at.z)
    bow = side.x - (34 + 4.5 * np.cos((at.y + 2) / 15)) + 1.3 * rough
    island = np.maximum(np.abs(bow) - w * (0.9 + 0.5 * waves), ellipsoid(side, (37, -3, 16), (14, 22, 15)) + rough)
    ramp = at.z - (12 + 0.75 * (at.y + 6)) + 2.4 * waves + 1.5 * rough
    band = np.maximum(
        np.abs(ramp) * 0.8 - (0.2 + w * (1.2 + 0.5 * waves)), np.maximum(35 - side.x, np.abs(at.y + 2) - 19 + 3 * rough)
    )
    stalk = np.maximum(band, -12 - at.z)
    return union(around, star, carotid, quad, velum, great, pontine, island, stalk)


def _ripple(at: Points) -> Field:
    """A small wave over the head, to keep drawn surfaces from looking drawn; other on each side."""
    wave = np.sin(at.x * 0.31 + 1.3) * np.sin(at.y * 0.37 + 0.4) + np.sin(at.z * 0.43 + at.x * 0.11)
    return np.asarray(wave * 0.7, dtype=np.float32)


def _nuclei(side: Points) -> Field:
    """Caudate heads, lentiform nuclei, thalami."""
    caudate = ellipsoid(side, (14.5, -21, 31), (5.5, 10, 11))
    tail = chain(side, (((15, -8, 43), 3.4), ((21, 14, 45), 2.4), ((28, 28, 40), 1.6)), 3)
    lentiform = ellipsoid(side, (24, -4, 18), (6.4, 15, 11), -0.22)
    thalamus = ellipsoid(side, (11.5, 12, 24), (9, 15, 11), -0.35)
    return union(caudate, tail, lentiform, thalamus)


def _white_core(side: Points) -> Field:
    """Centrum semiovale, corpus callosum and inner capsule: white whatever the cortex above does."""
    oval = ellipsoid(side, (25, 0, 50), (15, 42, 16))
    knee = ellipsoid(side, (0, -36, 34), (16, 8, 10))
    splenium = ellipsoid(side, (0, 36, 34), (18, 7, 8))
    radiation = ellipsoid(side, (30, 36, 28), (7, 26, 14), -0.2)
    return union(oval, knee, splenium, radiation)


def _calcified(person: Person, side: Points) -> Field:
    """Pineal gland and choroid plexus, more in some than in others."""
    big = 0.5 + 0.9 * person.calcified
    pineal = ellipsoid(side, (0.4, 24.5, 17), (2.4 * big, 3.0 * big, 2.4 * big))
    plexus = rod(side, (21, 37, 34), (26, 42, 28), (1.3 * big, 2.6 * big))
    return np.minimum(pineal, plexus)


def _sinuses(at: Points, side: Points, cavity: Field, tent: Field) -> Field:
    """Sagittal, straight, transverse and sigmoid sinus: dense venous blood."""
    wide = 1.6 + 3.4 * slope(at.y, -40, 70)
    sagittal = np.maximum(side.x + 0.55 * np.abs(cavity + 1) - wide, np.maximum(-cavity - 1.7 * wide, 2 - at.z))
    transverse = np.maximum(np.maximum(np.abs(tent) - 4, -cavity - 5), np.maximum(24 + 0.2 * side.x - at.y, cavity))
    sigmoid = rod(side, (56, 32, -10), (44, 36, -38), (4, 4))
    straight = rod(at, (0, 32, 17), (0, 80, -3), (1.4, 2.4))
    gathered = ellipsoid(at, (0, 80, -4), (8, 6, 7))
    return union(sagittal, transverse, sigmoid, straight, gathered)


def _furrows(rng: np.random.Generator, lattice: Lattice, at: Points, cavity: Field, tent: Field) -> Field:
    """Distance to the middle sheet of the nearest furrow, signed; large where no cortex is.

    A random field that hardly changes with depth is folded onto each hemisphere: its zero set gives sheets that stand
    on the surface, as sulci do.
    """
    inside = (cavity < 4) & (tent < 6) if tent.size else cavity < 4
    x, y, z = at.x[inside], at.y[inside], at.z[inside]
    sign = np.where(x < 0, np.float32(-1), np.float32(1))
    kernel_y, kernel_z = np.clip(y, -42, 42), np.float32(24)
    dx, dy, dz = x - sign * 22, y - kernel_y, z - kernel_z
    radius = np.sqrt(dx * dx + dy * dy + dz * dz) + np.float32(1e-3)
    onto = np.float32(38) / radius + np.float32(0.22)
    places = (sign * 60 + dx * onto + 100, kernel_y * 0.95 + dy * onto + 200, dz * onto + 300)
    wave = 25.0
    value = folds(rng, places, wave)
    field = np.full(lattice.shape, 2.0, np.float32)
    field[inside] = value
    steps = np.gradient(field, *(float(axis[1] - axis[0]) for axis in (lattice.z, lattice.y, lattice.x)))
    steep = np.sqrt(sum(np.square(step) for step in steps))
    return np.clip(field / np.maximum(steep, 0.03), -12, 12)


def _reach(person: Person, waves: Field) -> Field:
    """How far below the surface furrows go, mm."""
    return single(np.maximum(13 + 5 * waves + 3 * person.atrophy, 5))


def _foliage(at: Points, waves: Field) -> Field:
    """Phase of the cerebellum's leaves: nearly level stripes that bend."""
    return np.asarray(at.z * 0.8 + 0.5 * at.y + 2.5 * waves, dtype=np.float32)


def _streaks(at: Points, waves: Field) -> Field:
    """What hard beams leave between the petrous bones: dark bands from side to side, HU."""
    band = np.exp(-np.square((at.y - 12) / 11) - np.square((at.z + 16) / 9)) * slope(np.abs(at.x), 46, 24)
    return single(-6 * band * (1 + 0.8 * np.sin(1.1 * at.y + waves)))
