"""Whether a model can read a series, by the model's contract; the reason is a sentence for people."""

from __future__ import annotations

from collections.abc import Iterator

from streams.contract import Needs
from streams.events.imaging import SeriesSummary, StudyAssembled
from streams.routing.body_part import Rules, shows


def unfit(series: SeriesSummary, needs: Needs, study: StudyAssembled, rules: Rules) -> str | None:
    """The first reason why the series cannot be read; None: it can."""
    return next((why for why in _reasons(series, needs, study, rules) if why), None)


def _reasons(series: SeriesSummary, needs: Needs, study: StudyAssembled, rules: Rules) -> Iterator[str | None]:
    facts = series.facts
    if facts.modality not in needs.modality:
        yield f"is {facts.modality or 'of no modality'}; {' or '.join(needs.modality)} is read"
    yield "scout (localizer)" if series.localizer else None
    yield None if series.pixels else "holds no images"
    yield "multi-frame images are not read" if series.multiframe else None
    if needs.views:
        yield from _projections(series, needs)
        return
    yield "screenshots or reformats (derived)" if series.derived else None
    others = [s.facts for s in study.series if s.facts.series != facts.series and not s.localizer]
    yield shows(needs.body_part, facts, study.facts.description, others, rules)
    yield _contrast(needs, contrast=facts.contrast)
    yield from _geometry(series, needs)


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
