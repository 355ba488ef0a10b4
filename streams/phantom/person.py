"""Who lies in the scanner: the variation between heads, and the way from the scanner's mm to the atlas's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streams.phantom.lattice import Lattice, blobs
from streams.phantom.solids import Points


@dataclass(frozen=True, slots=True)
class Person:
    """One head: sizes as factors of the atlas, angles in degrees, atrophy from 0 (young) to 1 (old)."""

    seed: int
    width: float
    length: float
    height: float
    yaw: float
    roll: float
    pitch: float
    offset: tuple[float, float]
    atrophy: float
    ventricles: float
    skull_mm: float
    scalp_mm: float
    calcified: float
    sinuses: float


def person_of(seed: int) -> Person:
    """The person that a seed stands for."""
    rng = np.random.default_rng((seed, 1))
    atrophy = float(rng.beta(1.3, 1.6))
    size = float(np.clip(rng.normal(1.0, 0.035), 0.92, 1.07))
    return Person(
        seed=seed,
        width=size * float(np.clip(rng.normal(1.0, 0.03), 0.94, 1.06)),
        length=size * float(np.clip(rng.normal(1.0, 0.03), 0.94, 1.06)),
        height=size * float(np.clip(rng.normal(1.0, 0.03), 0.94, 1.06)),
        yaw=float(np.clip(rng.normal(0, 4), -10, 10)),
        roll=float(np.clip(rng.normal(0, 2.5), -6, 6)),
        pitch=float(np.clip(rng.normal(0, 4), -10, 10)),
        offset=(float(rng.normal(0, 3)), float(rng.normal(0, 4))),
        atrophy=atrophy,
        ventricles=float(np.clip(0.8 + 0.5 * atrophy + rng.normal(0, 0.1), 0.6, 1.5)),
        skull_mm=float(np.clip(rng.normal(6.3, 1.0), 4.5, 9.0)),
        scalp_mm=float(np.clip(rng.normal(5.0, 1.0), 3.0, 8.0)),
        calcified=float(rng.random()),
        sinuses=float(rng.uniform(0.5, 1.15)),
    )


def atlas_points(person: Person, lattice: Lattice) -> Points:
    """Where the lattice's nodes lie in the atlas head: turned, sized, bent by a smooth asymmetry of about 1.5 mm."""
    rng = np.random.default_rng((person.seed, 2))
    here = lattice.points()
    turn = _turn(person).astype(np.float32)
    x, y, z = here.x - np.float32(person.offset[0]), here.y - np.float32(person.offset[1]), here.z
    sizes = (person.width, person.length, person.height)
    along = [(row[0] * x + row[1] * y + row[2] * z) / np.float32(size) for row, size in zip(turn, sizes, strict=True)]
    bent = [axis + np.float32(1.4) * blobs(rng, lattice, 45.0) for axis in along]
    return Points(*(np.asarray(axis, dtype=np.float32) for axis in bent))


def _turn(person: Person) -> np.ndarray:
    yaw, roll, pitch = (np.radians(angle) for angle in (person.yaw, person.roll, person.pitch))
    about_z = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    return np.asarray(about_z @ about_y @ about_x)
