"""Makes a model's input tensors from a volume, and takes masks back to the slices they came from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from streams.reading import brain

Hu = NDArray[np.int16] | NDArray[np.float32]

WIDTH = 192
"""Pixels of a slab's side, 1 mm each."""
GREY_HU = (-15.0, 100.0)
"""The window that becomes grey 0..255."""
SLAB_MM = 5.0
"""Slices are averaged by as many as come nearest to this; from 3.4 mm on they are used as they come."""
KEEP_MM = 7.0
"""How far outside the inside of the skull the picture is kept."""
FEWEST_SLABS = 3


class NoAnatomy(ValueError):  # an outcome's name, not a programmer's error
    """The part of the body that the model reads is not to be found in the volume; the message is for people."""


@dataclass(frozen=True, slots=True)
class HeadSlabs:
    """A head as slabs for a 2.5D net, with the way back to the slices.

    tensor: uint8 `[n, 4, 192, 192]`: slab below, the slab, slab above (grey 0..255 = -15..100 HU), and the inside
        of the skull (0 or 255); 1 mm pixels.
    source_index: per slab the source slice nearest its centre, `[n]`.
    members: per slab first and one past last source slice, `[n, 2]`.
    origin_mm: per slab y and x of its first pixel's outer corner, from the outer corner of the slice, `[n, 2]`.
    slab_mm: per slab the length along z that it stands for, `[n]`.
    pixel_mm: source pixel (dy, dx). source_shape: the volume's `(z, y, x)`.
    """

    tensor: NDArray[np.uint8]
    source_index: NDArray[np.int64]
    members: NDArray[np.int64]
    origin_mm: NDArray[np.float64]
    slab_mm: NDArray[np.float64]
    pixel_mm: tuple[float, float]
    source_shape: tuple[int, int, int]

    @property
    def inputs(self) -> dict[str, NDArray[np.uint8]]:
        """The tensors by input name, as a contract's `[tensors.inputs]` lists them."""
        return {"HEAD": self.tensor}

    @property
    def origin_px(self) -> NDArray[np.float64]:
        """origin_mm in source pixels (row, column), `[n, 2]`."""
        return np.asarray(self.origin_mm / np.asarray(self.pixel_mm))

    def mask_to_source(self, mask: NDArray[np.float32], threshold: float = 0.5) -> NDArray[np.bool_]:
        """A mask of any square size over the slabs, `[n, s, s]`, as a mask on the source slices `[z, y, x]`."""
        _, rows, columns = self.source_shape
        cell = WIDTH / mask.shape[-1]
        out = np.zeros(self.source_shape, np.bool_)
        for index, (first, last) in enumerate(self.members):
            y = self._cells(rows, 0, index, cell)
            x = self._cells(columns, 1, index, cell)
            plane = np.pad(mask[index] >= threshold, 1)
            out[first:last] = plane[np.ix_(y, x)]
        return out

    def volume_ml(self, mask: NDArray[np.float32], threshold: float = 0.5) -> float:
        """Volume of a mask over the slabs, `[n, s, s]`, in ml."""
        cell = WIDTH / mask.shape[-1]
        areas = (mask >= threshold).sum((1, 2)) * cell * cell
        return float((areas * self.slab_mm).sum() / 1000)

    def _cells(self, count: int, axis: int, index: int, cell: float) -> NDArray[np.int64]:
        """For each source row or column the mask cell it lies in, one-based; 0 and size+1 are outside."""
        centre = (np.arange(count) + 0.5) * self.pixel_mm[axis] - self.origin_mm[index, axis]
        size = round(WIDTH / cell)
        return np.asarray(np.clip(np.floor(centre / cell).astype(np.int64) + 1, 0, size + 1))


def head_slabs(hu: Hu, spacing_mm: tuple[float, float, float], positions_mm: NDArray[np.float64]) -> HeadSlabs:
    """An axial head in HU `[z, y, x]`, foot to head, as slabs for a 2.5D net.

    spacing_mm is (dz, dy, dx); positions_mm the place of each slice along the normal, ascending. Thin slices
    are averaged by as many as come nearest to 5 mm; from 3.4 mm on they are used as they come.

    Raises NoAnatomy where no brain inside a skull is found.
    """
    members = _members(positions_mm)
    if len(members) < FEWEST_SLABS:
        raise NoAnatomy(f"The series holds {len(members)} slabs of a head; at least {FEWEST_SLABS} are needed.")
    pixel = (float(spacing_mm[1]), float(spacing_mm[2]))
    thick = np.stack([_mean(hu[first:last]) for first, last in members])
    coarse = _resampled(thick, pixel, brain.GRID_MM)
    middles = np.asarray([positions_mm[first:last].mean() for first, last in members])
    slab_mm = _lengths(middles)
    inside = brain.intracranial(brain.Stack(coarse, float(np.median(slab_mm))))
    if inside is None:
        raise NoAnatomy("No brain inside a skull was found in the series.")
    centre = _centres(inside) * brain.GRID_MM
    origin = np.round(centre - WIDTH / 2)
    grey = _cut(_resampled(thick, pixel, 1.0), origin, GREY_HU[0])
    cavity = _twice(_cut_coarse(inside, origin))
    keep = _twice(_cut_coarse(brain.widen(inside, KEEP_MM), origin))
    low, high = GREY_HU
    picture = np.clip(np.rint((grey - low) * (255.0 / (high - low))), 0, 255).astype(np.uint8) * keep
    below = np.concatenate([picture[:1], picture[:-1]])
    above = np.concatenate([picture[1:], picture[-1:]])
    tensor = np.stack([below, picture, above, cavity * np.uint8(255)], axis=1)
    nearest = [int(np.abs(positions_mm[a:b] - m).argmin()) + a for (a, b), m in zip(members, middles, strict=True)]
    shape = (int(hu.shape[0]), int(hu.shape[1]), int(hu.shape[2]))
    return HeadSlabs(tensor, np.asarray(nearest), np.asarray(members), origin, slab_mm, pixel, shape)


