"""The contract of events: schemas that hold, bytes that return, breaks that are seen, outsiders that can read."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.breaking import breaks
from schemas.event_schema import schema_of
from streams.errors import EventTooLarge, EventUnknown, EventUnreadable
from streams.events import imaging, telling
from streams.events.codec import EVENT_TYPES, LARGEST_BODY, decode_body, encode_body, type_name
from streams.events.envelope import from_kafka, to_kafka
from tests.support.examples import TIME, anything, example, in_envelope

each_type = pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda t: t.__name__)


@cache
def validator_of(event_type: type) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema_of(event_type), validate_formats=True)


@each_type
def test_each_event_has_a_valid_schema(event_type: type) -> None:
    """Each event type generates a valid JSON Schema 2020-12 that refers to nothing outside itself."""
    schema = schema_of(event_type)
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"].endswith("/2020-12/schema")
    assert all(ref.startswith("#/$defs/") for ref in _references(schema))


@each_type
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_each_event_validates_and_returns_byte_for_byte(event_type: type, data: st.DataObject) -> None:
    """What we write fits its schema, is read as the same event, and is written again as the same bytes."""
    event = data.draw(anything(event_type))
    body = encode_body(event)
    validator_of(event_type).validate(json.loads(body))
    again = decode_body(type_name(event_type), body)
    assert again == event
    assert encode_body(again) == body


@each_type
def test_a_schema_refuses_what_the_reader_refuses(event_type: type) -> None:
    """A field left out that is always there is refused by the schema and by us alike."""
    validator = validator_of(event_type)
    whole = json.loads(encode_body(example(event_type)))
    for field in schema_of(event_type)["required"]:
        lacking = {k: v for k, v in whole.items() if k != field}
        assert not validator.is_valid(lacking)
        with pytest.raises(EventUnreadable, match=field):
            decode_body(type_name(event_type), json.dumps(lacking).encode())


def _changed(change: str) -> tuple[dict[str, Any], str]:
    new = copy.deepcopy(schema_of(telling.AlertRaised))
    if change == "remove":
        del new["properties"]["score"]
        return new, "score was removed"
    if change == "retype":
        new["properties"]["score"] = {"type": "string"}
        return new, "score was"
    if change == "no longer always there":
        new["required"].remove("score")
        return new, "score was always there"
    if change == "null":
        new["properties"]["score"] = {"anyOf": [{"type": "number"}, {"type": "null"}]}
        return new, "score was"
    del new["$defs"]["Code"]["properties"]["value"]
    return new, "Code.value was removed"


@pytest.mark.parametrize("change", ["remove", "retype", "no longer always there", "null", "inside"])
def test_a_break_is_reported(change: str) -> None:
    """Removing or retyping a field, or leaving it out at times, is named."""
    old = schema_of(telling.AlertRaised)
    new, said = _changed(change)
    (found,) = breaks(old, new)
    assert found.startswith(said)


def test_growth_is_no_break() -> None:
    """A new field, and other words, break no reader."""
    old = schema_of(telling.AlertRaised)
    new = copy.deepcopy(old)
    new["properties"]["laterality"] = {"type": "string", "default": ""}
    new["properties"]["score"]["description"] = "Other words."
    new["$defs"]["Code"]["properties"]["version"] = {"type": "string", "default": ""}
    assert breaks(old, new) == []
    assert breaks(old, old) == []


def test_type_names_are_unique() -> None:
    """One name, one type."""
    names = [type_name(t) for t in EVENT_TYPES]
    assert len(set(names)) == len(names)


@each_type
def test_an_outsider_reads_our_records(event_type: type) -> None:
    """The cloudevents package finds id, type, source, subject, time, data and our extensions in a record of ours."""
    sent = in_envelope(example(event_type))
    key, value, headers = to_kafka(sent)
    seen = from_binary(KafkaMessage(headers=dict(headers), key=key, value=value), JSONFormat())
    assert seen.get_id() == sent.id
    assert seen.get_type() == f"wetread.{event_type.__name__}.v1"
    assert seen.get_source() == "/wetread"
    assert seen.get_subject() == sent.key
    assert seen.get_time() == TIME
    assert seen.get_specversion() == "1.0"
    assert seen.get_datacontenttype() == "application/json"
    assert seen.get_data() == json.loads(value)
    assert seen.get_extension("partitionkey") == sent.key
    assert seen.get_extension("causationid") == sent.cause
    assert seen.get_extension("policydigest") == sent.policy


@each_type
def test_an_envelope_returns_from_kafka(event_type: type) -> None:
    """What a record says of an event is what was said, and is written as the same record again."""
    sent = in_envelope(example(event_type))
    _key, value, headers = to_kafka(sent)
    again = from_kafka(value, headers)
    assert again == sent
    assert again.traceparent == sent.traceparent
    assert to_kafka(again) == to_kafka(sent)


@pytest.mark.parametrize(
    "body",
    [b"", b"garbage", b"\xff\xfe\x00", b"null", b"[]", b"{}", b'{"study":1}', b"[" * 100_000, b'{"a":' * 100_000],
    ids=["empty", "garbage", "no text", "null", "list", "no fields", "wrong type", "deep list", "deep object"],
)
def test_what_is_no_event_is_unreadable(body: bytes) -> None:
    """Garbage and nesting without end are set aside, not raised through the reader."""
    with pytest.raises(EventUnreadable):
        decode_body(type_name(telling.AlertRaised), body)


@pytest.mark.parametrize("name", ["wetread.AlertRaised.v2", "wetread.Nothing.v1", "", "AlertRaised", "x" * 10_000])
def test_another_version_is_unknown(name: str) -> None:
    """A type or version that this build does not know is set aside by that name, cut to a readable length."""
    with pytest.raises(EventUnknown) as met:
        decode_body(name, encode_body(example(telling.AlertRaised)))
    assert len(str(met.value)) < 200


def test_two_megabytes_are_too_large() -> None:
    """An event of 2 MB is refused before it is sent."""
    event = imaging.AccessionSeen(order="o" * 2_000_000, study="1.2")
    with pytest.raises(EventTooLarge, match=str(LARGEST_BODY)):
        encode_body(event)


@pytest.mark.parametrize("lost", ["ce_id", "ce_type", "ce_time", "ce_subject"])
def test_a_record_without_its_headers_is_unreadable(lost: str) -> None:
    """The header that is missing is named."""
    _key, value, headers = to_kafka(in_envelope(example(telling.AlertRaised)))
    with pytest.raises(EventUnreadable, match=lost):
        from_kafka(value, [pair for pair in headers if pair[0] != lost])


@pytest.mark.parametrize("time", [b"yesterday", b"2026-03-01T10:00:00", b"\xff"])
def test_a_time_without_zone_is_unreadable(time: bytes) -> None:
    """A time that could mean several instants is none."""
    _key, value, headers = to_kafka(in_envelope(example(telling.AlertRaised)))
    with pytest.raises(EventUnreadable, match="ce_time"):
        from_kafka(value, [(n, time if n == "ce_time" else v) for n, v in headers])


def test_a_record_without_body_is_unreadable() -> None:
    """A tombstone is no event."""
    _key, _value, headers = to_kafka(in_envelope(example(telling.AlertRaised)))
    with pytest.raises(EventUnreadable, match="body"):
        from_kafka(None, headers)


def test_unknown_fields_are_passed_over() -> None:
    """A newer writer's additional field does not stop an older reader."""
    event = example(telling.AlertClosed)
    body = json.dumps({**json.loads(encode_body(event)), "laterality": "left"}).encode()
    assert decode_body(type_name(telling.AlertClosed), body) == event


def _references(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
        return own + [ref for value in schema.values() for ref in _references(value)]
    return [ref for value in schema for ref in _references(value)] if isinstance(schema, list) else []
