"""Retention: a study that was read and has all its outcomes leaves after the policy's days; what is open never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from streams.events.imaging import StudyIneligible, StudyRouted, TimerFired
from streams.events.telling import AlertClosed, AlertRaised, PlaceChanged
from streams.events.watching import StudyClosed, StudyLetGo
from streams.policy import RetentionPolicy
from streams.retention.state import Kept
from streams.stage import LAST, NOTHING, Outcome, Parts, Stage

NAME, KEPT, LEAVE = "retention", "kept", "leave"
ROUNDING = timedelta(milliseconds=1)
"""A store of timers may round the time at which one is due."""


def retention(policy: RetentionPolicy) -> Stage:
    """The stage; its state is one part, `kept`. It stands last in its row and hears what the others say.

    A study of which it heard no routing is none of its business, and stays: it knows too little of it.
    """
    handler = _Retention(policy)
    return Stage(
        name=NAME,
        hears=(StudyRouted, StudyIneligible, PlaceChanged, StudyClosed, AlertRaised, AlertClosed, TimerFired),
        says=(StudyLetGo,),
        kinds={KEPT: Kept},
        step=handler.step,
        needs=lambda _event: (KEPT,),
    )


class _Retention:
    def __init__(self, policy: RetentionPolicy) -> None:
        self._policy = policy

    def step(self, parts: Parts, event: object, now: datetime) -> Outcome:
        """See streams.stage.Stage.step."""
        before = parts.get(KEPT)
        kept = before if isinstance(before, Kept) else None
        if isinstance(event, TimerFired):
            return self._due(kept, event, now) if event.stage == NAME and event.name == LEAVE else NOTHING
        if isinstance(event, StudyRouted | StudyIneligible):
            after = _routed(kept, event.revision)
        elif kept is not None:
            after = _told(kept, event)
        else:
            return NOTHING
        after = replace(after, ended_at=(after.ended_at or now) if after.is_over else None)
        if after == kept:
            return NOTHING
        return Outcome(changes={KEPT: after}, timers=self._timers(kept, after))

    def _timers(self, before: Kept | None, after: Kept) -> dict[str, datetime | None]:
        """A study that comes back after it had left is forgotten no more."""
        timers: dict[str, datetime | None] = {LAST: None} if before is None else {}
        if after.ended_at != (before.ended_at if before else None):
            timers[LEAVE] = self._policy.leaves_at(after.ended_at) if after.ended_at else None
        return timers

    def _due(self, kept: Kept | None, event: TimerFired, now: datetime) -> Outcome:
        """Let it go, if it has been over long enough under the policy of now."""
        due = self._policy.leaves_at(kept.ended_at) if kept and kept.ended_at else None
        if kept is None or kept.ended_at is None or due is None:
            return NOTHING
        if now < due - ROUNDING:
            return Outcome(timers={LEAVE: due})
        gone = StudyLetGo(study=event.key, revision=kept.revision, ended_at=kept.ended_at)
        return Outcome(leaves=True, says=(gone,), timers={LAST: self._policy.forgotten_at(now)})


def _routed(kept: Kept | None, revision: int) -> Kept:
    """A revision has come; heard again, or an earlier one late, it opens nothing twice."""
    if kept is None:
        return Kept(revision=revision, open=(revision,))
    if revision <= kept.revision:
        return kept
    return replace(kept, revision=revision, open=(*kept.open, revision))


def _told(kept: Kept, event: object) -> Kept:
    match event:
        case PlaceChanged():
            return replace(kept, place=event.state)
        case StudyClosed():
            return replace(kept, open=tuple(r for r in kept.open if r != event.revision))
        case AlertRaised():
            return replace(kept, alerts=tuple(dict.fromkeys((*kept.alerts, event.alert))))
        case AlertClosed():
            return replace(kept, alerts=tuple(a for a in kept.alerts if a != event.alert))
        case _:
            return kept
