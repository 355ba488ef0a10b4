"""The envelope: CloudEvents 1.0 in Kafka's binary content mode, key = what the topic is keyed by."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from streams.errors import EventUnreadable
from streams.events.codec import decode_body, encode_body, type_name
from streams.events.identifiers import EventId

SOURCE = "/wetread"
CONTENT_TYPE = b"application/json"

Headers = list[tuple[str, bytes]]
_REQUIRED = ("ce_id", "ce_type", "ce_time", "ce_subject")
_READ = frozenset({*_REQUIRED, "ce_causationid", "ce_policydigest", "ce_source", "traceparent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An event with its name, time, key and cause.

    Attributes:
        id: deterministic (streams.events.identifiers), so that a repeat is recognised.
        time: when it happened; a stage's `now`. UTC.
        key: Kafka's key, and CloudEvents' `subject` and `partitionkey`.
        cause: id of the event that made a stage say this one; None at a door.
        policy: digest of the policies and contracts under which a stage said it.
        traceparent: W3C trace context, from the door on.
    """

    id: EventId
    time: datetime
    key: str
    data: object
    cause: str | None = None
    policy: str | None = None
    source: str = SOURCE
    traceparent: str | None = field(default=None, compare=False)


def timestamp(time: datetime) -> str:
    """RFC 3339 in UTC with microseconds, one spelling only."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def to_kafka(envelope: Envelope) -> tuple[bytes, bytes, Headers]:
    """Key, value and headers of the Kafka record (CloudEvents Kafka Protocol Binding 3.2)."""
    key = envelope.key.encode()
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", envelope.id.encode()),
        ("ce_type", type_name(type(envelope.data)).encode()),
        ("ce_source", envelope.source.encode()),
        ("ce_time", timestamp(envelope.time).encode()),
        ("ce_subject", key),
        ("ce_partitionkey", key),
        ("content-type", CONTENT_TYPE),
    ]
    optional = (
        ("ce_causationid", envelope.cause),
        ("ce_policydigest", envelope.policy),
        ("traceparent", envelope.traceparent),
    )
    headers += [(name, value.encode()) for name, value in optional if value]
    return key, encode_body(envelope.data), headers


def header(headers: Headers, name: str) -> str | None:
    """The first header of that name, as text; None where it is absent or no UTF-8."""
    for key, value in headers:
        if key == name:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None


def from_kafka(value: bytes | None, headers: Headers) -> Envelope:
    """The envelope of a Kafka record.

    Raises:
        EventUnreadable: headers or body are not what they claim.
        EventUnknown: a type or version that this build does not know.
    """
    said = _texts(headers)
    if value is None or not all(map(said.get, _REQUIRED)):
        missing = [name for name in _REQUIRED if not said.get(name)]
        raise EventUnreadable(f"not a CloudEvent in binary mode: no {', '.join(missing) or 'body'}")
    try:
        time = datetime.fromisoformat(said["ce_time"])
    except ValueError as error:
        raise EventUnreadable(f"ce_time is no RFC 3339 time: {error}") from error
    if time.tzinfo is None:
        raise EventUnreadable("ce_time carries no time zone")
    return Envelope(
        id=EventId(said["ce_id"]),
        time=time.astimezone(UTC),
        key=said["ce_subject"],
        data=decode_body(said["ce_type"], value),
        cause=said.get("ce_causationid"),
        policy=said.get("ce_policydigest"),
        source=said.get("ce_source") or SOURCE,
        traceparent=said.get("traceparent"),
    )


def _texts(headers: Headers) -> dict[str, str]:
    """The first header of each name that we read, as text; those that are no UTF-8 are left out."""
    try:
        return {name: content.decode() for name, content in reversed(headers) if name in _READ}
    except (UnicodeDecodeError, AttributeError):  # garbage, or null: one by one
        pass
    said: dict[str, str] = {}
    for name, content in headers:
        if name in _READ and name not in said:
            try:
                said[name] = content.decode()
            except (UnicodeDecodeError, AttributeError):
                continue
    return said
