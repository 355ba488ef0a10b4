"""Tensors that a contract can say without code: resampled, windowed, cut into overlapping patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.contract import Option, Tensors
from streams.reading.regions import REGIONS, Box, region_of
from streams.reading.sampling import NATIVE, Direction, direction, linear, sampled
from streams.reading.volume import Volume

AIR_HU = -1024.0
"""What lies outside the scan."""
LARGEST_BYTES = 2 << 30
"""Of one tensor: protobuf's and Triton's limit of one message."""
FLOATS = {"FP32": np.float32, "FP16": np.float16}
KNOWN = frozenset(
    {"axes", "spacing_mm", "clip_hu", "scale_to", "patch", "multiple", "lost", "overlap", "region", "margin_mm"}
)

Three = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The options of `volume_patches`, checked. Threes are in our axes z, y, x; in a contract in the model's.

    Attributes:
        turned: from our axes to the model's (option axes, such as RAS; default SPL: z, y, x).
        spacing_mm: what the volume is brought to, linearly.
        clip_hu, scale_to: the window, and what its ends become.
        patch: voxels given to the model; 0: as many as the region needs.
        multiple: where patch is 0, the answer's side is a multiple of this.
        lost: voxels that the answer is smaller by, on each side.
        overlap: share of the answer's side by which neighbouring patches overlap.
        region: what is read: all, body, or skull (the inside of the skull); margin_mm round it.
    """

    turned: Direction
    spacing_mm: tuple[float, float, float]
    clip_hu: tuple[float, float]
    scale_to: tuple[float, float]
    patch: Three
    multiple: int
    lost: Three
    overlap: float
    region: str
    margin_mm: float

    def inner(self, axis: int) -> int:
        """The answer's side along an axis; 0 where it is the region's."""
        return self.patch[axis] - 2 * self.lost[axis] if self.patch[axis] else 0


@dataclass(frozen=True, slots=True)
class Patches:
    """A volume as patches, with the way back.

    Attributes:
        tensor: `[n, 1, ...]` in the model's axes. name: of the input.
        starts: first voxel of each answer's window on the grid, `[n, 3]`. inner: the windows' sides.
        box: what is read, on the grid. inside: of the box what counts, or None for all.
        source_places: places (mm) of the source's slices, rows and columns, each axis from its first.
    """

    tensor: NDArray[Any]
    name: str
    recipe: Recipe
    starts: NDArray[np.int64]
    inner: Three
    box: Box
    inside: NDArray[np.bool_] | None
    source_places: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] = field(repr=False)

    @property
    def inputs(self) -> Mapping[str, NDArray[Any]]:
        """The one tensor by its name."""
        return {self.name: self.tensor}

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel of the grid."""
        z, y, x = self.recipe.spacing_mm
        return z * y * x / 1000

    def on_source(self, grid: NDArray[Any], outside: Any) -> NDArray[Any]:
        """Values on the box's grid `[z, y, x]` on the source's voxels, nearest; `outside` elsewhere."""
        padded = np.pad(grid, 1, constant_values=outside)
        return np.asarray(padded[np.ix_(*(self._cells(axis) + 1 for axis in range(3)))])

    def planes(self) -> NDArray[np.int64]:
        """For each source slice the box's plane it lies in; -1 where in none."""
        cells = self._cells(0)
        return np.where(cells < self.box.shape[0], cells, -1)

    def _cells(self, axis: int) -> NDArray[np.int64]:
        """For each source place the box's cell, from -1 to size; both of these are outside."""
        cell = np.rint(self.source_places[axis] / self.recipe.spacing_mm[axis]).astype(np.int64)
        return np.asarray(np.clip(cell - self.box.low[axis], -1, self.box.shape[axis]))


def recipe_of(options: Mapping[str, Option]) -> Recipe:
    """The options, checked; spacing_mm, clip_hu, scale_to and patch must be given: nobody guesses them.

    Raises:
        ValueError: a sentence that names the option and what it takes.
    """
    if unknown := sorted(set(options) - KNOWN):
        raise ValueError(f"no option '{unknown[0]}' of volume_patches; it takes {', '.join(sorted(KNOWN))}")
    for name in ("spacing_mm", "clip_hu", "scale_to", "patch"):
        if name not in options:
            raise ValueError(f"option {name} is missing: the model's makers say it, and nothing is assumed")
    turned = direction(str(options.get("axes", NATIVE)))
    spacing = turned.native(_numbers(options, "spacing_mm", 3, (0.1, 20.0)))
    patch = turned.native(_whole(options, "patch", 3, (0, 1024)))
    lost = turned.native(_whole(options, "lost", 3, (0, 512), default=0))
    region = str(options.get("region", "all"))
    if region not in REGIONS:
        raise ValueError(f"option region is '{region}'; {', '.join(REGIONS)} are known")
    for side, less in zip(patch, lost, strict=True):
        if side and side <= 2 * less:
            raise ValueError(f"a patch of {side} voxels that loses {less} on each side leaves none")
    clip, scale = _pair(options, "clip_hu"), _pair(options, "scale_to")
    return Recipe(
        turned=turned,
        spacing_mm=spacing,
        clip_hu=clip,
        scale_to=scale,
        patch=patch,
        multiple=_whole(options, "multiple", 1, (1, 512), default=1)[0],
        lost=lost,
        overlap=_numbers(options, "overlap", 1, (0.0, 0.9), default=0.0)[0],
        region=region,
        margin_mm=_numbers(options, "margin_mm", 1, (0.0, 100.0), default=0.0)[0],
    )


