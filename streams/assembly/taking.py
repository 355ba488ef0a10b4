"""Instances taken into their series: new ones, repeats, and the same UID with other bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from streams.assembly.facts import merged_series
from streams.assembly.state import Acquisition, HeldInstance, SeriesSoFar
from streams.assembly.wholeness import comes_alone
from streams.events.imaging import InstanceConflicted, InstanceFacts, InstancesStored

ACQUISITIONS_MOST = 16
REFUSED_MOST = 4


@dataclass(slots=True)
class Taken:
    """What some stored instances change.

    Attributes:
        instances: UID to the instance's new state.
        brought: how many of them their association had not brought before.
        new: those that were not known.
    """

    instances: dict[str, HeldInstance] = field(default_factory=dict)
    conflicts: list[InstanceConflicted] = field(default_factory=list)
    new: list[InstanceFacts] = field(default_factory=list)
    brought: int = 0
    conflicted: bool = False


def take(event: InstancesStored, held: Mapping[str, HeldInstance]) -> Taken:
    """Hold each instance against what is known under its UID; the first bytes stay."""
    taken = Taken()
    for facts in event.instances:
        known = taken.instances.get(facts.instance) or held.get(facts.instance)
        if known is None:
            taken.new.append(facts)
            taken.brought += 1
            taken.instances[facts.instance] = HeldInstance(
                series=event.series.series, association=event.association, facts=facts
            )
            continue
        now_known = replace(known, association=event.association)
        taken.brought += known.association != event.association
        if facts.digest != known.facts.digest:
            taken.conflicted = True
            if facts.digest not in known.refused and len(known.refused) < REFUSED_MOST:
                now_known = replace(now_known, refused=(*known.refused, facts.digest))
                taken.conflicts.append(_conflict(event, known.facts, facts))
        if now_known != known:
            taken.instances[facts.instance] = now_known
    return taken


def _conflict(event: InstancesStored, kept: InstanceFacts, refused: InstanceFacts) -> InstanceConflicted:
    return InstanceConflicted(
        study=event.facts.study,
        series=event.series.series,
        instance=kept.instance,
        kept=kept.digest,
        refused=refused.digest,
    )


def grown(series: SeriesSoFar, event: InstancesStored, taken: Taken, now: datetime) -> SeriesSoFar:
    """The series with what was taken; new instances open it again if it was whole."""
    series = replace(
        series,
        facts=merged_series(series.facts, event.series),
        conflicted=series.conflicted or taken.conflicted,
    )
    if not taken.new:
        return series
    reopened = series.opened_at is None or series.whole_by is not None
    stored = event.stored_at
    acquisitions, uncounted = _counted(series, taken.new)
    return replace(
        series,
        held=series.held + len(taken.new),
        opened_at=now if reopened else min(series.opened_at or now, now),
        last_at=max(series.last_at or now, now),
        first_stored_at=min(series.first_stored_at or stored, stored),
        last_stored_at=max(series.last_stored_at or stored, stored),
        whole_by=None,
        grown=True,
        acquisitions=acquisitions,
        uncounted=uncounted,
        single=series.held == 0 and len(taken.new) == 1 and comes_alone(event.series, taken.new[0]),
    )


def _counted(series: SeriesSoFar, new: list[InstanceFacts]) -> tuple[dict[str, Acquisition], bool]:
    if series.uncounted:
        return {}, True
    counts = dict(series.acquisitions)
    for facts in new:
        if not facts.images_in_acquisition:
            return {}, True
        name = str(facts.acquisition)
        before = counts.get(name, Acquisition(announced=0, seen=0))
        counts[name] = Acquisition(announced=max(before.announced, facts.images_in_acquisition), seen=before.seen + 1)
    return ({}, True) if len(counts) > ACQUISITIONS_MOST else (counts, False)


def let_go(series: SeriesSoFar) -> SeriesSoFar:
    """What stays of a whole series when its instances are forgotten."""
    return SeriesSoFar(
        facts=series.facts,
        whole_by=series.whole_by,
        conflicted=series.conflicted,
        foreign=series.foreign,
        let_go=True,
        summary=series.summary,
    )
