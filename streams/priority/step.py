"""Priority: by when each study is to be read, and why; nothing lengthens a wait beyond its class."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from streams.events.imaging import PriorityChanged, StudyIneligible, StudyRouted, TimerFired
from streams.events.reading import FindingMade, ReadingFailed
from streams.events.telling import PlaceChanged
from streams.events.watching import PriorityOverridden, ReportSigned, StudyOpened
from streams.policy import WaitingPolicy
from streams.priority.place import overridden, placed, with_finding
from streams.priority.state import Failure, Place, Routed, Told
from streams.stage import NOTHING, Listing, Outcome, Parts, Stage

NAME, PLACE, NO_AI = "priority", "place", "no-ai"
ROUNDING = timedelta(milliseconds=1)
"""A store of timers may round the time at which one is due."""


def priority(policy: WaitingPolicy) -> Stage:
    """The stage; its state is one part, `place`. What comes before the study is routed is kept until then."""
    handler = _Priority(policy)
    return Stage(
        name=NAME,
        hears=(
            StudyRouted,
            StudyIneligible,
            PriorityChanged,
            FindingMade,
            ReadingFailed,
            StudyOpened,
            ReportSigned,
            PriorityOverridden,
            TimerFired,
        ),
        says=(PlaceChanged,),
        kinds={PLACE: Place},
        step=handler.step,
        needs=lambda _event: (PLACE,),
    )


def reading_name(model: str, revision: int) -> str:
    """How a reading is named in a place's state."""
    return f"{model}#{revision}"


class _Priority:
    def __init__(self, policy: WaitingPolicy) -> None:
        self._policy = policy

    def step(self, parts: Parts, event: object, now: datetime) -> Outcome:
        """See streams.stage.Stage.step."""
        before = parts.get(PLACE)
        place = before if isinstance(before, Place) else None
        if isinstance(event, TimerFired):
            if event.stage != NAME or place is None or not self._is_late(place, now):
                return NOTHING
            after = replace(place, late=True)
        else:
            study = event.facts.study if isinstance(event, StudyRouted | StudyIneligible) else _study(event)
            after = self._after(place or Place(study=study), event, now)
        return NOTHING if after == place else self._said(place, after)

    def _said(self, before: Place | None, after: Place) -> Outcome:
        timers = self._timers(before, after)
        if after.routed is None:
            return Outcome(changes={PLACE: after}, timers=timers)
        shown = placed(after, after.routed, self._policy)
        if shown == after.shown:
            return Outcome(changes={PLACE: after}, timers=timers)
        listing = Listing(read_by=shown.read_by if shown.state == "waiting" else None)
        return Outcome(changes={PLACE: replace(after, shown=shown)}, says=(shown,), timers=timers, listing=listing)

    def _after(self, place: Place, event: object, now: datetime) -> Place:
        match event:
            case StudyRouted() | StudyIneligible():
                return _routed(place, event, now)
            case FindingMade():
                return with_finding(place, reading_name(event.model, event.revision), _told(event, now))
            case ReadingFailed():
                return _failed(place, event)
            case PriorityChanged():
                return replace(place, order=event.priority)
            case PriorityOverridden():
                return replace(overridden(place, event.by), override=event.priority)
            case StudyOpened():
                return _handled(replace(place, state="opened") if place.state == "waiting" else place)
            case ReportSigned():
                return _handled(replace(place, state="read"))
            case _:
                return place

    def _is_late(self, place: Place, now: datetime) -> bool:
        due = self._due(place)
        return due is not None and now >= due - ROUNDING

    def _due(self, place: Place) -> datetime | None:
        """When answers are missing too long; None: none is awaited."""
        if place.routed is None or place.asked_at is None or place.late:
            return None
        ended = place.findings.keys() | {name for name, failure in place.failures.items() if failure.final}
        open_ones = set(place.routed.awaited) - ended
        return place.asked_at + timedelta(seconds=self._policy.no_ai_after_s) if open_ones else None

    def _timers(self, before: Place | None, after: Place) -> dict[str, datetime | None]:
        due = self._due(after)
        return {NO_AI: due} if due != (self._due(before) if before else None) else {}


def _study(event: object) -> str:
    return str(getattr(event, "study"))  # noqa: B009  # every other event that is heard names its study so


def _routed(place: Place, event: StudyRouted | StudyIneligible, now: datetime) -> Place:
    if place.routed and event.revision <= place.routed.revision:
        return place
    chosen = event.chosen if isinstance(event, StudyRouted) else ()
    routed = Routed(
        revision=event.revision,
        priority=event.priority,
        has_order=event.facts.order is not None,
        modality=event.modality,
        description=event.facts.description,
        arrived_at=event.first_stored_at,
        ineligible=event.reason if isinstance(event, StudyIneligible) else None,
        awaited=tuple(reading_name(c.model, c.read_in or event.revision) for c in chosen if c.role == "live"),
    )
    return replace(place, routed=routed, asked_at=now, late=False)


def _told(event: FindingMade, now: datetime) -> Told:
    return Told(
        model=event.model,
        revision=event.revision,
        role=event.role,
        name=event.name,
        score=event.score,
        positive=event.positive,
        at=now,
    )


def _failed(place: Place, event: ReadingFailed) -> Place:
    name = reading_name(event.model, event.revision)
    known = place.failures.get(name)
    if known and known.final:
        return place
    failure = Failure(
        model=event.model, revision=event.revision, role=event.role, reason=event.reason, final=event.final
    )
    return replace(place, failures=place.failures | {name: failure})


def _handled(place: Place) -> Place:
    """Somebody has seen all images up to the newest revision."""
    return replace(place, seen=max(place.seen, place.routed.revision if place.routed else 0))
