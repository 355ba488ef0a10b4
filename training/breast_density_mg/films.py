"""The films of mini-MIAS in the frame, by woman, with guessed masks, kept in runs/."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from guess import guessed
from numpy.typing import NDArray
from PIL import Image

from streams.reading.breast.frames import Frame, frame_of
from streams.reading.breast.muscle import muscle_of
from streams.reading.breast.outline import breast_of

DATA = Path(os.environ.get("WETREAD_DATA", "../shared/data"))  # noqa: TID251  # a script, not the product
RUNS = Path(__file__).parent / "runs"
CLASSES = "FGD"
FOLDS = 4


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
