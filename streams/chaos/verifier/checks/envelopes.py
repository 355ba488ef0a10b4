"""Every event says what it is, when, of whom, why and under which rules: CloudEvents, trace and audit headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID

from streams.chaos.verifier.history import Event, History
from streams.chaos.verifier.loading import moment
from streams.chaos.verifier.machine import CAUSES
from streams.chaos.verifier.violations import Violation, broken

NAME = "envelopes"
ALWAYS = ("ce_id", "ce_type", "ce_source", "ce_time", "ce_subject", "ce_partitionkey")
KEYED = {"imaging.orders": "order", "triage.measurements": "patient"}
"""What topics are keyed by, where not by study (schemas/README.md)."""
DOORS = frozenset({"InstancesStored", "SeriesClosed"})
"""A trace begins with them."""
MEASURED = frozenset({"QualityReported", "ReadingAnswered", "ReadingFailed"})
"""Said of pixels and a model, under no policy."""
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context 3.2."""
DIGEST = re.compile(r"[0-9a-f]{8,64}")


def check(history: History) -> Iterator[Violation]:
    """Each event's first appearance; repeats are the contents' check."""
    for event in (*history.record.by_id.values(), *history.record.nameless, *history.hollow):
        for fault in (*_named(event), *_audited(event), *_traced(history, event)):
            yield broken(NAME, event.study, f"{event.type or 'a record'} {event.id}: {fault}", [event])


def _named(event: Event) -> Iterator[str]:
    missing = [name for name in ALWAYS if not event.headers.get(name)]
    if missing:
        yield f"no {', '.join(missing)}"
        return
    if event.headers.get("ce_specversion") != "1.0":
        yield "it is no CloudEvent 1.0"
    try:
        UUID(event.id)
        at = moment(event.headers["ce_time"])
    except ValueError as error:
        yield f"its id or time is none: {error}"
        return
    if at.isoformat(timespec="microseconds").replace("+00:00", "Z") != event.headers["ce_time"]:
        yield "its time is not spelled in UTC with microseconds"
    if not event.key == event.headers["ce_subject"] == event.headers["ce_partitionkey"]:
        yield "its key, ce_subject and ce_partitionkey differ"
    body = event.body
    field = KEYED.get(event.topic, "study")
    if event.type != "TimerFired" and event.key != (body.get(field) or body.get("facts", {}).get(field)):
        yield f"its key is not the {field} that its body names"


def _audited(event: Event) -> Iterator[str]:
    """What led to it, and the digest of the rules under which it was said."""
    allowed = CAUSES.get(event.type)
    if allowed is None:
        return
    if allowed and not event.cause:
        yield "no ce_causationid"
    if not allowed and event.cause:
        yield "it comes from outside, and yet names a cause"
    policy = event.headers.get("ce_policydigest")
    if allowed and event.type not in MEASURED and not (policy and DIGEST.fullmatch(policy)):
        yield "no ce_policydigest"


def _traced(history: History, event: Event) -> Iterator[str]:
    """One trace from the door on; a timer and a person begin none."""
    trace = event.headers.get("traceparent")
    if trace is not None and not TRACEPARENT.fullmatch(trace):
        yield f"its traceparent {trace[:60]!r} is none"
    elif event.type in DOORS and trace is None:
        yield "no traceparent"
    cause = history.record.by_id.get(event.cause or "")
    if cause is not None and cause.headers.get("traceparent") != trace:
        yield f"its traceparent is not that of the {cause.type} that led to it"
