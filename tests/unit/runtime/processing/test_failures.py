"""What becomes of what fails: pauses, retry headers, dead letters."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import BrokerAway, EventUnreadable, StateLost, StateStoreAway
from streams.events.envelope import header
from streams.ports import Record
from streams.runtime.processing.failures import (
    HELD_S,
    LONGEST_DELAY_S,
    LONGEST_FOR_OTHERS_S,
    Past,
    Patience,
    attempt_of,
    dead_letter,
    must_stop,
    past_of,
    pauses,
    reason_of,
    retry,
    wait_for,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(**given):
    return Record(
        **{"topic": "t", "partition": 3, "offset": 7, "key": b"k", "value": b"v", "headers": [("a", b"\xff")]} | given,
        written_at=NOW,
    )


def test_pauses_grow_to_a_limit():
    """0.1 s to 5 s, for ever."""
    assert list(itertools.islice(pauses(), 9)) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


async def test_patience_ends_after_so_many_tries():
    """The last error comes out; between tries it waits."""
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    async def attempt():
        raise BrokerAway("away")

    with pytest.raises(BrokerAway):
        await Patience(sleep).until_done("x", attempt, 3)
    assert slept == [0.1, 0.2]


async def test_patience_says_it_once(caplog):
    """An outage does not flood the log."""
    left = [0] * 50

    async def sleep(_seconds):
        pass

    async def attempt():
        if left:
            left.pop()
            raise StateStoreAway("away")
        return "done"

    assert await Patience(sleep).until_done("x", attempt) == "done"
    assert len(caplog.records) == 1


def test_a_dead_letter_made_twice_is_the_same():
    """Original bytes and headers, reason and source; nothing of the clock."""
    first, second = (dead_letter(record(), "why", "dead") for _ in range(2))
    assert first == second
    assert (first.topic, first.key, first.value, first.headers[0]) == ("dead", b"k", b"v", ("a", b"\xff"))
    assert header(first.headers, "wetread-at") == "2026-01-01T00:00:00.000000Z"


def test_a_dead_letter_of_one_redriven_names_the_last_source():
    """Headers about handling are replaced, not piled up."""
    message = dead_letter(record(headers=[("wetread-reason", b"old"), ("a", b"1")]), "new", "dead")
    assert [v for n, v in message.headers if n == "wetread-reason"] == [b"new"]


@pytest.mark.parametrize(("key", "value"), [(None, b"v"), (b"k", None)])
def test_null_is_told_from_empty(key, value):
    """A record without key or value is set aside as what it was."""
    message = dead_letter(record(key=key, value=value), "why", "dead")
    name = "wetread-key" if key is None else "wetread-value"
    assert header(message.headers, name) == "null"


def test_retries_are_counted_and_dated():
    """Each time one higher, one header each, not before its time."""
    first = retry(record(), "t.retry", NOW)
    assert attempt_of(first.headers) == 1
    second = retry(record(headers=first.headers), "t.retry", NOW + timedelta(seconds=9))
    assert attempt_of(second.headers) == 2
    assert len(second.headers) == len(first.headers)
    assert wait_for(second.headers, NOW, timedelta(minutes=1)) == timedelta(seconds=9)
    assert wait_for(second.headers, NOW, timedelta(seconds=2)) == timedelta(seconds=2)
    assert wait_for(second.headers, NOW + timedelta(hours=1), timedelta(minutes=1)) == timedelta(0)


@pytest.mark.parametrize("garbage", [b"", b"\xff", b"soon", b"2026-01-01", b"-5", b"9" * 5000, "²".encode()])
def test_garbage_in_our_headers_costs_nothing(garbage):
    """It counts as absent."""
    headers = [("wetread-not-before", garbage), ("wetread-attempt", garbage)]
    assert wait_for(headers, NOW, timedelta(minutes=1)) == timedelta(0)
    assert attempt_of(headers) == 0


@given(
    st.builds(
        Past,
        tries=st.integers(0, 999_999),
        own=st.integers(0, 999_999),
        since=st.none() | st.datetimes(timezones=st.just(UTC)),
        waits_for=st.sampled_from(["", "ich_ct", "ich_ct.2.0"]),
    )
)
def test_what_an_event_has_behind_it_travels_with_it(past):
    """Its headers say it again; no more counts against it than was tried."""
    headers = retry(record(), "t.retry", NOW, past).headers
    assert past_of(headers) == replace(past, own=min(past.own, past.tries))
    assert retry(record(headers=headers), "t.retry", NOW, past).headers == headers


def test_what_another_build_put_off_counted_every_try():
    """It knew one count."""
    assert past_of([("wetread-attempt", b"4")]) == Past(tries=4, own=4)
    assert past_of([]) == Past()


def test_an_event_waits_longer_from_try_to_try():
    """5 s, 10 s ... to five minutes; to one where another was at fault; a moment where it waits for something."""

    def delays(past, tries):
        return [past.__class__(tries=n, own=n - past.tries).delay_s(5.0, "x") for n in range(1, tries)]

    own = delays(Past(), 12)
    assert [round(delay / own[0], 6) for delay in own[:6]] == [1, 2, 4, 8, 16, 32]
    assert max(own) <= LONGEST_DELAY_S * 1.25
    assert max(delays(Past(tries=1), 999)) <= LONGEST_FOR_OTHERS_S * 1.25
    assert Past(waits_for="m", tries=9).delay_s(5.0, "x") == HELD_S
    assert Past(tries=999_999, own=999_999).delay_s(5.0, "x") <= LONGEST_DELAY_S * 1.25


@given(st.uuids())
def test_two_events_do_not_meet_again_and_again(name):
    """Each has a pace of its own, within a quarter of the common one, the same each time."""
    past = Past(tries=1, own=1)
    assert 0.75 * 5.0 <= past.delay_s(5.0, str(name)) <= 1.25 * 5.0
    assert past.delay_s(5.0, str(name)) == past.delay_s(5.0, str(name))
    assert past.delay_s(5.0, str(name)) != past.delay_s(5.0, f"{name}'")


def test_reasons():
    """A set-aside's own sentence; a bug's type and text; never longer than a page."""
    assert reason_of(EventUnreadable("no JSON")) == "no JSON"
    assert reason_of(ZeroDivisionError("by zero")) == "step raised ZeroDivisionError: by zero"
    assert len(reason_of(ValueError("x" * 10**6))) == 2000


def test_what_ends_the_process():
    """Stop, what says to try again, and what is no Exception; never an event's own fault."""
    assert [must_stop(e) for e in (StateLost("x"), BrokerAway("x"), KeyboardInterrupt(), MemoryError())] == [
        True,
        True,
        True,
        False,
    ]
    assert not must_stop(EventUnreadable("x"))
