"""What people and orders said is heard: each feedback and order that was taken has its effect."""

from __future__ import annotations

from collections.abc import Iterator

from streams.chaos.verifier.history import History, Other
from streams.chaos.verifier.violations import Violation, broken

NAME = "heard"


def check(history: History) -> Iterator[Violation]:
    """By id for feedback; by order, priority and study for orders."""
    on_topic: dict[str, set[str]] = {"triage.feedback": set(), "triage.findings": set()}
    for event in history.record.all:
        if event.topic in on_topic:
            on_topic[event.topic].add(event.id)
    for other in history.others:
        if other.what == "feedback":
            for topic, ids in on_topic.items():
                if other.said["id"] not in ids:
                    told = f"{other.said['event']} {other.said['id']} was said, but does not stand on {topic}"
                    yield broken(NAME, other.said["study"], told)
            yield from _handled(history, other)
        elif other.what == "order":
            yield from _ordered(history, other)


def _handled(history: History, other: Other) -> Iterator[Violation]:
    """Reading a study ends its waiting, if only until a later revision alarms."""
    study = other.said["study"]
    states = {"ReportSigned": {"read"}, "StudyOpened": {"opened", "read"}}.get(other.said["event"])
    places = history.record.on("triage.worklist", study)
    if states and places and not any(place.body["state"] in states for place in places):
        yield broken(NAME, study, f"{other.said['event']} was said, but its place never showed it", places[-1:])


def _ordered(history: History, other: Other) -> Iterator[Violation]:
    order, study, priority = other.said["order"], other.said.get("study"), other.said["priority"]
    placed = [e for e in history.record.of("OrderPlaced") if e.body["order"] == order]
    if not any(event.body["priority"] == priority for event in placed):
        yield broken(NAME, study, f"an order ({priority}) was taken, but no OrderPlaced says so")
    if not study or not history.acknowledged(study):
        return
    matched = [e for e in history.record.about(study, "OrderMatched") if e.body["order"] == order]
    if not any(event.body["priority"] == priority for event in matched):
        yield broken(NAME, study, f"its order ({priority}) was never matched to it", placed)
