"""Bytes of events and of state: plain, checked, and the same for the same content."""

from __future__ import annotations

import pytest

from streams.errors import EventUnknown, EventUnreadable
from streams.events import imaging, telling
from streams.events.codec import (
    EVENT_TYPES,
    LARGEST_BODY,
    decode_part,
    encode_body,
    encode_part,
    encode_state,
    event_type,
    type_name,
)
from tests.support.examples import example


@pytest.mark.parametrize("said", EVENT_TYPES, ids=lambda t: t.__name__)
def test_a_type_is_found_by_its_name(said: type) -> None:
    """wetread.<Event>.v1, and back."""
    assert type_name(said) == f"wetread.{said.__name__}.v1"
    assert event_type(type_name(said)) is said


def test_an_unknown_name_is_told_short() -> None:
    """A name of any length makes a reason that a person can read."""
    with pytest.raises(EventUnknown, match="knows no event"):
        event_type("x" * 5000)


def test_keys_of_a_mapping_have_one_order() -> None:
    """Two mappings of the same content are the same bytes."""
    one = imaging.SeriesClosed(study="1", association="A", how="association-released", counts={"b": 1, "a": 2})
    other = imaging.SeriesClosed(study="1", association="A", how="association-released", counts={"a": 2, "b": 1})
    assert encode_body(one) == encode_body(other)


def test_a_body_at_the_limit_is_let_through() -> None:
    """The limit is what it says, to the byte."""
    empty = len(encode_body(imaging.AccessionSeen(order="", study="")))
    assert len(encode_body(imaging.AccessionSeen(order="o" * (LARGEST_BODY - empty), study=""))) == LARGEST_BODY


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda t: t.__name__)
def test_state_reads_back_by_either_writer(kind: type) -> None:
    """What an older build left in the state store, and what this one leaves there, are the same parts."""
    part = example(kind)
    assert decode_part(kind, encode_state(part)) == decode_part(kind, encode_part(part)) == part


def test_a_part_of_another_kind_is_unreadable() -> None:
    """State that was written as something else is not taken for what is wanted."""
    with pytest.raises(EventUnreadable, match="AlertClosed"):
        decode_part(telling.AlertClosed, encode_part(example(imaging.AccessionSeen)))
