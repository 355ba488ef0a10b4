"""Whether a model can read a series, by the model's contract; the reason is a sentence for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from streams.contract import Needs
from streams.events.imaging import SeriesSummary, StudyAssembled
from streams.routing.body_part import Rules, shows


class Got(IntEnum):
    """How far a series came before it was declined."""

    MODALITY, BODY_PART, IMAGES = range(3)


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a series cannot be read.

    Attributes:
        got: what was looked at when it was declined.
        seen: what it is, in words.
        wanted: the modalities, or the part of the body, that are read instead; empty: `seen` says it all.
    """

    got: Got
    seen: str
    wanted: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        """The sentence for one model alone."""
        if not self.wanted:
            return self.seen
        if self.got == Got.MODALITY:
            return f"{self.seen}; {' or '.join(self.wanted)} is read"
        return f"{self.seen}, not {' or '.join(self.wanted)}"


def unfit(series: SeriesSummary, needs: Needs, study: StudyAssembled, rules: Rules) -> Unfit | None:
    """The first reason why the series cannot be read; None: it can."""
    facts = series.facts
    if facts.modality not in needs.modality:
        return Unfit(Got.MODALITY, f"is {facts.modality or 'of no modality'}", needs.modality)
    return next((why for why in _reasons(series, needs, study, rules) if why), None)


def _reasons(series: SeriesSummary, needs: Needs, study: StudyAssembled, rules: Rules) -> Iterator[Unfit | None]:
    yield from map(_images, _kinds(series, needs))
    if needs.views:
        yield from map(_images, _projections(series, needs))
        return
    others = [s.facts for s in study.series if s.facts.series != series.facts.series and not s.localizer]
    part = needs.body_part
    shown = shows(part, series.facts, study.facts.description, others, rules)
    if shown:
        seen, other, _ = shown.partition(f", not {part}")
        yield Unfit(Got.BODY_PART, seen, (part,) if other else ())
    yield _images(_contrast(needs, contrast=series.facts.contrast))
    yield from map(_images, _geometry(series, needs))


def _images(why: str | None) -> Unfit | None:
    return Unfit(Got.IMAGES, why) if why else None


def _kinds(series: SeriesSummary, needs: Needs) -> Iterator[str | None]:
    yield "scout (localizer)" if series.localizer else None
    yield None if series.pixels else "holds no images"
    yield "multi-frame images are not read" if series.multiframe else None
    yield "screenshots or reformats (derived)" if series.derived and not needs.views else None


def _projections(series: SeriesSummary, needs: Needs) -> Iterator[str | None]:
    """Views of an exam: what they show is told by modality and view, for mammographs fill in little else."""
    if series.facts.presentation == "FOR PROCESSING":
        yield "images for processing; those for presentation are read"
    if not set(series.views) & set(needs.views):
        shown = f"views {', '.join(series.views)}" if series.views else "its images do not tell their view"
        yield f"{shown}; {' and '.join(needs.views)} are read"


def _contrast(needs: Needs, *, contrast: bool) -> str | None:
    if needs.contrast == "none" and contrast:
        return "with contrast agent; unenhanced series are read"
    if needs.contrast == "required" and not contrast:
        return "without contrast agent; enhanced series are read"
    return None


def _geometry(series: SeriesSummary, needs: Needs) -> Iterator[str | None]:
    if series.orientation == "none":
        yield "its images do not tell where they lie in the patient"
    if needs.orientation == "axial" and series.orientation != "axial":
        yield f"{series.orientation} slices; axial ones are read"
    if series.count < needs.slices_min:
        images = "image" if series.count == 1 else "images"
        yield f"{series.count} {images} of the {needs.slices_min} needed"
    if series.coverage_mm < needs.coverage_mm:
        yield f"covers {series.coverage_mm:.0f} mm of the {needs.coverage_mm:.0f} mm needed"
    low, high = needs.thickness_mm
    thick = series.thickness_mm if series.thickness_mm is not None else series.spacing_mm
    if thick is None:
        yield "does not tell how thick its slices are"
    elif not low <= thick <= high:
        yield f"slices of {thick:g} mm; {low:g} to {high:g} mm are read"
