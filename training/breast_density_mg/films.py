"""The films of mini-MIAS in the frame, by woman, with masks guessed from grey and tissue class, kept in runs/."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from streams.reading.breast.frames import Frame, depth_of, frame_of
from streams.reading.breast.muscle import muscle_of
from streams.reading.breast.outline import breast_of

DATA = Path(os.environ.get("WETREAD_DATA", "../shared/data"))  # noqa: TID251  # a script, not the product
RUNS = Path(__file__).parent / "runs"
CLASSES = "FGD"
SHARES = {"F": (0.005, 0.09), "G": (0.08, 0.34), "D": (0.28, 0.85)}
"""What share of the breast is dense at least and at most by class: the quartiles of hand thresholding by BI-RADS
class overlap as much (Martin 2006: medians 6, 15, 51 and 78 %); MIAS' letters say no more than this."""
FOLDS = 4
SMOOTH = 1.3
"""Sigma in pixels of the frame: a hand draws no single strand."""


@dataclass(frozen=True, slots=True)
class Film:
    """One film in the frame: channels uint8 `[4, 256, 192]`, grey float, masks; dense is guessed, not drawn."""

    name: str
    woman: int
    tissue: str
    grey: NDArray[np.float32]
    inside: NDArray[np.bool_]
    muscle: NDArray[np.bool_]
    dense: NDArray[np.bool_]


@lru_cache(maxsize=1)
def labels() -> tuple[dict[str, str], ...]:
    """The rows of labels.csv, one for each film: a film with two findings is listed once."""
    with (DATA / "mias" / "labels.csv").open() as file:
        rows = {row["film"]: row for row in csv.DictReader(file)}
    return tuple(rows[name] for name in sorted(rows))


def read(path: Path) -> Frame:
    """A picture's breast in the frame."""
    return frame_of(breast_of(np.asarray(Image.open(path).convert("L"), np.float32)))


def film_of(row: dict[str, str]) -> Film:
    """One film with its guessed masks."""
    frame = read(DATA / "mias" / f"{row['film']}.png")
    grey = frame.channels[0].astype(np.float32) / 255
    muscle = muscle_of(grey, frame.inside)
    dense = guessed(grey, frame.inside, muscle, row["tissue"])
    return Film(row["film"], int(row["pair"]), row["tissue"], grey, frame.inside, muscle, dense)


def guessed(
    grey: NDArray[np.float32], inside: NDArray[np.bool_], muscle: NDArray[np.bool_], tissue: str
) -> NDArray[np.bool_]:
    """Dense tissue by the threshold that parts the breast's greys best (Otsu) within the class's shares."""
    breast = inside & ~ndimage.binary_dilation(muscle, iterations=3)
    even = _evened(grey, breast, depth_of(inside))
    weight = ndimage.gaussian_filter(breast.astype(np.float32), SMOOTH) + 1e-6
    even = ndimage.gaussian_filter(even * breast, SMOOTH) / weight
    values = np.sort(even[breast])
    low, high = SHARES[tissue]
    count = values.size
    cuts = np.unique(np.linspace(count * (1 - high), count * (1 - low), 60).astype(int).clip(1, count - 1))
    sums = np.cumsum(values)
    below, above = sums[cuts - 1] / cuts, (sums[-1] - sums[cuts - 1]) / (count - cuts)
    between = cuts * (count - cuts) * (above - below) ** 2
    cut = values[cuts[int(np.argmax(between))]]
    return np.asarray((even >= cut) & breast)


def _evened(grey: NDArray[np.float32], breast: NDArray[np.bool_], depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Grey with the breast's thinning towards the skin taken out: the 15th percentile of each depth stands for fat."""
    edges = np.linspace(0, 1, 13)
    place = np.digitize(depth, edges[1:-1])
    fat = np.full(12, np.nan)
    for k in range(12):
        here = grey[breast & (place == k)]
        if here.size > 60:
            fat[k] = np.percentile(here, 15)
    known = np.flatnonzero(~np.isnan(fat))
    fat = np.maximum.accumulate(np.interp(np.arange(12), known, fat[known]))
    plateau = float(np.median(fat[4:]))
    fat = np.minimum(fat, plateau)
    curve = np.interp(depth, (edges[:-1] + edges[1:]) / 2, fat)
    return np.asarray(grey + (plateau - curve), np.float32)


def fold_of() -> dict[int, int]:
    """Woman to fold, each class dealt out in turn in an order fixed by seed; a woman's class is her denser film's."""
    worst: dict[int, int] = {}
    for row in labels():
        woman = int(row["pair"])
        worst[woman] = max(worst.get(woman, 0), CLASSES.index(row["tissue"]))
    rng = np.random.default_rng(5)
    out: dict[int, int] = {}
    for tissue in range(3):
        group = sorted(w for w, t in worst.items() if t == tissue)
        for place, woman in enumerate(rng.permutation(group)):
            out[int(woman)] = (place + tissue) % FOLDS
    return out


def films() -> tuple[Film, ...]:
    """All films, from runs/films.npz where they are kept."""
    kept = RUNS / "films.npz"
    if not kept.exists():
        RUNS.mkdir(exist_ok=True)
        made = [film_of(row) for row in labels()]
        np.savez_compressed(
            kept,
            name=[f.name for f in made], woman=[f.woman for f in made], tissue=[f.tissue for f in made],
            grey=np.stack([np.rint(f.grey * 255).astype(np.uint8) for f in made]),
            masks=np.stack([np.stack([f.inside, f.muscle, f.dense]) for f in made]),
        )  # fmt: skip
    with np.load(kept) as z:
        parts = {key: z[key] for key in z.files}
    return tuple(
        Film(str(n), int(w), str(t), g.astype(np.float32) / 255, m[0], m[1], m[2])
        for n, w, t, g, m in zip(*(parts[k] for k in ("name", "woman", "tissue", "grey", "masks")), strict=True)
    )


if __name__ == "__main__":
    made = films()
    for tissue in CLASSES:
        shares = [f.dense.sum() / (f.inside & ~f.muscle).sum() for f in made if f.tissue == tissue]
        print(tissue, len(shares), "dense share: quartiles", np.round(np.percentile(shares, [25, 50, 75]), 3))
