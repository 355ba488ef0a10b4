"""Order files: a priority by accession number, which itself stays at the door."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from streams.doors.orders import order_in, place_order
from streams.errors import NotDicom
from streams.events.envelope import to_kafka
from streams.events.imaging import OrderPlaced
from tests.support.doors import NAMES

AT = datetime(2026, 11, 24, tzinfo=UTC)


def test_an_order_is_its_hash_and_priority():
    """The study of that accession number carries the same hash; the number is nowhere in the record."""
    envelope = order_in(b'{"accession": " A-1 ", "priority": "stat"}', NAMES, AT)
    assert envelope.data == OrderPlaced(order=NAMES.order("A-1"), priority="stat")
    assert envelope.key == NAMES.order("A-1")
    key, value, headers = to_kafka(envelope)
    assert b"A-1" not in key + value + b"".join(content for _, content in headers)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"[]",
        b'{"accession": "A-1"}',
        b'{"accession": "A-1", "priority": "soon"}',
        b'{"accession": "", "priority": "stat"}',
        b'{"accession": 7, "priority": "stat"}',
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_order_says_so(content):
    """A reason, and never an order of nobody."""
    with pytest.raises(NotDicom, match="order"):
        order_in(content, NAMES, AT)


def test_a_later_order_is_another_event():
    """The same change of mind twice is one event; a later one another."""
    first = place_order("A-1", "stat", NAMES, AT)
    assert place_order("A-1", "stat", NAMES, AT).id == first.id
    assert place_order("A-1", "stat", NAMES, AT.replace(minute=5)).id != first.id
    assert place_order("A-1", "routine", NAMES, AT).id != first.id