def _members(positions: NDArray[np.float64]) -> list[tuple[int, int]]:
    """First and one past last source slice of each slab."""
    if len(positions) < 2:
        return [(k, k + 1) for k in range(len(positions))]
    step = float(np.median(np.diff(positions)))
    each = max(1, round(SLAB_MM / step)) if step > 0 else 1
    if each == 1:
        return [(k, k + 1) for k in range(len(positions))]
    bins = np.floor((positions - positions[0] + step / 2) / (each * step)).astype(np.int64)
    edges = np.flatnonzero(np.diff(bins)) + 1
    bounds = [0, *edges.tolist(), len(positions)]
    return list(pairwise(bounds))


def _mean(slices: Hu) -> NDArray[np.float32]:
    """Mean of some slices, without padding values, metal's extremes or NaN."""
    if len(slices) == 1:
        mean = slices[0].astype(np.float32)
    else:
        mean = np.clip(slices, -1024, 3071).mean(axis=0, dtype=np.float32)
    if np.issubdtype(slices.dtype, np.floating):  # whole numbers know no NaN
        mean = np.nan_to_num(mean, copy=False, nan=-1024.0)
    return np.asarray(np.clip(mean, -1024, 3071, out=mean))


def _lengths(middles: NDArray[np.float64]) -> NDArray[np.float64]:
    """The length along z that each slab stands for: half of the way to each neighbour, gaps not counted twice."""
    steps = np.diff(middles)
    usual = float(np.median(steps))
    steps = np.minimum(steps, 1.5 * usual)
    return np.asarray((np.concatenate([steps[:1], steps]) + np.concatenate([steps, steps[-1:]])) / 2)


def _weights(count: int, pixel: float, out_mm: float) -> NDArray[np.float32]:
    """Area weights that bring `count` pixels to pixels of out_mm, `[out, count]`; rows sum to 1."""
    out = int(np.ceil(count * pixel / out_mm))
    edges = np.minimum(np.arange(out + 1) * out_mm, count * pixel)
    low = np.arange(count) * pixel
    overlap = np.minimum(edges[1:, None], low[None] + pixel) - np.maximum(edges[:-1, None], low[None])
    weights = np.maximum(overlap, 0)
    return np.asarray(weights / np.maximum(weights.sum(1, keepdims=True), 1e-9), dtype=np.float32)


def _resampled(stack: NDArray[np.float32], pixel: tuple[float, float], out_mm: float) -> NDArray[np.float32]:
    """Slices on a square grid of out_mm, by area: raw HU, so that bone and brain mix as they do in a thick slice."""
    rows = csr_array(_weights(stack.shape[1], pixel[0], out_mm))  # a band: some three of 512 weights are not 0
    columns = csr_array(_weights(stack.shape[2], pixel[1], out_mm))
    return np.stack([np.ascontiguousarray((columns @ (rows @ plane).T).T) for plane in stack])


def _centres(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The crop's centre per slab (y, x) in coarse pixels: one for all, or a line where a tilted stack drifts."""
    centres = np.zeros((len(inside), 2))
    for axis in (0, 1):
        flat: NDArray[np.bool_] = np.asarray(inside.any(axis=2 - axis))
        slabs = np.flatnonzero(flat.any(axis=1))
        low = np.asarray([np.flatnonzero(flat[k])[0] for k in slabs])
        high = np.asarray([np.flatnonzero(flat[k])[-1] + 1 for k in slabs])
        if (high.max() - low.min()) * brain.GRID_MM <= WIDTH - 8:
            centres[:, axis] = (low.min() + high.max()) / 2
            continue
        line = np.polynomial.Polynomial.fit(slabs, (low + high) / 2, 1, w=np.sqrt(high - low))
        centres[:, axis] = line(np.arange(len(inside)))
    return centres


def _cut(stack: NDArray[np.float32], origin: NDArray[np.float64], outside: float) -> NDArray[np.float32]:
    """192 x 192 from each plane of a 1 mm stack, its first pixel at `origin` (y, x)."""
    out = np.full((len(stack), WIDTH, WIDTH), outside, np.float32)
    for index, plane in enumerate(stack):
        y, x = (int(v) for v in origin[index])
        rows, columns = slice(max(0, y), max(0, y + WIDTH)), slice(max(0, x), max(0, x + WIDTH))
        part = plane[rows, columns]
        top, left = max(0, -y), max(0, -x)
        out[index, top : top + part.shape[0], left : left + part.shape[1]] = part
    return out


def _cut_coarse(stack: NDArray[np.bool_], origin: NDArray[np.float64]) -> NDArray[np.uint8]:
    """96 x 96 from each plane of a 2 mm stack, its first pixel at `origin` (y, x, in mm), nearest."""
    half = WIDTH // 2
    size = np.asarray(stack.shape[1:])
    out = np.zeros((len(stack), half, half), np.uint8)
    for index, plane in enumerate(stack):
        first = (origin[index] + 1.0) / brain.GRID_MM
        y, x = (
            np.clip(np.floor(np.arange(half) + f).astype(np.int64) + 1, 0, s + 1)
            for f, s in zip(first, size, strict=True)
        )
        out[index] = np.pad(plane, 1)[np.ix_(y, x)]
    return out


def _twice(stack: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each pixel as 2 x 2."""
    return stack.repeat(2, axis=1).repeat(2, axis=2)
