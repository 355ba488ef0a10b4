"""Every revision of every study that was sent has exactly one outcome, and the last has the one that is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from streams.chaos.verifier.history import Event, History, Sent
from streams.chaos.verifier.violations import Violation, broken

NAME = "outcomes"
MODEL_PARTS = frozenset({"triton", "model", "stub", "reader", "reading"})
"""Kinds of part without which a reading may be given up as failed: an outcome, and shown as "no AI result"."""


def check(history: History) -> Iterator[Violation]:
    """A study of which nothing was acknowledged owes nothing."""
    for sent in history.studies.values():
        if history.acknowledged(sent.study):
            yield from _study(history, sent)


def given_up(history: History, study: str) -> bool:
    """Whether the study's last outcome is failed although an answer was to be had, and a fault explains it."""
    sent = history.studies.get(study)
    closed = history.record.about(study, "StudyClosed")
    if sent is None or sent.outcome == "failed" or not closed:
        return False
    last = max(closed, key=lambda event: event.revision)
    routed = history.record.about(study, "StudyRouted")
    began = min((event.at for event in routed), default=last.at)
    hit = (t for t in history.torments if t.part in MODEL_PARTS and t.at <= last.at)
    return last.body["outcome"] == "failed" and any((t.recovered_at or last.at) >= began for t in hit)


def _study(history: History, sent: Sent) -> Iterator[Violation]:
    assembled = {event.revision: event for event in history.record.about(sent.study, "StudyAssembled")}
    closed: dict[int, list[Event]] = defaultdict(list)
    for event in history.record.about(sent.study, "StudyClosed"):
        closed[event.revision].append(event)
    if not assembled:
        yield broken(NAME, sent.study, "images of it were acknowledged, but no revision of it was ever assembled")
        return
    for revision, event in sorted(assembled.items()):
        if not closed[revision]:
            yield broken(NAME, sent.study, f"revision {revision} has no outcome", [event])
    for revision, events in sorted(closed.items()):
        if len(events) > 1:
            yield broken(NAME, sent.study, f"revision {revision} has {len(events)} outcomes", events)
        elif events and revision not in assembled:
            yield broken(NAME, sent.study, f"revision {revision} has an outcome, but was never assembled", events)
    yield from _as_expected(history, sent, closed[max(assembled)])


def _as_expected(history: History, sent: Sent, last: list[Event]) -> Iterator[Violation]:
    if len(last) != 1 or not history.complete(sent) or last[0].body["outcome"] == sent.outcome:
        return
    if not given_up(history, sent.study):
        told = f"its last outcome is {last[0].body['outcome']} ({last[0].body['reason']}); {sent.outcome} is right"
        yield broken(NAME, sent.study, told, last)