def volume_patches(volume: Volume, tensors: Tensors) -> Patches:
    """The volume as `[n, 1, ...]` patches by the contract's `[tensors.options]` (see Recipe).

    Raises:
        NoAnatomy: the region is not in the volume.
        ValueError: the patches would be larger than one message.
    """
    recipe = recipe_of(tensors.options)
    name, spec = next(iter(tensors.inputs.items()))
    places = _places(volume)
    region = region_of(recipe.region, volume, places, recipe.spacing_mm, recipe.margin_mm)
    inner = _inner(recipe, region.box)
    starts = _starts(region.box, inner, recipe.overlap)
    patch: Three = (*(i + 2 * lost for i, lost in zip(inner, recipe.lost, strict=True)),)  # type: ignore[assignment]
    dtype = FLOATS.get(spec.datatype, np.float32)
    size = len(starts) * int(np.prod(patch)) * np.dtype(dtype).itemsize
    if size > LARGEST_BYTES:
        raise ValueError(
            f"{len(starts)} patches of {' x '.join(map(str, patch))} voxels are {size / 1e9:.1f} GB; "
            "a coarser spacing_mm, less overlap or a smaller region is needed"
        )
    low = starts.min(axis=0) - recipe.lost
    high = starts.max(axis=0) + inner + recipe.lost
    grid = _scaled(_resampled(volume, places, recipe, low, high), recipe).astype(dtype)
    tensor = np.empty((len(starts), 1, *(patch[axis] for axis in recipe.turned.order)), dtype)
    for row, corner in enumerate(starts - recipe.lost - low):
        window = grid[tuple(slice(c, c + p) for c, p in zip(corner, patch, strict=True))]
        tensor[row, 0] = recipe.turned.turn(window)
    return Patches(tensor, name, recipe, starts, inner, region.box, region.inside, places)


def _places(volume: Volume) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    _, rows, columns = volume.hu.shape
    z = volume.positions_mm - volume.positions_mm[0]
    y, x = (np.arange(n) * mm for n, mm in zip((rows, columns), volume.spacing_mm[1:], strict=True))
    return z, np.asarray(y, np.float64), np.asarray(x, np.float64)


def _inner(recipe: Recipe, box: Box) -> Three:
    """The windows' sides: as given, or the region's, rounded up to the multiple."""
    z, y, x = (recipe.inner(a) or ceil(box.shape[a] / recipe.multiple) * recipe.multiple for a in range(3))
    return z, y, x


def _starts(box: Box, inner: Three, overlap: float) -> NDArray[np.int64]:
    """First voxels of windows that cover the box; the last one ends with it, a single one lies about its middle."""
    axes = []
    for low, size, side in zip(box.low, box.shape, inner, strict=True):
        if size <= side:
            axes.append([low - (side - size) // 2])
            continue
        step = max(1, int(side * (1 - overlap)))
        last = low + size - side
        axes.append([*range(low, last, step), last])
    return np.asarray(list(product(*axes)), dtype=np.int64)


def _resampled(
    volume: Volume,
    places: tuple[NDArray[np.float64], ...],
    recipe: Recipe,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
) -> NDArray[np.float32]:
    """HU on the grid from `low` to `high`: raw values are mixed, the window comes after."""
    z, y, x = (linear(places[axis], np.arange(low[axis], high[axis]) * recipe.spacing_mm[axis]) for axis in range(3))
    above_air = volume.hu.astype(np.float32) - np.float32(AIR_HU)
    return sampled(above_air, (z, y, x)) + np.float32(AIR_HU)


def _scaled(hu: NDArray[np.float32], recipe: Recipe) -> NDArray[np.float32]:
    (low, high), (first, last) = recipe.clip_hu, recipe.scale_to
    return np.asarray((np.clip(hu, low, high) - low) * ((last - first) / (high - low)) + first, dtype=np.float32)


def _numbers(
    options: Mapping[str, Option], name: str, count: int, limits: tuple[float, float], default: float | None = None
) -> tuple[float, ...]:
    """So many numbers within limits; one number stands for all."""
    given = options.get(name, default)
    values: tuple[object, ...] = given if isinstance(given, tuple) else (given,)
    values = values * count if len(values) == 1 else values
    low, high = limits
    sound = [v for v in values if isinstance(v, float | int) and low <= v <= high]
    if len(values) != count or len(sound) != count:
        many = f"{count} numbers" if count > 1 else "a number"
        raise ValueError(f"option {name} is {_said(given)}; it takes {many} from {low:g} to {high:g}")
    return tuple(float(v) for v in sound)


def _whole(
    options: Mapping[str, Option], name: str, count: int, limits: tuple[int, int], default: int | None = None
) -> tuple[int, ...]:
    values = _numbers(options, name, count, limits, default)
    if any(v != int(v) for v in values):
        raise ValueError(f"option {name} is {_said(options[name])}; it takes whole numbers of voxels")
    return tuple(int(v) for v in values)


def _pair(options: Mapping[str, Option], name: str) -> tuple[float, float]:
    low, high = _numbers(options, name, 2, (-32768.0, 32767.0))
    if low >= high:
        raise ValueError(f"option {name} is {_said(options[name])}; the smaller number comes first")
    return low, high


def _said(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(f'{v:g}' if isinstance(v, float) else str(v) for v in value)}]"
    return f"{value:g}" if isinstance(value, float) else f"'{value}'"
