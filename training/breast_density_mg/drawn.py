"""The DDSM films with hand-drawn masks, by woman in two halves: one on which choices are made, one that judges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from films import DATA
from numpy.typing import NDArray
from PIL import Image

FAT, DENSE, PECTORAL = 128, 192, 255
NEAR = 20
"""Greys by which a mark may differ from its own."""
SEED = 23
"""Of the deal, fixed before any film of either half was looked at for it."""
Half = Literal["development", "kept"]
Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DrawnFilm:
    """One film: greys as stored, and dense tissue, fat and muscle as drawn, bool `[rows, columns]`."""

    name: str
    grey: NDArray[np.float32]
    dense: Bits
    fat: Bits
    muscle: Bits

    @property
    def percent(self) -> float:
        """Dense share of the breast off the muscle, percent."""
        return 100.0 * float(self.dense.sum()) / float((self.dense | self.fat).sum())


def picture(path: Path) -> NDArray[np.float32]:
    """A film's greys."""
    return np.asarray(Image.open(path).convert("L"), np.float32)


def drawn_films(half: Half) -> tuple[DrawnFilm, ...]:
    """The films of one half; the case number in a film's name stands for the woman."""
    paths = sorted((DATA / "ddsm_tissue").glob("*/fgt_seg/*.png"), key=lambda path: path.stem)
    women = sorted({_woman(path) for path in paths})
    dealt = np.random.default_rng(SEED).permutation(len(women))
    first = {women[place] for place in dealt[: len(women) // 2]}
    return tuple(_film(path) for path in paths if (_woman(path) in first) == (half == "development"))


def _woman(path: Path) -> str:
    return path.stem.split(".")[0].rsplit("_", 1)[0]


def _film(path: Path) -> DrawnFilm:
    marks = picture(path.parents[1] / "fgt_seg_labels" / f"{path.stem}_LI.png")
    dense, fat, muscle = (np.abs(marks - mark) < NEAR for mark in (DENSE, FAT, PECTORAL))
    return DrawnFilm(path.stem, picture(path), dense, fat, muscle)
