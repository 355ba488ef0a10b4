"""Projection images of one exam, such as the four views of a mammography."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streams.contract import Needs
from streams.errors import QualityRejected
from streams.events.imaging import InstanceFacts, SeriesFacts, ViewFacts
from streams.events.reading import QualityNote
from streams.reading.slices import noted

LEAST_PIXELS = 64
"""Of a side: an icon is no view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One projection.

    Attributes:
        pixels: float32 [rows, columns] as stored, dense tissue high (MONOCHROME1 is turned round).
        position: View Position (0018,5101), such as CC or MLO.
        pixel_mm: row and column at the detector; None: not told.
    """

    pixels: NDArray[np.float32]
    laterality: Literal["L", "R", "B", ""]
    position: str
    pixel_mm: tuple[float, float] | None
    instance: str
    implant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """All views of an exam that are read, right before left, and what was seen and tolerated."""

    views: tuple[View, ...]
    quality: tuple[QualityNote, ...] = ()

    @property
    def instances(self) -> tuple[str, ...]:
        """SOP Instance UID of each view."""
        return tuple(view.instance for view in self.views)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """The instances of an exam that are to be decoded, in the order of the views, and what was left out."""

    instances: tuple[InstanceFacts, ...]
    quality: tuple[QualityNote, ...] = ()


def exam_of(series: Sequence[tuple[SeriesFacts, Sequence[InstanceFacts]]], needs: Needs) -> Exam:
    """The views among all instances that the model reads; others are left out and noted.

    Raises:
        QualityRejected: no view is left; the sentence says why.
    """
    notes: list[QualityNote] = []
    taken: list[InstanceFacts] = []
    left: list[str] = []
    for facts, instances in series:
        for instance in instances:
            why = _unfit(facts, instance, needs)
            if why is None:
                taken.append(instance)
            else:
                left.append(why)
    if not taken:
        raise QualityRejected(f"No image of the exam can be read: {left[0] if left else 'there is none'}.")
    if left:
        which = "; ".join(dict.fromkeys(left))
        notes.append(noted("left-out", f"{len(left)} of {len(left) + len(taken)} images are left out: {which}."))
    return Exam(instances=tuple(sorted(taken, key=_order)), quality=tuple(notes))


def views_of(exam: Exam, decoded: Sequence[NDArray[np.int16]]) -> Views:
    """The views of decoded images, int16 [rows, columns] each, in the exam's order."""
    views = []
    for instance, pixels in zip(exam.instances, decoded, strict=True):
        facts = instance.view
        assert facts is not None  # exam_of took none without
        shown = pixels.astype(np.float32)
        views.append(
            View(
                pixels=float(pixels.max()) + float(pixels.min()) - shown if facts.inverted else shown,
                laterality=facts.laterality,
                position=facts.position,
                pixel_mm=facts.pixel_mm,
                instance=instance.instance,
                implant=facts.implant,
            )
        )
    return Views(views=tuple(views), quality=exam.quality)


def _unfit(series: SeriesFacts, instance: InstanceFacts, needs: Needs) -> str | None:
    view: ViewFacts | None = instance.view
    if series.presentation == "FOR PROCESSING":
        return "made for processing, not for presentation"
    if instance.fault is not None:
        return instance.fault.rstrip(".")
    if instance.frames > 1:
        return f"holds {instance.frames} frames"
    if min(instance.rows, instance.columns) < LEAST_PIXELS:
        return "has no pixels to read"
    if view is None or not view.position:
        return "does not tell its view"
    if view.position not in needs.views:
        return f"is a view {view.position}; {' and '.join(needs.views)} are read"
    return None if view.laterality in ("L", "R") else "does not tell its side"


def _order(instance: InstanceFacts) -> tuple[str, str, int, str]:
    view = instance.view
    assert view is not None
    side = {"R": "0", "L": "1"}.get(view.laterality, "2")
    return (side, view.position, instance.number or 0, instance.instance)
