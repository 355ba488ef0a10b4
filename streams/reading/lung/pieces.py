"""What is outlined at single candidates, and which of it is of one nodule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.lung.grid import Grid
from streams.reading.lung.lungs import Lungs
from streams.reading.lung.outlining import Share, outline
from streams.reading.lung.patches import SIDE, Patch
from streams.reading.pausing import between_steps

MARKED = 0.5
AT_WALL_MM = 3.0
AGREES = 1.5
"""An outline that is larger by more, in lungs that are closed over more, has run into the wall."""
RIM = 2
"""A piece this near to the edge of its patch may go on beyond it."""
SAME = 0.6
"""Two pieces are of one nodule where their middles are nearer than this share of the larger one's diameter."""
SAME_MM = 2.5
LEAST_PART = 0.79
"""Of the diameter: half of the volume."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """What is outlined at one candidate.

    Attributes:
        mask: the share of each cube of the patch that it takes.
        centre: z, y, x in mm.
        diameter: of the ball of the same volume, mm.
        whole: it does not reach the patch's edge.
    """

    logit: float
    level: int
    patch: Patch
    mask: Share
    centre: NDArray[np.float64]
    diameter: float
    whole: bool


def piece_at(patch: Patch, hu: Share, lungs: Lungs, level: int, logit: float) -> Piece | None:
    """What is outlined at the middle of a patch `[24, 24, 24]` in Hounsfield units; None where nothing can be."""
    between_steps()
    share = _outlined(hu, lungs, patch)
    cubes = None if share is None else np.argwhere(share >= MARKED)
    if share is None or cubes is None or not len(cubes):
        return None
    diameter = float((6 * share.sum() / np.pi) ** (1 / 3)) * patch.grid.step
    whole = bool(cubes.min() >= RIM and cubes.max() < SIDE - RIM)
    return Piece(logit, level, patch, share, patch.grid.at(cubes.mean(axis=0)), diameter, whole)


def _outlined(hu: Share, lungs: Lungs, patch: Patch) -> Share | None:
    """The outline within the closed lungs; at the wall, within lungs that are closed over more where that agrees."""
    depth = _depth(lungs.depth, lungs.grid, patch)
    share = outline(hu, depth)
    if share is None or not ((share >= MARKED) & (depth < AT_WALL_MM)).any():
        return share
    wider = outline(hu, _depth(lungs.wide, lungs.grid, patch))
    return wider if wider is not None and wider.sum() <= AGREES * share.sum() else share


def _depth(depth: Share, grid: Grid, patch: Patch) -> Share:
    """How many mm a patch's cubes lie inside the lungs."""
    points = np.stack(np.meshgrid(*(patch.grid.axis(k) for k in range(3)), indexing="ij"), axis=-1)
    at = np.moveaxis(grid.index_of(points), -1, 0)
    return np.asarray(ndimage.map_coordinates(depth, at, order=1, mode="nearest"), dtype=np.float32)


def grouped(pieces: list[Piece]) -> Iterator[list[Piece]]:
    """Pieces of one nodule together, in the order of the likeliest of each."""
    groups: list[list[Piece]] = []
    for piece in pieces:
        for group in groups:
            if any(_same(piece, other) for other in group):
                group.append(piece)
                break
        else:
            groups.append([piece])
    yield from groups


def _same(one: Piece, other: Piece) -> bool:
    reach = max(SAME_MM, SAME * max(one.diameter, other.diameter))
    return bool(np.linalg.norm(one.centre - other.centre) <= reach)


def best_first(group: list[Piece]) -> list[Piece]:
    """The finest patch that shows the nodule whole comes first; where none does, the widest.

    A piece with less than half of the volume of another whole one is a part of the nodule: a lobe, a solid core.
    """
    largest = max((p.diameter for p in group if p.whole), default=0.0)

    def order(piece: Piece) -> tuple[bool, int, float]:
        good = piece.whole and piece.diameter >= LEAST_PART * largest
        return not good, piece.level if good else -piece.level, -piece.logit

    return sorted(group, key=order)
