"""The porch: who has asked is let in with all that was sent, who has not waits without a thread, and not for ever."""

from __future__ import annotations

import queue
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from streams.doors.porch import ABORT, ENOUGH_BYTES, Porch, PorchLimits
from tests.attack.wire import request

PATIENCE_S = 10


class House:
    """A porch on a free port, and whom it let in or sent away."""

    def __init__(self, **limits: float) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.inside: queue.Queue[socket.socket] = queue.Queue()
        self.away: queue.Queue[str] = queue.Queue()
        self.porch = Porch(self.listening, self.let_in, PorchLimits(**limits), self.away.put)
        self.porch.start()
        self.sockets: list[socket.socket] = [self.listening]

    def let_in(self, connection: socket.socket, _address: object) -> None:
        self.sockets.append(connection)
        self.inside.put(connection)

    def connect(self, content: bytes = b"") -> socket.socket:
        peer = socket.create_connection(self.listening.getsockname(), timeout=PATIENCE_S)
        self.sockets.append(peer)
        peer.sendall(content)
        return peer

    def close(self) -> None:
        self.porch.stop()
        for one in self.sockets:
            one.close()


@pytest.fixture
def open_house() -> Iterator[list[House]]:
    """A place for the houses of a test: they are closed at its end."""
    houses: list[House] = []
    yield houses
    for house in houses:
        house.close()


def test_who_asks_is_let_in_and_nothing_of_it_is_read(open_house):
    """Its door reads the request from its first byte, from a socket as accept() gives them."""
    open_house.append(house := House())
    house.connect(request())
    inside = house.inside.get(timeout=PATIENCE_S)
    assert inside.gettimeout() is None
    assert inside.recv(10_000) == request()


def test_a_request_may_come_in_pieces(open_house):
    """Not let in before it is whole."""
    open_house.append(house := House())
    peer, asked = house.connect(), request()
    for piece in (asked[:3], asked[3:6], asked[6:50]):
        peer.sendall(piece)
        with pytest.raises(queue.Empty):
            house.inside.get(timeout=0.05)
    peer.sendall(asked[50:])
    assert house.inside.get(timeout=PATIENCE_S).recv(10_000) == asked


def test_a_long_request_is_let_in_once_enough_of_it_is_there(open_house):
    """What fits into no receive buffer would never be whole."""
    open_house.append(house := House())
    house.connect(struct.pack(">BxL", 1, 100_000) + bytes(ENOUGH_BYTES))
    house.inside.get(timeout=PATIENCE_S)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (struct.pack(">BxL", 1, 0xFFFFFFFF), "claims more"),
        (struct.pack(">BxL", 4, 10) + bytes(10), "no association request"),
        (b"GET / HTTP/1.1\r\n\r\n", "no association request"),
    ],
)
def test_what_is_no_request_is_answered_by_an_abort(open_house, content, why):
    """A-ABORT by the provider, at once; nobody inside hears of it."""
    open_house.append(house := House())
    peer = house.connect(content)
    assert why in house.away.get(timeout=PATIENCE_S)
    assert peer.recv(100) == ABORT
    assert house.inside.empty()


def test_who_does_not_ask_is_sent_away_in_time(open_house):
    """The ARTIM timer of PS3.8 9.1.5, counted from the connection, whatever drips in."""
    open_house.append(house := House(request_s=0.2))
    peer = house.connect(request()[:4])
    assert house.away.get(timeout=PATIENCE_S) == "it did not ask in time"
    assert peer.recv(100) == ABORT


def test_who_hangs_up_is_forgotten(open_house):
    open_house.append(house := House())
    house.connect(request()[:4]).close()
    assert house.away.get(timeout=PATIENCE_S) == "it went without asking"


def test_a_crowd_costs_no_thread_and_lets_others_pass(open_house):
    """Of those that say nothing the longest waiting goes; who asks comes in all the same."""
    open_house.append(house := House(waiting_most=20))
    threads = threading.active_count()
    crowd = [house.connect() for _ in range(100)]
    for _ in range(80):
        assert house.away.get(timeout=PATIENCE_S) == "others came while it did not ask"
    assert threading.active_count() == threads
    assert crowd[0].recv(100) == ABORT
    house.connect(request())
    assert house.inside.get(timeout=PATIENCE_S).recv(10_000) == request()


def test_a_door_that_closes_sends_all_away(open_house):
    open_house.append(house := House())
    peer = house.connect(request()[:20])
    house.connect(request())
    house.inside.get(timeout=PATIENCE_S)
    house.porch.stop()
    assert house.away.get(timeout=PATIENCE_S) == "the door closes"
    assert peer.recv(100) == ABORT


def test_who_cannot_be_served_is_closed(open_house):
    """No thread for it: it goes, and the porch stays."""
    open_house.append(house := House())

    def refuse(_connection: socket.socket, _address: object) -> None:
        raise RuntimeError("can't start new thread")

    house.porch._admit = refuse
    assert house.connect(request()).recv(100) == ABORT
    house.porch._admit = house.let_in
    house.connect(request())
    house.inside.get(timeout=PATIENCE_S)
