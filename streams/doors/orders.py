"""The order door: an order's priority by accession number, from a call or from a file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from streams.doors.pseudonym import Pseudonyms
from streams.errors import EventUnreadable, NotDicom
from streams.events.codec import decode_part
from streams.events.envelope import Envelope
from streams.events.identifiers import named_id
from streams.events.imaging import OrderPlaced, Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFile:
    """A file of the order door: {"accession": "A123", "priority": "stat"}."""

    accession: str
    priority: Priority


def place_order(accession: str, priority: Priority, pseudonyms: Pseudonyms, now: datetime) -> Envelope:
    """The event of an order; the accession number itself stays at the door.

    Raises:
        NotDicom: the accession number is empty.
    """
    order = pseudonyms.order(accession)
    if order is None:
        raise NotDicom("an order without an accession number names no study")
    event = OrderPlaced(order=order, priority=priority)
    return Envelope(id=named_id("order", order, priority, now.isoformat()), time=now, key=order, data=event)


def order_in(content: bytes, pseudonyms: Pseudonyms, now: datetime) -> Envelope:
    """The event of an order file.

    Raises:
        NotDicom: it is none; the text says what is wrong.
    """
    try:
        order = decode_part(OrderFile, content)
    except EventUnreadable as error:
        raise NotDicom(f"no order file: {error}") from error
    return place_order(order.accession, order.priority, pseudonyms, now)
