"""A mammography exam as a net's input: each breast cut out of its view and put into a frame of one size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.reading.breast.frames import HEIGHT, WIDTH, Frame, frame_of
from streams.reading.breast.outline import Breast, breast_of
from streams.reading.tensors import NoAnatomy
from streams.reading.views import View, Views

MASK_CELL = 2
"""Pixels of the frame to one of the net's masks."""


@dataclass(frozen=True, slots=True)
class Framed:
    """One view in its frame, with the way back to its pixels."""

    view: View
    breast: Breast
    frame: Frame

    @property
    def shade(self) -> NDArray[np.float32]:
        """Grey from 0 (air) to 1, `[256, 192]`."""
        return np.asarray(self.frame.channels[0], np.float32) / np.float32(255)

    def to_source(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask over the frame's half grid `[128, 96]` as one on the view's pixels `[rows, columns]`."""
        rows, columns = self.breast.shape
        y = self._cells(np.arange(rows), 0)
        x = self._cells(np.arange(columns), 1)
        across = np.pad(mask, ((0, 1), (0, 1)))[np.ix_(y, x)]
        return across[:, ::-1] if self.breast.flipped else across

    def _cells(self, pixels: NDArray[np.int64], axis: int) -> NDArray[np.int64]:
        """For each source row or (turned) column the mask's cell; one past the last lies outside."""
        count = (HEIGHT, WIDTH)[axis] // MASK_CELL
        here = (pixels - self.breast.corner[axis] + 0.5) / self.breast.step
        cell = np.floor(here * self.frame.scale / MASK_CELL).astype(np.int64)
        inside = (here >= 0) & (here < self.breast.grey.shape[axis]) & (cell < count)
        return np.where(inside, cell, count)


@dataclass(frozen=True, slots=True)
class BreastViews:
    """All views of an exam in their frames.

    tensor: uint8 `[views, 4, 256, 192]` (see Frame.channels). notes: what was left out, and why.
    """

    framed: tuple[Framed, ...]
    tensor: NDArray[np.uint8]
    notes: tuple[str, ...] = ()

    @property
    def inputs(self) -> dict[str, NDArray[np.uint8]]:
        """The tensors by input name, as a contract's `[tensors.inputs]` lists them."""
        return {"BREAST": self.tensor}


def breast_views(exam: Views) -> BreastViews:
    """The exam's views in their frames; views with an implant and ones without a breast are left out and noted.

    Raises NoAnatomy where no view is left.
    """
    framed: list[Framed] = []
    notes: list[str] = []
    for view in exam.views:
        name = f"{view.laterality} {view.position}"
        if view.implant:
            notes.append(f"View {name} shows an implant and is not measured.")
            continue
        try:
            breast = breast_of(view.pixels)
        except NoAnatomy as fault:
            notes.append(f"View {name} is not measured: {fault}")
            continue
        framed.append(Framed(view, breast, frame_of(breast)))
    if not framed:
        raise NoAnatomy(" ".join(notes) or "The exam holds no view of a breast.")
    return BreastViews(tuple(framed), np.stack([one.frame.channels for one in framed]), tuple(notes))
