"""What `wetread why` says of a study equals the record: every event of it, once, at its time, in true words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from streams.chaos.verifier.history import Event, History
from streams.chaos.verifier.loading import moment
from streams.chaos.verifier.violations import Violation, broken

NAME = "why"


def check(history: History) -> Iterator[Violation]:
    """The studies that the harness asked about; it must have asked about some."""
    if history.studies and not history.why:
        yield broken(NAME, None, "`wetread why` was asked about no study")
    for study, story in history.why.items():
        yield from _story(history, study, story)


def _story(history: History, study: str, story: Sequence[Mapping[str, Any]]) -> Iterator[Violation]:
    record = {event.id: event for event in history.record.about(study)}
    told = Counter(str(line["event"]) for line in story)
    for identity in sorted(record.keys() - told.keys()):
        event = record[identity]
        yield broken(NAME, study, f"why does not tell of {event.type} {identity}", [event])
    for identity in sorted(told.keys() - record.keys()):
        yield broken(NAME, study, f"why tells of event {identity}, which is not on the record")
    for identity, times in told.items():
        if times > 1:
            yield broken(NAME, study, f"why tells {times} times of event {identity}")
    for line in story:
        found = record.get(str(line["event"]))
        if found is not None:
            yield from _true(study, line, found)


def _true(study: str, line: Mapping[str, Any], event: Event) -> Iterator[Violation]:
    if line["what"] != event.type:
        yield broken(NAME, study, f"why calls {event.type} a {line['what']}", [event])
    if moment(str(line["at"])) != moment(event.headers["ce_time"]):
        yield broken(NAME, study, f"why tells of {event.type} at another time than its own", [event])
    for word in _words(event):
        if word not in line["sentence"]:
            yield broken(NAME, study, f"why does not say {word!r} of {event.type}", [event])


def _words(event: Event) -> tuple[str, ...]:
    """What its sentence must hold, of the events that people act upon."""
    body = event.body
    if event.type == "StudyClosed":
        return (f"revision {event.revision}", body["outcome"], body["reason"])
    if event.type == "AlertRaised":
        return (f"{body['score']:.2f}", f"{moment(body['read_by']):%H:%M:%S}")
    if event.type == "PlaceChanged" and body["state"] == "waiting":
        return (f"{moment(body['read_by']):%H:%M:%S}", *(reason["sentence"] for reason in body["reasons"]))
    return ()
