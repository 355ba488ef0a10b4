"""Where a study stands on the worklist: its read-by time, computed from all that is known of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from streams.events.telling import PlaceChanged
from streams.policy import WaitingPolicy
from streams.priority.reasons import reasons
from streams.priority.state import Place, Routed, Told


def placed(place: Place, routed: Routed, policy: WaitingPolicy) -> PlaceChanged:
    """The place: arrival plus the wait of the first reason (earliest deadline first)."""
    why = reasons(place, routed, policy)
    wait = why[0].wait_s
    assert wait is not None  # the order's class, or the override, always gives one
    return PlaceChanged(
        study=place.study,
        revision=routed.revision,
        state=place.state,
        arrived_at=routed.arrived_at,
        read_by=routed.arrived_at + timedelta(seconds=wait),
        priority=place.override or place.order or routed.priority,
        modality=routed.modality,
        description=routed.description,
        reasons=why,
    )


def with_finding(place: Place, name: str, told: Told) -> Place:
    """The place with a finding; the first answer to a reading counts.

    A live suspicion on images that nobody had when the study was opened or read puts it back on the list.
    """
    if name in place.findings:
        return place
    place = replace(place, findings=place.findings | {name: told})
    alarming = told.positive and told.role == "live" and told.revision > place.seen
    return replace(place, state="waiting") if alarming else place


def overridden(place: Place, by: str) -> Place:
    """The place after a person spoke: of what was known by then, nothing moves it any more."""
    known = {name: replace(told, overruled=True) for name, told in place.findings.items()}
    return replace(place, override_by=by, findings=known)
