"""Events and their bytes: orjson writes, msgspec reads and checks; one place only."""

from __future__ import annotations

from functools import cache
from typing import TypeVar, cast

import msgspec
import orjson

from streams.errors import EventTooLarge, EventUnknown, EventUnreadable
from streams.events import imaging, measuring, quality, reading, telling, watching

T = TypeVar("T")

VERSION = "v1"
PREFIX = "wetread."
LARGEST_BODY = 900_000
"""Bytes; below Kafka's default message.max.bytes of 1 MiB with room for headers."""

EVENT_TYPES: tuple[type, ...] = (
    imaging.InstancesStored,
    imaging.SeriesClosed,
    imaging.TimerFired,
    imaging.OrderPlaced,
    imaging.AccessionSeen,
    imaging.OrderMatched,
    imaging.InstanceConflicted,
    imaging.StudyAssembled,
    imaging.StudyRouted,
    imaging.StudyIneligible,
    imaging.PriorityChanged,
    reading.ReadingRequested,
    quality.QualityReported,
    reading.ReadingAnswered,
    reading.ReadingFailed,
    reading.FindingMade,
    telling.PlaceChanged,
    telling.AlertRaised,
    telling.AlertUpdated,
    telling.AlertClosed,
    telling.MeasurementMade,
    measuring.LesionsMeasured,
    measuring.GrowthMeasured,
    watching.StudyOpened,
    watching.ReportSigned,
    watching.PriorityOverridden,
    watching.StudyClosed,
    watching.StudyLetGo,
)


def type_name(event_type: type) -> str:
    """CloudEvents `type`: wetread.AlertRaised.v1."""
    return f"{PREFIX}{event_type.__name__}.{VERSION}"


_BY_NAME: dict[str, type] = {type_name(t): t for t in EVENT_TYPES}
_DECODERS: dict[str, msgspec.json.Decoder[object]] = {name: msgspec.json.Decoder(t) for name, t in _BY_NAME.items()}


def event_type(name: str) -> type:
    """The type of that CloudEvents name.

    Raises:
        EventUnknown: this build does not know it.
    """
    found = _BY_NAME.get(name)
    if found is None:
        raise _unknown(name)
    return found


def _unknown(name: str) -> EventUnknown:
    return EventUnknown(f"this build knows no event of type {name[:120]!r}")


def encode_body(event: object) -> bytes:
    """The JSON of an event: the same event gives the same bytes.

    Raises:
        EventTooLarge: over LARGEST_BODY.
    """
    body = orjson.dumps(event, option=orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS)
    if len(body) > LARGEST_BODY:
        raise EventTooLarge(f"{type(event).__name__} of {len(body)} bytes; at most {LARGEST_BODY}")
    return body


def decode_body(name: str, body: bytes) -> object:
    """The event of type `name` in body, checked field by field; unknown fields are passed over.

    Raises:
        EventUnknown, EventUnreadable.
    """
    decoder = _DECODERS.get(name)
    if decoder is None:
        raise _unknown(name)
    try:
        event: object = decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EventUnreadable(f"not a {name}: {error}") from error
    return event


def encode_part(part: object) -> bytes:
    """The JSON of a frozen dataclass that is no event: a field of a stage's state, a manifest."""
    return orjson.dumps(part, option=orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS)


_STATE = msgspec.json.Encoder(order="deterministic")


def encode_state(part: object) -> bytes:
    """The JSON of a part that nobody takes a digest of: half the time of `encode_part`, and decode_part reads both."""
    return _STATE.encode(part)


@cache
def _decoder(part_type: type) -> msgspec.json.Decoder[object]:
    return msgspec.json.Decoder(part_type)


def decode_part(part_type: type[T], body: bytes) -> T:
    """A frozen dataclass from its JSON.

    Raises:
        EventUnreadable: the bytes are not one.
    """
    try:
        return cast("T", _decoder(part_type).decode(body))  # type: ignore[arg-type]  # a class is hashable
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EventUnreadable(f"not a {part_type.__name__}: {error}") from error
