"""Puts real nodules' shapes (LIDC) into a scan: partial volume, blur, the scan's own noise; with the exact truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from truth import Outline

FINE = 0.5  # mm of the grid on which a shape is kept
SUB = (4, 2, 2)  # points of a voxel at which a shape is asked
TISSUE_HU = 40.0


@dataclass(frozen=True, slots=True)
class Shape:
    """A nodule's signed distance (mm, negative inside) on a 0.5 mm grid round its middle.

    size: diameter of the ball of its volume. radius: from the middle to its furthest part, mm.
    """

    distance: NDArray[np.float32]
    size: float
    radius: float
    margin: int
    spiculation: int


@dataclass(frozen=True, slots=True)
class Look:
    """How an inserted nodule looks: kind, HU of its solid part, share of tissue in its ground glass, edge and blur."""

    kind: str
    hu: float
    glass: float
    core: float
    edge_mm: float
    blur_mm: float


@dataclass(frozen=True, slots=True)
class Placed:
    """A shape put at a place: scaled and turned.

    centre: mm (z, y, x). scale: of lengths. turn: rotation from the scan's axes to the shape's.
    """

    shape: Shape
    look: Look
    centre: NDArray[np.float64]
    scale: float
    turn: NDArray[np.float64]
    stratum: str

    @property
    def size(self) -> float:
        """Diameter of the ball of the same volume, mm."""
        return self.shape.size * self.scale

    @property
    def reach(self) -> float:
        """No part lies further from the middle, mm."""
        return self.shape.radius * self.scale + self.look.edge_mm + 1.5

    def distance(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Signed distance at points in mm, `[..., 3]`."""
        local = (points - self.centre) @ self.turn.T / self.scale / FINE
        at = np.moveaxis(local + (np.asarray(self.shape.distance.shape) - 1) / 2, -1, 0)
        return ndimage.map_coordinates(self.shape.distance, at, order=1, mode="nearest") * np.float32(self.scale)


