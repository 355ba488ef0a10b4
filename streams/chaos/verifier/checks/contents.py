"""Each event id has one content: a repeat after a crash is the same event, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from streams.chaos.verifier.history import Event, History
from streams.chaos.verifier.violations import Violation, broken

NAME = "contents"
OF_THE_KEY = frozenset({"ce_subject", "ce_partitionkey"})
OF_HANDLING = "wetread-"
"""Headers that retry topics add."""


def check(history: History) -> Iterator[Violation]:
    """Over all topics, the retry topics too; an event stands on each of its topics under that topic's key."""
    first: dict[str, Event] = {}
    told: set[str] = set()
    for event in (*history.record.all, *history.retries):
        if not event.id:
            continue  # whether an event has an id is asked with the other headers
        known = first.setdefault(event.id, event)
        if known is event or event.id in told:
            continue
        differs = _difference(known, event)
        if differs:
            told.add(event.id)
            sentence = f"{event.type} {event.id} stands for two contents: {differs}"
            yield broken(NAME, event.study, sentence, [known, event], effect="doubled")


def _difference(one: Event, other: Event) -> str:
    """What differs, in words; empty: nothing."""
    if one.text != other.text:
        keys = sorted(k for k in one.body.keys() | other.body.keys() if one.body.get(k) != other.body.get(k))
        return f"the body ({', '.join(keys) or 'spelling'})"
    mine, others = _headers(one), _headers(other)
    names = sorted(n for n in mine.keys() | others.keys() if mine.get(n) != others.get(n))
    if names:
        return f"the headers {', '.join(names)}"
    return "the key" if one.topic == other.topic and one.key != other.key else ""


def _headers(event: Event) -> Mapping[str, str]:
    return {n: v for n, v in event.headers.items() if n not in OF_THE_KEY and not n.startswith(OF_HANDLING)}
