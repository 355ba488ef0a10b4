"""Association requests: what can be one is let through, whatever else is told apart before anything is built."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.doors.asking import request_fault
from tests.attack.wire import Context, item, request


def body(*contexts: Context) -> bytes:
    return request(contexts)[6:]


@pytest.mark.parametrize("count", [0, 1, 128])
def test_as_many_contexts_as_there_are_ids_are_asked_for(count):
    """Ids are odd numbers from 1 to 255 (PS3.8 9.3.2.2): 128 of them."""
    assert request_fault(body(*(Context(2 * n + 1) for n in range(count)))) is None


@pytest.mark.parametrize("number", [0, 2, 254])
def test_an_even_id_is_none(number):
    assert "not odd" in request_fault(body(Context(number)))


def test_an_id_that_comes_twice_is_none():
    assert "not its own" in request_fault(body(Context(3), Context(5), Context(3)))


def test_ten_thousand_contexts_are_told_at_the_first_that_cannot_be():
    assert request_fault(body(*(Context(n) for n in range(10_000))))
    assert "more than 256 items" in request_fault(bytes(68) + item(0x50, b"") * 10_000)


@pytest.mark.parametrize("cut", [0, 67, 69, 90, 120])
def test_a_request_that_ends_within_an_item_is_none(cut):
    assert request_fault(body(Context(1))[:cut])


@given(st.binary(max_size=300), st.integers(0, 100))
@settings(max_examples=300, deadline=None)
def test_it_says_something_of_any_bytes(content, at):
    """Never an error, whatever comes: it reads what nobody has looked at."""
    whole = body(Context(1), Context(3))
    for given_bytes in (content, whole[:at] + content, whole[:at] + content + whole[at + len(content) :]):
        assert request_fault(given_bytes) is None or isinstance(request_fault(given_bytes), str)
