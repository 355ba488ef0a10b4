"""Trials of the shipped model on real heads in HU: empty, with inserted bleeds, and disturbed in one way each.

`robustness(read)` gives rows of a table; `volumes(read)` decides whether a volume may be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from heads import RealHead, ge_head, of_thickness, real_heads, sharpened, softened, thin_head
from insertions import FORMS, Inserted, inserted, skull_of
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scores import Read

from streams.reading.tensors import HeadSlabs

Mask = NDArray[np.float32]
Change = Callable[[RealHead], RealHead]
VOLUMES_ML = (1.0, 5.0, 10.0, 25.0)
SEED = 4100


def _same(head: RealHead) -> RealHead:
    return head


def _noisy(deviation: float) -> Change:
    def change(head: RealHead) -> RealHead:
        grain = np.random.default_rng(1).standard_normal(head.hu.shape).astype(np.float32)
        return replace(head, hu=head.hu + deviation * grain)

    return change


def _shifted(hu: float) -> Change:
    return lambda head: replace(head, hu=head.hu + hu)


def _tilted(degrees: float) -> Change:
    """The head nods: rotated about the axis from ear to ear."""

    def change(head: RealHead) -> RealHead:
        steps = (float(np.median(np.diff(head.places))), head.spacing[1])
        angle = np.radians(degrees)
        turn = np.asarray([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        scale = np.asarray(steps)
        matrix = turn * scale[None] / scale[:, None]
        middle = (np.asarray(head.hu.shape[:2]) - 1) / 2
        whole = np.eye(3)
        whole[:2, :2] = matrix
        offset = np.concatenate([middle - matrix @ middle, [0.0]])
        return replace(head, hu=ndimage.affine_transform(head.hu, whole, offset, order=1, cval=-1000.0))

    return change


def _cropped(share: float) -> Change:
    """The lowest part of the stack is missing."""

    def change(head: RealHead) -> RealHead:
        first = int(len(head.hu) * share)
        return replace(head, hu=head.hu[first:], places=head.places[first:])

    return change


def _compressed(quality: int) -> Change:
    """JPEG of the window -100..200 HU, as an archive that keeps pictures would leave it."""

    def change(head: RealHead) -> RealHead:
        out = []
        for plane in head.hu:
            grey = Image.fromarray(np.clip((plane + 100) * (255 / 300), 0, 255).astype(np.uint8))
            kept = BytesIO()
            grey.save(kept, "JPEG", quality=quality)
            back = np.asarray(Image.open(kept), np.float32) * (300 / 255) - 100
            out.append(np.where((plane > 190) | (plane < -90), plane, back))
        return replace(head, hu=np.stack(out))

    return change


CHANGES: dict[str, Change] = {
    "as it is": _same,
    "noise of 5 HU more": _noisy(5), "noise of 10 HU more": _noisy(10),
    "softer kernel (0.7 mm)": softened(0.7), "sharper kernel": sharpened(1.0),
    "5 mm slices": lambda head: of_thickness(head, 5.0), "2.5 mm slices": lambda head: of_thickness(head, 2.5),
    "nodding by 10 degrees": _tilted(10), "nodding by -10 degrees": _tilted(-10),
    "left and right exchanged": lambda head: replace(head, hu=np.ascontiguousarray(head.hu[:, :, ::-1])),
    "5 HU brighter": _shifted(5), "5 HU darker": _shifted(-5),
    "lowest sixth of the slices missing": _cropped(1 / 6), "JPEG of quality 75": _compressed(75),
}  # fmt: skip
"""One disturbance each, by name: a function from a head to a head."""


@dataclass(frozen=True, slots=True)
class Row:
    """A disturbed head's study score (log-odds before calibration), and the ml that the mask holds; None: refused."""

    case: str
    change: str
    bleed_ml: float
    score: float | None
    mask_ml: float | None


def robustness(read: Read) -> Iterator[Row]:
    """Two real heads, each empty and with a bleed of 12 ml, disturbed in each way."""
    for head in (ge_head(), thin_head()):
        made = inserted(head, skull_of(head), "parenchymal", 12.0, SEED)
        for bleed_ml, one in ((0.0, head), (12.0, made.head)):
            for name, change in CHANGES.items():
                try:
                    slabs = change(one).slabs()
                except ValueError:
                    yield Row(head.name, name, bleed_ml, None, None)
                    continue
                _, mask, study = read(slabs.tensor)
                yield Row(head.name, name, bleed_ml, study, slabs.volume_ml(mask))


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


def volumes(read: Read) -> Iterator[VolumeRow]:
    """Bleeds of known volume in real heads, in all ways; the GE head, of thick slices, has no thin way."""
    for head in real_heads():
        skull, empty = skull_of(head), {}
        for place, ml in enumerate(VOLUMES_ML):
            for k, form in enumerate(FORMS):
                way = list(WAYS)[(place + k) % len(WAYS)]
                if way == "0.6 mm" and head.name == "GE head":
                    way = "5 mm"
                if way not in empty:
                    slabs = WAYS[way](head).slabs()
                    empty[way] = slabs, read(slabs.tensor)[1]
                made = inserted(head, skull, form, ml, SEED + 10 * place + k)
                yield _volume_row(read, made, way, empty[way])


def _volume_row(read: Read, made: Inserted, way: str, empty: tuple[HeadSlabs, Mask]) -> VolumeRow:
    before, empty_mask = empty
    slabs = WAYS[way](made.head).slabs()
    other = (slabs.tensor != before.tensor).any((1, 2, 3))
    first, last = np.flatnonzero(other)[[0, -1]]
    near = slice(max(0, first - 2), last + 3)
    slices, part, _ = read(slabs.tensor[near])
    mask = empty_mask.copy()
    mask[near] = part
    truth = WAYS[way](replace(made.head, hu=made.mask.astype(np.float32))).hu >= 0.5
    found = slabs.mask_to_source(mask)
    overlap = 2 * (truth & found).sum() / max(1, truth.sum() + found.sum())
    return VolumeRow(
        made.head.name, made.form, way, made.ml, slabs.volume_ml(mask), before.volume_ml(empty_mask),
        float(slices.max()), float(overlap),
    )  # fmt: skip
