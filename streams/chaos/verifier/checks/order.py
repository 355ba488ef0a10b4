"""The order of each study's events is a valid history of the written state machine, and each effect has its cause."""

from __future__ import annotations

from collections.abc import Iterator

from streams.chaos.verifier.history import Event, History
from streams.chaos.verifier.machine import CAUSES, MACHINES
from streams.chaos.verifier.violations import Violation, broken

NAME = "order"


def check(history: History) -> Iterator[Violation]:
    """Every study that a topic speaks of."""
    for study in history.record.studies:
        for machine in MACHINES:
            events = _each_once(history.record.on(machine.topic, study))
            for event, sentence in machine.run(events):
                yield broken(NAME, study, sentence, [event])
        yield from _readings_asked(history, study)
    yield from _causes(history)


def _each_once(events: list[Event]) -> list[Event]:
    """A second AlertRaised of one alert is the alerts' check; here it would be told twice."""
    alerts: set[str] = set()
    kept = []
    for event in events:
        if event.type == "AlertRaised":
            if event.body["alert"] in alerts:
                continue
            alerts.add(event.body["alert"])
        kept.append(event)
    return kept


def _readings_asked(history: History, study: str) -> Iterator[Violation]:
    """Nothing is answered that was not asked."""
    asked = {event.body["reading"] for event in history.record.about(study, "ReadingRequested")}
    for event in history.record.about(study, "ReadingAnswered", "ReadingFailed"):
        if event.body["reading"] not in asked:
            yield broken(NAME, study, f"reading {event.body['reading']} was never asked for", [event])


def _causes(history: History) -> Iterator[Violation]:
    """A cause stands on the record, and is of a kind that may lead to this; an event of a study has one of it."""
    known = history.record.by_id
    aside = {event.id for event in (*history.poison, *history.retries)}
    for event in known.values():
        allowed = CAUSES.get(event.type)
        if not allowed or event.cause is None or event.cause in aside:
            continue
        cause = known.get(event.cause)
        if cause is None:
            yield broken(NAME, event.study, f"the cause of {event.type} {event.id} is not on the record", [event])
        elif cause.type not in allowed:
            yield broken(NAME, event.study, f"{event.type} was said because of {cause.type}", [cause, event])
