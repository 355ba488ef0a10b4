"""Every revision of every study that was sent has exactly one outcome, and the last has the one that is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import Any

from streams.chaos.verifier.history import Event, History, Sent
from streams.chaos.verifier.violations import Violation, broken

NAME = "outcomes"
MODEL_PARTS = frozenset({"triton", "reader", "all"})
"""Kinds of part without which a reading may be given up as failed: an outcome, and shown as "no AI result". Their
links, too."""


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
    hit = (t for t in history.torments if (t.part in MODEL_PARTS or "triton" in t.fault) and t.at <= last.at)
    return last.body["outcome"] == "failed" and any((t.recovered_at or last.at) >= began for t in hit)


def _study(history: History, sent: Sent) -> Iterator[Violation]:
    assembled = {event.revision: event for event in history.record.about(sent.study, "StudyAssembled")}
    closed: dict[int, list[Event]] = defaultdict(list)
    for event in history.record.about(sent.study, "StudyClosed"):
        closed[event.revision].append(event)
    if not assembled:
        told = "images of it were acknowledged, but no revision of it was ever assembled"
        yield broken(NAME, sent.study, told, effect="lost")
        return
    yield from _counted(sent.study, assembled, closed)
    yield from _as_expected(history, sent, closed[max(assembled)])
    routed = {event.revision: event for event in history.record.about(sent.study, "StudyRouted", "StudyIneligible")}
    for revision, events in closed.items():
        if len(events) == 1 and revision in routed:
            yield from _as_read(history, routed[revision], events[0])


def _counted(study: str, assembled: dict[int, Event], closed: dict[int, list[Event]]) -> Iterator[Violation]:
    """One each."""
    for revision, event in sorted(assembled.items()):
        if not closed.get(revision):
            yield broken(NAME, study, f"revision {revision} has no outcome", [event], effect="lost")
    for revision, events in sorted(closed.items()):
        if len(events) > 1:
            yield broken(NAME, study, f"revision {revision} has {len(events)} outcomes", events, effect="doubled")
        elif events and revision not in assembled:
            yield broken(NAME, study, f"revision {revision} has an outcome, but was never assembled", events)


def _as_read(history: History, routed: Event, closed: Event) -> Iterator[Violation]:
    """What the outcome says is how the readings of its revision ended."""
    study = routed.study or ""
    chosen = [(c["model"], c.get("read_in") or routed.revision, c.get("role", "live")) for c in _chosen(routed)]
    if list(closed.body["models"]) != [model for model, _revision, _role in chosen]:
        yield broken(NAME, study, f"the outcome of revision {routed.revision} names other models", [routed, closed])
    if closed.body["last_stored_at"] != routed.body["last_stored_at"]:
        yield broken(NAME, study, f"the outcome of revision {routed.revision} is of other images", [routed, closed])
    ends = _ends(history, study)
    deciding = [(m, r) for m, r, role in chosen if role == "live"] or [(m, r) for m, r, _role in chosen]
    hows = [ends.get(reading, {"open"}) for reading in deciding]
    right = {_end(set(one)) for one in product(*hows)} if deciding else {"ineligible"}
    if closed.body["outcome"] not in right:
        told = f"the outcome of revision {routed.revision} is {closed.body['outcome']}; its readings say {min(right)}"
        yield broken(NAME, study, told, [routed, closed])


def _end(hows: set[str]) -> str:
    """Analysed if one answered, rejected if the images would do for none, else failed."""
    if "analysed" in hows or "open" in hows:
        return "analysed" if "analysed" in hows else "open"
    return "rejected" if hows == {"rejected"} else "failed"


def _chosen(routed: Event) -> list[Any]:
    return list(routed.body.get("chosen", ()))


def _ends(history: History, study: str) -> dict[tuple[str, int], set[str]]:
    """Reading to how it ended: twice, where one lane gave up and the other answered; the outcome may say either."""
    ends: dict[tuple[str, int], set[str]] = defaultdict(set)
    for event in history.record.about(study, "ReadingFailed", "FindingMade"):
        name = (event.body["model"], event.revision)
        if event.type == "FindingMade":
            ends[name].add("analysed")
        elif event.body["final"]:
            ends[name].add("rejected" if event.body["kind"] == "quality" else "failed")
    return ends


def _as_expected(history: History, sent: Sent, last: list[Event]) -> Iterator[Violation]:
    if len(last) != 1 or not history.complete(sent) or last[0].body["outcome"] == sent.outcome:
        return
    if not given_up(history, sent.study):
        told = f"its last outcome is {last[0].body['outcome']} ({last[0].body['reason']}); {sent.outcome} is right"
        yield broken(NAME, sent.study, told, last)
