"""When a series is whole: an association told, a count was reached, or it has been quiet."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from streams.assembly.state import Brought, Owed, SeriesSoFar
from streams.events.imaging import InstanceFacts, SeriesClosed, SeriesFacts, WholeBy
from streams.policy import AssemblyPolicy

STACKED = frozenset({"CT", "MR", "PT", "NM"})
"""Modalities whose series are stacks of images, one instance each."""
TELLING_COUNT = 20
"""From so many announced images a count tells. Scanners that step and shoot number each turn of the tube as an
acquisition of its own (a real GE head: 1 or 2 images in each of 21), so a small count says that a turn is over."""
UNDERWAY_MOST = 8
ROUNDING = timedelta(milliseconds=1)
"""A store of timers may round the time at which one is due."""


def comes_alone(series: SeriesFacts, instance: InstanceFacts) -> bool:
    """Whether a series of this one instance is normal: a localizer, a report, a projection, a multi-frame image."""
    return (
        series.modality not in STACKED
        or instance.localizer
        or instance.frames > 1
        or instance.rows == 0
        or instance.position_mm is None
    )


def brought(
    series: SeriesSoFar, association: str, count: int, now: datetime, quiet_since: datetime
) -> tuple[SeriesSoFar, WholeBy | None]:
    """The series after an association brought `count` more of it, and what this tells of its being whole.

    The last of the images that a closed association owed tells it as its end would have (see `closed`).
    """
    if association in series.owed:
        return _paid(series, association, count, quiet_since)
    before = series.underway.get(association, Brought(count=0, last_at=now))
    underway = series.underway | {
        association: Brought(count=before.count + count, last_at=max(before.last_at, now)),
    }
    if len(underway) > UNDERWAY_MOST:
        del underway[min(underway, key=lambda name: (underway[name].last_at, name))]
    return replace(series, underway=underway), None


def _paid(
    series: SeriesSoFar, association: str, count: int, quiet_since: datetime
) -> tuple[SeriesSoFar, WholeBy | None]:
    owed = series.owed[association]
    others = {name: debt for name, debt in series.owed.items() if name != association}
    if owed.missing > count:
        return replace(series, owed=others | {association: replace(owed, missing=owed.missing - count)}), None
    paid = replace(series, owed=others)
    return paid, owed.how if _is_told(paid, owed.count, owed.how, quiet_since) else None


def closed(
    series: SeriesSoFar, event: SeriesClosed, count: int, quiet_since: datetime
) -> tuple[SeriesSoFar, WholeBy | None]:
    """The series after an association ended that brought `count` of it, and what this tells.

    An association that was aborted tells nothing. Nor does one while another is bringing images of the same
    series, unless that one has been silent since quiet_since.
    """
    before = series.underway.get(event.association)
    underway = {name: b for name, b in series.underway.items() if name != event.association}
    ended = replace(series, underway=underway)
    if event.how == "association-aborted":
        return ended, None
    missing = count - (before.count if before else 0)
    if missing > 0:
        owed = Owed(count=count, missing=missing, how=event.how)
        debts = sorted((ended.owed | {event.association: owed}).items())[-UNDERWAY_MOST:]
        return replace(ended, owed=dict(debts)), None
    return ended, event.how if _is_told(ended, count, event.how, quiet_since) else None


def _is_told(series: SeriesSoFar, count: int, how: WholeBy, quiet_since: datetime) -> bool:
    busy = any(b.last_at > quiet_since for b in series.underway.values())
    return not busy and _tells(series, count, how)


def _tells(series: SeriesSoFar, count: int, how: WholeBy) -> bool:
    """An association with a single instance tells nothing of a stack: some scanners open one for each image."""
    return how == "folder-complete" or count > 1 or (series.held == 1 and series.single)


def count_reached(series: SeriesSoFar) -> bool:
    """Whether exactly the announced number of images of each acquisition is here (PS3.3 C.7.6.1)."""
    counts = series.acquisitions.values()
    announced = sum(a.announced for a in counts)
    exact = all(a.seen == a.announced for a in counts)
    return exact and announced >= TELLING_COUNT


def quiet_due(series: SeriesSoFar, policy: AssemblyPolicy) -> datetime | None:
    """When the series is whole if nothing more comes; None: nothing has come."""
    if series.last_at is None or series.opened_at is None:
        return None
    quiet = series.last_at + timedelta(seconds=policy.quiet_s)
    return min(quiet, series.opened_at + timedelta(seconds=policy.longest_s))


def is_quiet(series: SeriesSoFar, policy: AssemblyPolicy, now: datetime) -> bool:
    """Whether its quiet time has passed; a timer that images have overtaken is early."""
    due = quiet_due(series, policy)
    return due is not None and now >= due - ROUNDING
