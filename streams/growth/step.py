"""Growth: each study's lesions held against the patient's earlier ones; a prior that arrives late measures anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import TypeVar

from streams.events.codec import encode_part
from streams.events.identifiers import digest_of, named_id
from streams.events.measuring import GrowthMeasured, LesionsMeasured
from streams.growth.measuring import growth
from streams.growth.state import Look, Told
from streams.stage import NOTHING, Outcome, Parts, Stage, all_parts

LOOK, TOLD = "look", "told"
LESIONS_MOST = 24
"""Of one study, the most likely; more are no list of lesions to follow."""
OLDEST_KEPT, NEWEST_KEPT, UNDATED_KEPT = 4, 12, 4
"""Studies kept of a patient and model: a step's work does not grow with the years. Which ones are kept does not depend
on the order in which they came."""
Part = TypeVar("Part")


def growing() -> Stage:
    """The stage, keyed by patient; it hears what delivery says of each study's lesions."""
    return Stage(
        name="growth",
        hears=(LesionsMeasured,),
        says=(GrowthMeasured,),
        kinds={LOOK: Look, TOLD: Told},
        step=step,
        needs=all_parts,
    )


def step(parts: Parts, event: object, _now: datetime) -> Outcome:
    """See streams.stage.Stage.step. A study's revision that is heard again, or late, changes nothing."""
    assert isinstance(event, LesionsMeasured)
    looks = _of_model(parts, LOOK, event.model, Look)
    told = _of_model(parts, TOLD, event.model, Told)
    before = looks.get(event.study)
    if before is not None and before.revision >= event.revision:
        return NOTHING
    look = _look(event)
    looks[event.study] = look
    changes: dict[str, object] = {_name(LOOK, look): look}
    said: list[GrowthMeasured] = []
    for later in _affected(looks.values(), look, before):
        made = growth(later, [o for o in looks.values() if o.study != later.study], _tracks(told), event.patient)
        stands, anew = _told(made, told.get(later.study))
        if stands != told.get(later.study):
            told[later.study] = stands
            changes[_name(TOLD, later)] = stands
        if anew:
            said.append(anew)
    for gone in _beyond(looks.values()):
        changes |= {_name(LOOK, gone): None, _name(TOLD, gone): None}
    return Outcome(changes=changes, says=tuple(said))


def _look(event: LesionsMeasured) -> Look:
    likely = sorted(event.lesions, key=lambda lesion: (-lesion.score, lesion.label))[:LESIONS_MOST]
    return Look(
        study=event.study,
        revision=event.revision,
        model=event.model,
        model_version=event.model_version,
        role=event.role,
        finding=event.finding,
        examined_on=event.examined_on,
        slice_mm=event.slice_mm,
        lesions=tuple(likely),
        left_out=len(event.lesions) - len(likely),
        faults=tuple(note.sentence for note in event.quality),
    )


def _of_model(parts: Parts, kind: str, model: str, of: type[Part]) -> dict[str, Part]:
    """Parts of one kind and model, by study."""
    prefix = f"{kind}:{model}/"
    return {n[len(prefix) :]: p for n, p in sorted(parts.items()) if n.startswith(prefix) and isinstance(p, of)}


def _name(kind: str, look: Look) -> str:
    return f"{kind}:{look.model}/{look.study}"


def _affected(looks: Iterable[Look], heard: Look, before: Look | None) -> list[Look]:
    """The study itself, and those of later days than it was or is thought to be of, in the order of time."""
    days = [one.examined_on for one in (heard, before) if one is not None and one.examined_on is not None]
    later = [
        (one.examined_on or date.min, one.study, one)
        for one in looks
        if one.study == heard.study or (days and one.examined_on is not None and one.examined_on > min(days))
    ]
    return [one for _day, _study, one in sorted(later, key=lambda found: found[:2])]


def _beyond(looks: Iterable[Look]) -> list[Look]:
    """Studies that are kept no longer: neither of the oldest nor of the newest."""
    ordered = sorted(looks, key=lambda one: (one.examined_on or date.min, one.study))
    dated = [one for one in ordered if one.examined_on is not None]
    undated = [one for one in ordered if one.examined_on is None]
    return [*dated[OLDEST_KEPT:-NEWEST_KEPT], *undated[:-UNDATED_KEPT]]


def _tracks(told: Mapping[str, Told]) -> dict[str, dict[str, str]]:
    return {study: one.tracks for study, one in told.items()}


def _told(made: GrowthMeasured, before: Told | None) -> tuple[Told, GrowthMeasured | None]:
    """What stands now, and the event that says so: none where it says nothing new, or nothing at all."""
    content = digest_of(encode_part(made))
    tracks = {lesion.label: lesion.track for lesion in made.lesions}
    if before is not None and before.content == content:
        return before, None
    edition = (before.edition if before else 0) + 1
    if edition == 1 and not made.lesions and not made.unseen:
        return Told(measurement="", edition=0, content=content, tracks=tracks), None
    measurement = named_id("growth", made.patient, made.model, made.study, str(edition))
    supersedes = before.measurement if before and before.edition else None
    stands = Told(measurement=measurement, edition=edition, content=content, tracks=tracks)
    return stands, replace(made, measurement=measurement, edition=edition, supersedes=supersedes)
