"""A revision of a study: all series that are whole, of which at least one is new or has grown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from streams.assembly.state import HeldInstance, SeriesSoFar, StudySoFar
from streams.assembly.summary import summarise
from streams.events.identifiers import digest_of
from streams.events.imaging import InstanceFacts, Priority, SeriesSummary, StudyAssembled
from streams.events.manifest import Manifest, encode_manifest

_LAST = 1 << 31
"""Series without a number stand behind all that have one: numbers are of 32 bits (PS3.5 6.2, IS)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What a revision changes; assembled is None where the whole series hold nothing new."""

    study: StudySoFar
    series: dict[str, SeriesSoFar]
    assembled: StudyAssembled | None
    manifests: tuple[bytes, ...]


def revise(
    study: StudySoFar, series: Mapping[str, SeriesSoFar], instances: Iterable[HeldInstance], priority: Priority
) -> Revision:
    """Summarise what is whole and has grown; a series that is open again stands as it stood before."""
    assert study.facts
    assert study.first_stored_at
    by_series: dict[str, list[InstanceFacts]] = defaultdict(list)
    for held in instances:
        by_series[held.series].append(held.facts)
    now: dict[str, SeriesSoFar] = {}
    manifests: dict[str, bytes] = {}
    for uid in study.series:
        if not (series[uid].whole_by and series[uid].grown and series[uid].held):
            continue
        content = encode_manifest(Manifest(study=study.facts.study, series=uid, instances=tuple(by_series[uid])))
        before = series[uid].summary
        if before is not None and before.manifest == digest_of(content):
            now[uid] = replace(series[uid], grown=False, let_go=False)
        else:
            summary = summarise(series[uid], by_series[uid], digest_of(content))
            now[uid] = replace(series[uid], grown=False, summary=summary)
            manifests[uid] = content
    if not manifests:
        return Revision(study=study, series=now, assembled=None, manifests=())
    summaries = [s.summary for uid in study.series if (s := now.get(uid, series[uid])).summary]
    assembled = StudyAssembled(
        facts=study.facts,
        revision=study.revision + 1,
        priority=priority,
        series=tuple(sorted((s for s in summaries if s), key=_order)),
        changed=tuple(sorted(manifests)),
        first_stored_at=study.first_stored_at,
        last_stored_at=max(s.last_stored_at for s in summaries if s),
    )
    return Revision(
        study=replace(study, revision=assembled.revision),
        series=now,
        assembled=assembled,
        manifests=tuple(manifests[uid] for uid in sorted(manifests)),
    )


def _order(summary: SeriesSummary) -> tuple[int, str]:
    number = summary.facts.number
    return (_LAST if number is None else number, summary.facts.series)