def shape_of(outline: Outline) -> Shape:
    """A reader's outline as a smooth solid (shape-based interpolation between slices, Raya and Udupa 1990)."""
    planes = [_signed(plane, outline.pixel_mm) for plane in outline.mask]
    depths = [max(float(-p.min()), 0.5) for p in planes]
    first = np.where(planes[0] < 0, depths[0], planes[0] + depths[0])
    last = np.where(planes[-1] < 0, depths[-1], planes[-1] + depths[-1])
    step = outline.slice_mm
    stack = np.stack([first, *planes, last])
    pad = int(np.ceil(4 / outline.pixel_mm))
    stack = np.pad(stack, ((1, 1), (pad, pad), (pad, pad)), mode="edge")
    stack[0] += step
    stack[-1] += step
    zoom = [step / FINE, outline.pixel_mm / FINE, outline.pixel_mm / FINE]
    fine = ndimage.zoom(stack.astype(np.float32), zoom, order=1, mode="nearest", grid_mode=True)
    fine = ndimage.gaussian_filter(fine, 1.2)
    inside = fine < 0
    exact = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
    exact = ndimage.gaussian_filter(exact.astype(np.float32) * FINE, 0.8)
    where = [np.flatnonzero((exact < 4).any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    exact = exact[tuple(slice(w[0], w[-1] + 1) for w in where)]
    volume = float(np.clip(0.5 - exact / FINE, 0, 1).sum()) * FINE**3
    size = (6 * volume / np.pi) ** (1 / 3)
    far = (np.argwhere(exact < 0) - (np.asarray(exact.shape) - 1) / 2) * FINE
    radius = float(np.linalg.norm(far, axis=1).max())
    return Shape(exact, float(size), radius, outline.ratings["margin"], outline.ratings["spiculation"])


def _signed(plane: NDArray[np.bool_], mm: float) -> NDArray[np.float64]:
    if not plane.any():
        return np.full(plane.shape, 2.0)
    inner, outer = ndimage.distance_transform_edt(plane), ndimage.distance_transform_edt(~plane)
    return np.asarray(np.where(plane, 0.5 - inner, outer - 0.5) * mm)


def look_of(rng: np.random.Generator, margin: int, size: float, kinds: tuple[str, ...]) -> Look:
    """A random look of one of the kinds; below 6 mm all are solid."""
    kind = str(rng.choice(kinds)) if size >= 6 else "solid"
    hu = float(np.clip(rng.normal(20, 35), -90, 120)) if rng.random() < 0.92 else float(rng.uniform(200, 600))
    edge = float(rng.uniform(0.3, 0.9)) + 0.4 * (5 - margin)
    if kind != "solid":
        hu, edge = float(rng.uniform(-40, 60)), edge + 0.6
    return Look(
        kind, hu, float(rng.uniform(0.25, 0.55)), float(rng.uniform(0.35, 0.65)), edge, float(rng.uniform(0.4, 0.65))
    )


def turned(rng: np.random.Generator) -> NDArray[np.float64]:
    """A random rotation or mirror rotation."""
    turn, upper = np.linalg.qr(rng.standard_normal((3, 3)))
    return np.asarray(turn * np.sign(np.diag(upper)))


@dataclass(frozen=True, slots=True)
class Box:
    """Voxels of a scan: index ranges and, per axis, their middles and sizes in mm."""

    index: tuple[slice, slice, slice]
    centres: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    sizes: tuple[float, float, float]


def box_round(axes: tuple[NDArray[np.float64], ...], centre: NDArray[np.float64], reach: float) -> Box:
    """The voxels within reach of a place along each axis."""
    index, centres, sizes = [], [], []
    for axis, middle in zip(axes, centre, strict=True):
        hit = np.flatnonzero(np.abs(axis - middle) <= reach)
        index.append(slice(int(hit[0]), int(hit[-1]) + 1))
        centres.append(axis[index[-1]])
        sizes.append(float(np.median(np.diff(axis))))
    return Box((index[0], index[1], index[2]), (centres[0], centres[1], centres[2]), (sizes[0], sizes[1], sizes[2]))


def shares(placed: Placed, box: Box) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of each voxel the share inside the nodule, and inside its solid core (part-solid) likewise."""
    whole = np.zeros([len(c) for c in box.centres], np.float32)
    core = np.zeros_like(whole)
    offsets = [((np.arange(n) + 0.5) / n - 0.5) * mm for n, mm in zip(SUB, box.sizes, strict=True)]
    edge, depth = np.float32(placed.look.edge_mm), np.float32((1 - placed.look.core) * placed.size / 2)
    for dz in offsets[0]:
        for dy in offsets[1]:
            for dx in offsets[2]:
                points = np.stack(
                    np.meshgrid(box.centres[0] + dz, box.centres[1] + dy, box.centres[2] + dx, indexing="ij"), axis=-1
                )
                distance = placed.distance(points)
                whole += np.clip(0.5 - distance / edge, 0, 1)
                if placed.look.kind == "part-solid":
                    core += np.clip(0.5 - (distance + depth) / edge, 0, 1)
    count = np.float32(np.prod(SUB))
    return whole / count, core / count


def inserted(hu: NDArray[np.int16], placed: Placed, box: Box, noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Writes the nodule into the scan; returns of each voxel of the box the share that it takes (not blurred)."""
    whole, core = shares(placed, box)
    look = placed.look
    blur = (0.0, look.blur_mm / box.sizes[1], look.blur_mm / box.sizes[2])
    seen, inner = ndimage.gaussian_filter(whole, blur), ndimage.gaussian_filter(core, blur)
    tissue = {"solid": seen, "ground-glass": seen * look.glass}.get(look.kind, np.maximum(seen * look.glass, inner))
    part = hu[box.index].astype(np.float32)
    target = np.maximum(np.float32(look.hu) + noise, part)
    hu[box.index] = np.clip(np.rint(part + tissue * (target - part)), -1024, 3071).astype(np.int16)
    return whole


def noise_piece(
    rng: np.random.Generator, hu: NDArray[np.int16], soft: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """The scan's own noise from its soft tissue: a box there without its slow course, mirrored to the shape."""
    z, y, x = soft[int(rng.integers(len(soft)))]
    piece = hu[z : z + 3, y : y + 20, x : x + 20].astype(np.float32)
    piece = piece - ndimage.gaussian_filter(piece, (0, 4, 4), mode="nearest")
    piece = np.clip(piece, -120, 120)
    pads = [(0, max(0, n - m)) for n, m in zip(shape, piece.shape, strict=True)]
    wide = np.pad(piece, pads, mode="reflect")
    return np.asarray(wide[: shape[0], : shape[1], : shape[2]], dtype=np.float32)


def soft_corners(hu: NDArray[np.int16]) -> NDArray[np.int64]:
    """Corners (z, y, x) of boxes of 3 x 20 x 20 voxels that hold soft tissue only."""
    out = []
    for z in range(2, len(hu) - 5, 3):
        soft = (hu[z : z + 3] > -40) & (hu[z : z + 3] < 180)
        share = ndimage.uniform_filter(soft.mean(axis=0), 20, origin=-10)
        at = np.argwhere(share > 0.985)
        at = at[(at < np.asarray(hu.shape[1:]) - 20).all(axis=1)][::97]
        out += [(z, int(y), int(x)) for y, x in at]
    return np.asarray(out)
