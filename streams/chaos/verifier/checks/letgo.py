"""Nothing open is let go: a study leaves after it was read, with all outcomes, no alert standing, and in its time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from streams.chaos.verifier.history import Event, History
from streams.chaos.verifier.loading import moment
from streams.chaos.verifier.violations import Violation, broken

NAME = "letgo"
ROUNDING = timedelta(seconds=1)
"""Clocks of two processes, and the store of timers, may differ by so much."""


def check(history: History) -> Iterator[Violation]:
    """Each time that a study was let go, held against what the record says of it until then."""
    for event in history.record.of("StudyLetGo"):
        study = event.study or event.key
        before = [one for one in history.record.about(study) if one.at <= event.at]
        for told in _open(before):
            yield broken(NAME, study, f"it was let go, but {told}", [event], effect="lost")
        if history.policy.ended_s is None:
            continue
        ended = moment(event.body["ended_at"])
        early = event.at + ROUNDING < ended + timedelta(seconds=history.policy.ended_s)
        if early:
            yield broken(NAME, study, f"it was let go before its time: it ended at {ended.isoformat()}", [event])
        if any(one.at > ended + ROUNDING for one in before if one.type in {"PlaceChanged", "StudyClosed"}):
            yield broken(NAME, study, "something happened to it after the end that it was let go by", [event])


def _open(before: list[Event]) -> Iterator[str]:
    places = sorted((e for e in before if e.type == "PlaceChanged"), key=lambda e: (e.at, e.offset))
    if not places or places[-1].body["state"] != "read":
        yield f"it is {places[-1].body['state'] if places else 'on no list'}, not read"
    routed = {e.revision for e in before if e.type in {"StudyRouted", "StudyIneligible"}}
    if missing := routed - {e.revision for e in before if e.type == "StudyClosed"}:
        yield f"revision {min(missing)} has no outcome"
    raised = {e.body["alert"] for e in before if e.type == "AlertRaised"}
    if standing := raised - {e.body["alert"] for e in before if e.type == "AlertClosed"}:
        yield f"alert {min(standing)} stands"
