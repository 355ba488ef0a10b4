"""The envelope: one spelling of time, a key that is the subject, nothing of the trace in its identity."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from streams.events import telling
from streams.events.envelope import from_kafka, header, timestamp, to_kafka
from tests.support.examples import TIME, example, in_envelope

ALERT = in_envelope(example(telling.AlertRaised))


@given(st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)), st.integers(-14, 14))  # noqa: DTZ001  # UTC is added
def test_a_time_has_one_spelling(time: datetime, hours: int) -> None:
    """The same instant in any zone is written in one way, to the microsecond, and is read as that instant."""
    elsewhere = time.astimezone(timezone(timedelta(hours=hours)))
    assert timestamp(elsewhere) == timestamp(time)
    assert datetime.fromisoformat(timestamp(time)) == time


def test_a_whole_second_keeps_its_zeros() -> None:
    """No spelling changes with the value: ids are made of it."""
    assert timestamp(TIME.replace(microsecond=0)).endswith("12.000000Z")


def test_the_key_is_the_subject() -> None:
    """Kafka's key, ce_subject and ce_partitionkey are one."""
    key, _value, headers = to_kafka(ALERT)
    assert key.decode() == header(headers, "ce_subject") == header(headers, "ce_partitionkey") == ALERT.key


def test_what_is_absent_is_not_written() -> None:
    """At a door there is no cause, no policy and perhaps no trace."""
    _key, _value, headers = to_kafka(replace(ALERT, cause=None, policy=None, traceparent=None))
    assert not {"ce_causationid", "ce_policydigest", "traceparent"} & {name for name, _ in headers}
    assert from_kafka(_value, headers).cause is None


def test_the_trace_is_no_part_of_the_event() -> None:
    """A repeat under another trace is the same event."""
    assert replace(ALERT, traceparent=None) == ALERT


def test_a_header_that_is_no_text_is_as_good_as_absent() -> None:
    """Bytes that are no UTF-8 are never half read."""
    assert header([("ce_id", b"\xff\xfe"), ("ce_id", b"later")], "ce_id") is None
    assert header([("ce_id", b"first"), ("ce_id", b"later")], "ce_id") == "first"
    assert header([], "ce_id") is None


def test_garbage_before_a_header_does_not_hide_it() -> None:
    """Of each name that an event is read by, the first that is text counts, whatever stands around it."""
    key, value, headers = to_kafka(ALERT)
    twice = [("ce_id", b"\xff"), ("x", b"\xfe"), *headers, ("ce_id", b"later")]
    assert from_kafka(value, twice) == from_kafka(value, headers) == ALERT
    assert from_kafka(value, [*headers, ("ce_id", b"later"), ("ce_subject", b"later")]).key == key.decode()
