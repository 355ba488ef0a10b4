"""Which instances of a series are slices of one stack, and how people call each of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from streams.errors import QualityRejected
from streams.events.imaging import InstanceFacts
from streams.events.reading import QualityNote

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""And its multi-frame kin, which begin so."""
MULTIFRAME = {
    "1.2.840.10008.5.1.4.1.1.2.1": "Enhanced CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "Legacy Converted Enhanced CT",
    "1.2.840.10008.5.1.4.1.1.4.1": "Enhanced MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "Legacy Converted Enhanced MR",
}


def noted(code: str, sentence: str) -> QualityNote:
    """A fault that was seen and tolerated."""
    return QualityNote(code=code, sentence=sentence)


class Names:
    """How slices are called in a sentence: by Instance Number (0020,0013) where that tells them apart."""

    def __init__(self, instances: Sequence[InstanceFacts]) -> None:
        numbers = [facts.number for facts in instances]
        told = None not in numbers and len(set(numbers)) == len(numbers)
        self._by_uid = {
            facts.instance: str(facts.number) if told else str(index) for index, facts in enumerate(instances, start=1)
        }

    def of(self, facts: InstanceFacts) -> str:
        """The slice's number, as text."""
        return self._by_uid[facts.instance]

    def pair(self, one: InstanceFacts, other: InstanceFacts) -> str:
        """Two slices, the lower number first."""
        return " and ".join(sorted((self.of(one), self.of(other)), key=int))


def readable_slices(instances: Sequence[InstanceFacts]) -> tuple[list[InstanceFacts], list[QualityNote]]:
    """The slices among the instances; scouts and screenshots beside them are left out and noted.

    Raises:
        QualityRejected: nothing is left, or a slice's header has a fault.
    """
    if not instances:
        raise QualityRejected("The series holds no images.")
    slices = [f for f in instances if not f.localizer and not f.sop_class.startswith(SECONDARY_CAPTURE)]
    notes: list[QualityNote] = []
    if not slices:
        what = "localizers (scout images)" if instances[0].localizer else "screenshots (secondary captures)"
        raise QualityRejected(f"The series holds only {what}; there are no slices to read.")
    if len(slices) < len(instances):
        left = len(instances) - len(slices)
        notes.append(noted("left-out", f"{left} of {len(instances)} images are scouts or screenshots."))
    _single_frames(slices)
    _sound_headers(slices)
    return slices, notes


def _single_frames(slices: Sequence[InstanceFacts]) -> None:
    for facts in slices:
        if facts.sop_class in MULTIFRAME:
            kind = MULTIFRAME[facts.sop_class]
            raise QualityRejected(f"The series is {kind} (multi-frame), which is not read yet.")
        if facts.frames > 1:
            raise QualityRejected(f"An image holds {facts.frames} frames; such images are not read yet.")


def _sound_headers(slices: Sequence[InstanceFacts]) -> None:
    names = Names(slices)
    for facts in slices:
        which = f"Slice {names.of(facts)}"
        if facts.fault is not None:
            raise QualityRejected(f"{which} cannot be used: {facts.fault.rstrip('.')}.")
        if facts.rows < 1 or facts.columns < 1:
            raise QualityRejected(f"{which} has no pixels.")
        if facts.position_mm is None:
            raise QualityRejected(f"{which} has no Image Position (Patient): where it lies is not known.")
        if facts.orientation is None:
            raise QualityRejected(f"{which} has no Image Orientation (Patient): how it lies is not known.")
        if not all(map(isfinite, facts.position_mm)):
            raise QualityRejected(f"{which} has a position that is not a number.")
    sizes = sorted({(facts.rows, facts.columns) for facts in slices})
    if len(sizes) > 1:
        told = " and ".join(f"{rows} x {columns}" for rows, columns in sizes[:2])
        raise QualityRejected(f"The slices differ in size ({told} pixels).")
