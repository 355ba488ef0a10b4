"""Bleeds of known volume in real heads in HU, thin and thick, soft and sharp: may a volume be told?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from heads import RealHead, of_thickness, real_heads, sharpened, softened
from insertions import FORMS, Inserted, inserted, skull_of
from keeping import kept
from numpy.typing import NDArray
from scores import Read

from streams.reading.tensors import HeadSlabs

Mask = NDArray[np.float32]
Change = Callable[[RealHead], RealHead]
VOLUMES_ML = (1.0, 5.0, 10.0, 25.0)
SEED = 4100


@dataclass(frozen=True, slots=True)
class VolumeRow:
    """An inserted bleed: true ml, ml marked in the head with it, ml marked in the empty head, overlap of the masks.

    Of the head with it only the slabs are read that the bleed changes; elsewhere the empty head's mask stands.
    """

    case: str
    form: str
    way: str
    true_ml: float
    with_ml: float
    empty_ml: float
    slice_logit: float
    dice: float


WAYS: dict[str, Change] = {
    "5 mm": lambda head: head if head.name == "GE head" else of_thickness(head, 5.0),
    "0.6 mm": lambda head: head if head.name == "GE head" else of_thickness(head, 0.6),
    "5 mm, soft kernel": lambda head: softened(0.7)(WAYS["5 mm"](head)),
    "5 mm, sharp kernel": lambda head: sharpened(0.8)(WAYS["5 mm"](head)),
}


@dataclass(frozen=True, slots=True)
class VolumeCase:
    """An inserted bleed as slabs: only those near it, of which the rest are as in the empty head."""

    case: str
    form: str
    way: str
    true_ml: float
    near: slice
    slabs: HeadSlabs
    truth: NDArray[np.bool_]


def volume_cases() -> tuple[dict[tuple[str, str], HeadSlabs], list[VolumeCase]]:
    """The empty heads by name and way, and the heads with bleeds; the GE head, of thick slices, has no thin way."""
    empty: dict[tuple[str, str], HeadSlabs] = {}
    cases = []
    for head in real_heads():
        skull = skull_of(head)
        for place, ml in enumerate(VOLUMES_ML):
            for k, form in enumerate(FORMS):
                way = list(WAYS)[(place + k) % len(WAYS)]
                if way == "0.6 mm" and head.name == "GE head":
                    way = "5 mm"
                if (head.name, way) not in empty:
                    empty[head.name, way] = WAYS[way](head).slabs()
                made = inserted(head, skull, form, ml, SEED + 10 * place + k)
                cases.append(_volume_case(head.name, made, way, empty[head.name, way]))
    return empty, cases


def _volume_case(name: str, made: Inserted, way: str, before: HeadSlabs) -> VolumeCase:
    slabs = WAYS[way](made.head).slabs()
    other = np.flatnonzero((slabs.tensor != before.tensor).any((1, 2, 3)))
    near = slice(max(0, int(other[0]) - 2), int(other[-1]) + 3)
    truth = WAYS[way](replace(made.head, hu=made.mask.astype(np.float32))).hu >= 0.5
    return VolumeCase(name, made.form, way, made.ml, near, replace(slabs, tensor=slabs.tensor[near].copy()), truth)


def volumes(read: Read) -> Iterator[VolumeRow]:
    """Bleeds of known volume in real heads, in all ways."""
    empty, cases = kept("volumes", volume_cases)
    before = {key: read(slabs.tensor)[1] for key, slabs in empty.items()}
    for one in cases:
        slices, part, _ = read(one.slabs.tensor)
        bare = before[one.case, one.way]
        mask = bare.copy()
        mask[one.near] = part
        found = one.slabs.mask_to_source(mask)
        overlap = 2 * (one.truth & found).sum() / max(1, one.truth.sum() + found.sum())
        yield VolumeRow(
            one.case, one.form, one.way, one.true_ml, one.slabs.volume_ml(mask), one.slabs.volume_ml(bare),
            float(slices.max()), float(overlap),
        )  # fmt: skip
