"""An alert exactly for the studies whose last revision has the finding: one id each, no id with two contents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from streams.chaos.verifier.checks.outcomes import given_up
from streams.chaos.verifier.history import Event, History, Sent
from streams.chaos.verifier.loading import moment
from streams.chaos.verifier.violations import Violation, broken

NAME = "alerts"
AS_FOUND = ("model_version", "code", "score", "threshold", "key_instances", "mask", "model_seconds", "last_stored_at")
"""What an alert says in the words of its finding."""


def check(history: History) -> Iterator[Violation]:
    """Held against what was sent, and against what outcomes name."""
    for sent in history.studies.values():
        raised = history.record.about(sent.study, "AlertRaised")
        if history.complete(sent) and not given_up(history, sent.study):
            yield from _expected(history, sent, raised)
        yield from _one_id(history, sent.study, raised)
        yield from _named(history, sent.study, raised)
        yield from _as_found(history, sent.study, raised)
    yield from _contents(history)


def _expected(history: History, sent: Sent, raised: list[Event]) -> Iterator[Violation]:
    if sent.alert and not raised:
        told = "its last revision has the finding, but nobody was alerted: a missed alert"
        yield broken(NAME, sent.study, told, effect="lost")
    if not sent.alert and raised:
        yield broken(NAME, sent.study, "somebody was alerted, but it has no finding: a false alert", raised)
    findings = [e for e in history.record.about(sent.study, "FindingMade") if e.body["model"] == history.policy.model]
    if sent.positive is None or not findings:
        return
    last = max(findings, key=lambda event: event.revision)
    if bool(last.body["positive"]) != sent.positive:
        right = "positive" if sent.positive else "negative"
        yield broken(NAME, sent.study, f"its last finding (revision {last.revision}) is to be {right}", [last])


def _one_id(history: History, study: str, raised: list[Event]) -> Iterator[Violation]:
    """Another id only after the one before was closed, and by a revision later than what was seen by then."""
    slots: dict[tuple[str, str], dict[str, Event]] = defaultdict(dict)
    for event in raised:
        slots[event.body["finding"], event.body["model"]].setdefault(event.body["alert"], event)
    closed = {e.body["alert"]: e for e in history.record.about(study, "AlertClosed")}
    for (finding, _model), by_id in slots.items():
        events = sorted(by_id.values(), key=lambda event: event.revision)
        for before, after in pairwise(events):
            end = closed.get(before.body["alert"])
            if end is None or after.revision <= end.revision:
                told = f"{finding} was alerted under {len(events)} ids: a doubled alert"
                yield broken(NAME, study, told, events, effect="doubled")
                break


def _named(history: History, study: str, raised: list[Event]) -> Iterator[Violation]:
    """What an outcome, an update or a closing names was raised; what was raised an outcome names."""
    known = {event.body["alert"] for event in raised}
    for event in history.record.about(study, "StudyClosed", "AlertUpdated", "AlertClosed"):
        named = event.body["alerts"] if event.type == "StudyClosed" else [event.body["alert"]]
        for alert in named:
            if alert not in known:
                yield broken(NAME, study, f"{event.type} names alert {alert}, which was never raised", [event])
    outcomes = history.record.about(study, "StudyClosed")
    told = {alert for event in outcomes for alert in event.body["alerts"]}
    ended = {event.revision for event in outcomes if event.body["outcome"] == "analysed"}
    for event in raised:  # an answer may come after its reading was given up, by the other lane
        if event.revision in ended and event.body["alert"] not in told:
            yield broken(NAME, study, f"alert {event.body['alert']} stands in no outcome of its study", [event])


def _as_found(history: History, study: str, raised: list[Event]) -> Iterator[Violation]:
    """An alert says what its finding says, and counts its time from the study's arrival."""
    findings = {(e.body["model"], e.body["name"], e.revision): e for e in history.record.about(study, "FindingMade")}
    arrivals = {e.body["first_stored_at"] for e in history.record.about(study, "StudyRouted", "StudyIneligible")}
    for event in raised:
        body = event.body
        finding = findings.get((body["model"], body["finding"], event.revision))
        if finding is None or not finding.body["positive"]:
            yield broken(NAME, study, "an alert was raised without a positive finding of its revision", [event])
            continue
        for name in AS_FOUND:
            if body[name] != finding.body.get(name):
                yield broken(NAME, study, f"an alert's {name} is not that of its finding", [finding, event])
        waits = {min(wait, history.policy.by_finding.get(body["finding"], wait)) for wait in _waits(history)}
        allowed = {moment(arrived) + timedelta(seconds=wait) for arrived in arrivals for wait in waits}
        if moment(body["read_by"]) not in allowed:
            yield broken(NAME, study, "an alert's read-by time is not what policy says", [event])


def _waits(history: History) -> list[float]:
    return list(history.policy.by_priority.values())


def _contents(history: History) -> Iterator[Violation]:
    """Said anew under another event id: whoever was told once must never be told something else of one alert."""
    contents: dict[str, dict[str, Event]] = defaultdict(dict)
    for event in history.record.of("AlertRaised"):
        contents[event.body["alert"]].setdefault(event.text, event)
    for alert, by_text in contents.items():
        if len(by_text) > 1:
            events = list(by_text.values())
            told = f"alert {alert} was raised with {len(events)} contents"
            yield broken(NAME, events[0].study, told, events, effect="doubled")
