"""Arrival: refuses what cannot be, and says once which order a study names."""

from __future__ import annotations

from datetime import datetime

from streams.arrival.state import Seen
from streams.errors import EventUnreadable
from streams.events.identifiers import UID_LONGEST
from streams.events.imaging import AccessionSeen, InstancesStored
from streams.stage import NOTHING, Outcome, Parts, Stage

SEEN = "seen"
ORDERS_MOST = 8
"""A study names one order, or a few that were scanned together; more is a fault that must not grow here."""


def arrival() -> Stage:
    """The stage; its state is one part, `seen`."""
    return Stage(
        name="arrival",
        hears=(InstancesStored,),
        says=(AccessionSeen,),
        kinds={SEEN: Seen},
        step=_step,
        needs=lambda event: (SEEN,) if isinstance(event, InstancesStored) else (),
    )


def _step(parts: Parts, event: object, _now: datetime) -> Outcome:
    assert isinstance(event, InstancesStored)
    seen = parts.get(SEEN) or Seen(study=event.facts.study)
    assert isinstance(seen, Seen)
    fault = implausible(event, seen.study)
    if fault:
        raise EventUnreadable(fault)
    order = event.facts.order
    if order is None or order in seen.orders or len(seen.orders) >= ORDERS_MOST:
        return NOTHING if SEEN in parts else Outcome(changes={SEEN: seen})
    return Outcome(
        changes={SEEN: Seen(study=seen.study, orders=(*seen.orders, order))},
        says=(AccessionSeen(order=order, study=seen.study),),
    )


def implausible(event: InstancesStored, study: str) -> str | None:
    """Why the event cannot be true, in a sentence; None: it can.

    UIDs are only asked to be there and no longer than PS3.5 9.1 allows: scanners write leading zeros.
    """
    if event.facts.study != study:
        return f"instances of study {event.facts.study[:UID_LONGEST]} came under the key of another study"
    named = (event.facts.study, event.series.series, *(i.instance for i in event.instances))
    if not all(0 < len(uid) <= UID_LONGEST for uid in named):
        return "a study, series or instance has no UID, or one of more than 64 characters"
    if not event.facts.patient:
        return "the study names no patient, not even by a hash"
    if not event.instances:
        return "instances are said to be stored, but none is named"
    if any(not i.digest for i in event.instances):
        return "an instance has no digest, so its bytes cannot be found"
    return None
