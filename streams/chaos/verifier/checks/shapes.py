"""Every event is valid against schemas/: its body against its JSON Schema, its topic against the AsyncAPI document."""

from __future__ import annotations

from collections.abc import Iterator

from streams.chaos.verifier.history import Event, History
from streams.chaos.verifier.schemas import channels, validator
from streams.chaos.verifier.violations import Violation, broken

NAME = "schemas"


def check(history: History) -> Iterator[Violation]:
    """Repeats too: what stands on a topic is read by whoever listens."""
    for event in (*history.record.all, *history.hollow):
        fault = _fault(event)
        if fault:
            yield broken(NAME, event.study, f"{event.type or 'a record'} {event.id}: {fault}", [event])


def _fault(event: Event) -> str | None:
    carried = channels()
    if event.topic not in carried:
        return "its topic is no channel of the AsyncAPI document"
    if event.type not in carried[event.topic]:
        return f"the AsyncAPI document has no {event.type or 'event without a type'} on {event.topic}"
    if event.headers["ce_type"] != f"wetread.{event.type}.v1":
        return f"no schema describes {event.headers['ce_type']}"
    found = next(iter(validator(event.type).iter_errors(dict(event.body))), None)
    return None if found is None else f"{'/'.join(map(str, found.instance_path)) or 'body'}: {found.message}"
