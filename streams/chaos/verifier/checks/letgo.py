"""Nothing open is let go: a study leaves after it was read, with all outcomes, no alert standing, and in its time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import takewhile

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
        if any(_said_at(one) > ended + ROUNDING for one in _ends(before)):
            yield broken(NAME, study, "something happened to it after the end that it was let go by", [event])


def _places(before: list[Event]) -> list[Event]:
    return sorted((e for e in before if e.type == "PlaceChanged"), key=lambda e: (e.at, e.offset))


def _ends(before: list[Event]) -> Iterator[Event]:
    """What ended it: outcomes, and the first place of the last row of those that say that it was read."""
    yield from (event for event in before if event.type == "StudyClosed")
    read = list(takewhile(lambda event: event.body["state"] == "read", reversed(_places(before))))
    yield from read[-1:]


def _said_at(event: Event) -> datetime:
    """By the clock that the end is told by; the broker took it later."""
    return moment(event.headers["ce_time"])


def _open(before: list[Event]) -> Iterator[str]:
    places = _places(before)
    if not places or places[-1].body["state"] != "read":
        yield f"it is {places[-1].body['state'] if places else 'on no list'}, not read"
    routed = {e.revision for e in before if e.type in {"StudyRouted", "StudyIneligible"}}
    if missing := routed - {e.revision for e in before if e.type == "StudyClosed"}:
        yield f"revision {min(missing)} has no outcome"
    raised = {e.body["alert"] for e in before if e.type == "AlertRaised"}
    if standing := raised - {e.body["alert"] for e in before if e.type == "AlertClosed"}:
        yield f"alert {min(standing)} stands"
