"""The growth of one study's lesions against the earlier studies that it is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from streams.events.identifiers import named_id
from streams.events.measuring import Change, GrowthMeasured, LesionGrowth, LesionUnseen, SizeClass
from streams.events.reading import Lesion
from streams.growth.change import Seen, change
from streams.growth.classes import State, classes, lung_rads_growth
from streams.growth.kinds import kind_of
from streams.growth.matching import Pair, match
from streams.growth.repeatability import BASIS
from streams.growth.state import Look

NEAREST_MOST = 3
"""A lesion is looked for in so many of the nearest earlier studies, and in the first of all."""
Tracks = Mapping[str, Mapping[str, str]]
"""Study to label to track."""


@dataclass(frozen=True, slots=True)
class _Prior:
    """An earlier study, and which of its lesions is which: position in the later study to the pair."""

    look: Look
    day: date
    pairs: Mapping[int, Pair]

    def lesion(self, position: int) -> Lesion:
        return self.look.lesions[self.pairs[position].earlier]


def growth(look: Look, others: Sequence[Look], tracks: Tracks, patient: str) -> GrowthMeasured:
    """What can be said of a study, still without name and edition; of the same looks it is always the same.

    Args:
        look: the study, as a model saw it.
        others: the patient's other studies as the same model saw them, in any order.
        tracks: of the earlier ones among them.
        patient: the pseudonym.
    """
    priors = [_prior(look, prior, day) for prior, day in _earlier(look, others)]
    followed = [
        _lesion(look, n, [p for p in priors if n in p.pairs], "new" if priors else "baseline")
        for n in range(len(look.lesions))
    ]
    return GrowthMeasured(
        measurement="",
        edition=0,
        supersedes=None,
        patient=patient,
        study=look.study,
        revision=look.revision,
        model=look.model,
        model_version=look.model_version,
        role=look.role,
        finding=look.finding,
        examined_on=look.examined_on,
        compared=tuple(prior.look.study for prior in priors),
        lesions=tuple(replace(one, track=_track(look, one, tracks, patient)) for one in followed),
        unseen=_unseen(priors[0]) if priors else (),
        notes=(*_notes(look, priors), *_basis(look, followed)),
    )


def _earlier(look: Look, others: Sequence[Look]) -> list[tuple[Look, date]]:
    """Studies of earlier days: the nearest ones, the nearest first, and the first of all."""
    if look.examined_on is None:
        return []
    dated = [(o, o.examined_on) for o in others if o.examined_on is not None and o.examined_on < look.examined_on]
    dated.sort(key=lambda prior: (prior[1], prior[0].study), reverse=True)
    return dated if len(dated) <= NEAREST_MOST else [*dated[:NEAREST_MOST], dated[-1]]


def _prior(look: Look, prior: Look, day: date) -> _Prior:
    pairs = match(prior.lesions, look.lesions, kind_of(look.finding).organ_mm)
    return _Prior(prior, day, {pair.later: pair for pair in pairs})


def _lesion(look: Look, position: int, showing: Sequence[_Prior], otherwise: State) -> LesionGrowth:
    """The lesion against the studies that show it, the nearest first; its track is still to be given."""
    lesion = look.lesions[position]
    # against the nearest for what is new, against the first for what time makes sure; one where they are the same
    ends = (*showing[:1], *showing[1:][-1:])
    state: State = "followed" if showing else otherwise
    return LesionGrowth(
        label=lesion.label,
        track="",
        state=state,
        side=lesion.side,
        texture=lesion.texture,
        volume_mm3=lesion.volume_mm3,
        diameter_mm=lesion.diameter_mm,
        perpendicular_mm=lesion.perpendicular_mm,
        changes=tuple(_change(look, position, prior) for prior in ends),
        classes=_classes(look, position, ends, state),
    )


def _change(look: Look, position: int, prior: _Prior) -> Change:
    assert look.examined_on is not None
    return change(
        _seen(prior.look, prior.day, prior.lesion(position)),
        _seen(look, look.examined_on, look.lesions[position]),
        kind_of(look.finding),
        sure=prior.pairs[position].sure,
    )


def _seen(look: Look, day: date, lesion: Lesion) -> Seen:
    return Seen(
        study=look.study, examined_on=day, model_version=look.model_version, slice_mm=look.slice_mm, lesion=lesion
    )


def _classes(look: Look, position: int, priors: Sequence[_Prior], state: State) -> tuple[SizeClass, ...]:
    """Bands are for the nodules that they were made for."""
    if not kind_of(look.finding).nodule:
        return ()
    lesion, day = look.lesions[position], look.examined_on
    grown = (
        lung_rads_growth(prior.lesion(position), lesion, (day - prior.day).days)
        for prior in priors
        if day is not None and prior.pairs[position].sure
    )
    return (*classes(lesion, state), *filter(None, grown))


def _track(look: Look, lesion: LesionGrowth, tracks: Tracks, patient: str) -> str:
    """The track of the same lesion in the nearest study that shows it; else its own begins."""
    if lesion.changes:
        nearest = lesion.changes[0]
        known = tracks.get(nearest.study, {}).get(nearest.label)
        return known or named_id("track", patient, look.model, nearest.study, nearest.label)
    return named_id("track", patient, look.model, look.study, lesion.label)


def _unseen(prior: _Prior) -> tuple[LesionUnseen, ...]:
    """Lesions of the nearest earlier study that have no match now."""
    followed = {pair.earlier for pair in prior.pairs.values()}
    return tuple(
        LesionUnseen(
            study=prior.look.study,
            label=lesion.label,
            examined_on=prior.day,
            side=lesion.side,
            volume_mm3=lesion.volume_mm3,
            diameter_mm=lesion.diameter_mm,
        )
        for n, lesion in enumerate(prior.look.lesions)
        if n not in followed
    )


def _notes(look: Look, priors: Sequence[_Prior]) -> tuple[str, ...]:
    """What a reader must know beside the figures."""
    word = kind_of(look.finding).word
    undated = ("its images carry no date: it is compared with no other study",) if look.examined_on is None else ()
    many = (f"{look.left_out} further {word}s, less likely ones, are not followed",) if look.left_out else ()
    now = (f"read in spite of: {fault}" for fault in look.faults)
    then = (f"the study of {prior.day} was read in spite of: {f}" for prior in priors for f in prior.look.faults)
    return (*undated, *many, *now, *then)


def _basis(look: Look, lesions: Sequence[LesionGrowth]) -> tuple[str, ...]:
    """On what the intervals rest, where there is one."""
    told = any(found.percent is not None for lesion in lesions for found in lesion.changes)
    return (BASIS,) if told and kind_of(look.finding).nodule else ()
