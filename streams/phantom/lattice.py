"""Lattices: a coarse one on which anatomy is computed, resampled onto slices, and smooth random fields on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.phantom.solids import Field, Points, single

COARSE = (2.5, 1.9, 1.9)
"""Spacing of the coarse lattice, mm (z, y, x): distances are smooth, so their edges stay sharp when resampled."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A stack of slices in the patient: centres in mm about the head's middle, and a gantry tilt in degrees.

    With a tilt the columns run along (0, cos, -sin) and the stack still along z (PS3.3 C.8.2.1.1.3 Gantry/Detector
    Tilt; C.7.6.2.1.1 for what position and orientation then say).
    """

    z: tuple[float, ...]
    thickness: float
    pixel: float = 0.46875
    size: int = 512
    tilt: float = 0.0
    centre_y: float = -4.0

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between slice centres along z, then rows and columns, mm."""
        step = self.z[1] - self.z[0] if len(self.z) > 1 else self.thickness
        return step, self.pixel, self.pixel

    def voxel_ml(self) -> float:
        """Volume that one voxel stands for, ml."""
        step, row, column = self.spacing
        return step * float(np.cos(np.radians(self.tilt))) * row * column / 1000


@dataclass(frozen=True, slots=True)
class Lattice:
    """The coarse nodes of a frame: positions along z, y, x in the frame's own axes, mm."""

    z: Field
    y: Field
    x: Field
    tilt: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Nodes along z, y, x."""
        return len(self.z), len(self.y), len(self.x)

    def points(self) -> Points:
        """The nodes in the patient."""
        shape = self.shape
        turn = np.radians(self.tilt)
        y = self.y[None, :, None] * np.float32(np.cos(turn))
        z = self.z[:, None, None] - self.y[None, :, None] * np.float32(np.sin(turn))
        full = [np.broadcast_to(a, shape).astype(np.float32) for a in (self.x[None, None, :], y, z)]
        return Points(full[0], full[1], full[2])


def lattice_for(frame: Frame) -> Lattice:
    """The coarse lattice that covers a frame's head (half widths 96 and 120 mm) with a margin."""
    low, high = min(frame.z) - frame.thickness, max(frame.z) + frame.thickness
    z = np.arange(low - COARSE[0], high + 2 * COARSE[0], COARSE[0], dtype=np.float32)
    y = np.arange(-124.0, 124.0, COARSE[1], dtype=np.float32)
    x = np.arange(-99.0, 99.1, COARSE[2], dtype=np.float32)
    return Lattice(z, y, x, frame.tilt)


def mixing(nodes: Field, places: Field) -> Field:
    """The matrix `[places, nodes]` that interpolates values at evenly spaced `nodes` linearly at `places`."""
    at = np.clip((places - nodes[0]) / (nodes[1] - nodes[0]), 0, len(nodes) - 1.001)
    left = at.astype(np.int64)
    matrix = np.zeros((len(places), len(nodes)), np.float32)
    rows = np.arange(len(places))
    matrix[rows, left] = 1 - (at - left)
    matrix[rows, left + 1] += at - left
    return matrix


def between(nodes: Field, places: Field) -> tuple[NDArray[np.int64], Field]:
    """For each place the node before it, and how far on to the next it lies (0 to 1)."""
    at = np.clip((places - nodes[0]) / (nodes[1] - nodes[0]), 0, len(nodes) - 1.001)
    before = at.astype(np.int64)
    return before, (at - before).astype(np.float32)


def doubled(rows: Field) -> Field:
    """Twice as many rows, linearly between: new centres lie a quarter of a row before and behind the old ones."""
    out = np.empty((2 * rows.shape[0], rows.shape[1]), np.float32)
    out[0::2] = 0.75 * rows
    out[1::2] = out[0::2]
    out[2::2] += 0.25 * rows[:-1]
    out[1:-1:2] += 0.25 * rows[1:]
    out[0] += 0.25 * rows[0]
    out[-1] += 0.25 * rows[-1]
    return out


def blobs(rng: np.random.Generator, lattice: Lattice, cell: float) -> Field:
    """A smooth random field on the lattice: mean 0, deviation 1, grains of about 2 `cell` mm."""
    lengths = [float(axis[-1] - axis[0]) for axis in (lattice.z, lattice.y, lattice.x)]
    seeds = rng.standard_normal([int(length / cell) + 4 for length in lengths]).astype(np.float32)
    field = seeds
    for axis, (count, length) in enumerate(zip(lattice.shape, lengths, strict=True)):
        weights = _spline(np.linspace(0, length / cell, count, dtype=np.float32), field.shape[axis])
        field = np.moveaxis(np.tensordot(weights, field, (1, axis)), 0, axis)
    deviation = float(field.std()) or 1.0
    return np.ascontiguousarray((field - field.mean()) / np.float32(deviation), dtype=np.float32)


def _spline(at: Field, count: int) -> Field:
    """Cubic B-spline weights `[places, count]` of random coefficients spaced 1 apart."""
    away = np.abs(at[:, None] + 1 - np.arange(count, dtype=np.float32)[None])
    near = 2 / 3 - away**2 + away**3 / 2
    far = np.clip(2 - away, 0, None) ** 3 / 6
    return single(np.where(away < 1, near, far))


def folds(rng: np.random.Generator, places: tuple[Field, Field, Field], wave: float) -> Field:
    """Band-limited random field at any places (mm, 1-D arrays): its zero set winds like sulci, `wave` mm apart."""
    cell = wave / 3.2
    seeds = rng.standard_normal((64, 64, 64)).astype(np.float32)
    seeds -= ndimage.gaussian_filter(seeds, 1.1, mode="wrap")
    at = np.stack([place / np.float32(cell) for place in places])
    field = ndimage.map_coordinates(seeds, at, order=3, mode="grid-wrap", prefilter=False)
    return np.asarray(field / field.std(), dtype=np.float32)
