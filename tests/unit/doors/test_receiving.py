"""Receiving: how long a PDU may take, how slow an image may be, and who is ended where all hold too much."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from streams.doors import receiving
from streams.doors.receiving import Holding, Receiver
from streams.doors.settings import DoorSettings
from tests.attack.wire import Context, request

ASKED = request()
PATIENCE_S = 10


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def receiver(connection: socket.socket, *, holding: Holding | None = None, **told) -> tuple[Receiver, list[str]]:
    """A receiver, and what it says when it gives up."""
    gave_up: list[str] = []
    settings = DoorSettings(**{"home": Path(), **told})
    made = Receiver(connection, settings, holding or Holding(settings.held_most), lambda: gave_up.append("gave up"))
    return made, gave_up


def asked(made: Receiver, theirs: socket.socket, body: bytes = ASKED) -> Receiver:
    """As pynetdicom reads the request: its head, then the rest."""
    theirs.sendall(body)
    made.receive(6)
    made.receive(len(body) - 6)
    return made


def test_what_is_asked_for_comes_as_it_was_sent(pair):
    ours, theirs = pair
    made, gave_up = receiver(ours)
    asked(made, theirs)
    theirs.sendall(bytes(range(200)))
    assert made.receive(6) == bytes(range(6))
    assert made.receive(194) == bytes(range(6, 200))
    assert not gave_up


def test_a_peer_that_goes_gives_what_it_sent(pair):
    ours, theirs = pair
    made, gave_up = receiver(ours)
    theirs.sendall(ASKED[:40])
    theirs.close()
    made.receive(6)
    assert made.receive(100) == ASKED[6:40]
    assert gave_up, "nobody waits for an association of it"


def test_a_pdu_that_does_not_become_whole_ends(pair):
    """A peer that sends three bytes and then nothing holds no thread for ever."""
    ours, theirs = pair
    made, _ = receiver(ours, pdu_s=0.05)
    asked(made, theirs)
    theirs.sendall(b"abc")
    with pytest.raises(TimeoutError):
        made.receive(6)


def test_nor_does_a_request(pair):
    ours, theirs = pair
    made, gave_up = receiver(ours, pdu_s=0.05)
    theirs.sendall(ASKED[:10])
    made.receive(6)
    with pytest.raises(TimeoutError):
        made.receive(100)
    assert gave_up


@pytest.mark.parametrize("size", [1_000_001, 0xFFFFFFFF])
def test_a_long_pdu_is_not_waited_for(pair, size):
    """Nothing is reserved for it."""
    ours, theirs = pair
    made, _ = receiver(ours)
    asked(made, theirs)
    with pytest.raises(ConnectionAbortedError):
        made.receive(size)


@pytest.mark.parametrize(
    "body", [request(Context(n) for n in range(300)), request([Context(1, "x" * 100)]), ASKED[:6] + b"\0" * 80]
)
def test_a_request_that_is_none_ends_before_negotiation(pair, body):
    ours, theirs = pair
    made, gave_up = receiver(ours)
    with pytest.raises(ConnectionAbortedError):
        asked(made, theirs, body)
    assert gave_up


def test_an_image_that_drips_ends(pair, monkeypatch):
    """Each PDU is whole and in time, but the image would take for ever."""
    ours, theirs = pair
    clock = [100.0]
    monkeypatch.setattr(receiving, "monotonic", lambda: clock[0])
    made, _ = receiver(ours, silence_s=60, slowest_bytes_s=2_000)
    asked(made, theirs)
    for _ in range(2):
        theirs.sendall(bytes(100_000))
        made.receive(100_000)  # a slow line: 100 KB in 50 s
        clock[0] += 50
    theirs.sendall(bytes(10))
    made.receive(10)
    clock[0] += 200
    with pytest.raises(ConnectionAbortedError, match="too slowly"):
        made.receive(10)


def test_silence_between_images_is_none_of_it(pair, monkeypatch):
    """An association that echoes now and then, or sends an image a minute, is no slow one."""
    ours, theirs = pair
    clock = [100.0]
    monkeypatch.setattr(receiving, "monotonic", lambda: clock[0])
    made, _ = receiver(ours, silence_s=60)
    asked(made, theirs)
    theirs.sendall(bytes(1_000))
    for _ in range(100):
        made.receive(10)
        made.answered()
        clock[0] += 59


def test_an_object_may_be_so_long_and_no_longer(pair):
    ours, theirs = pair
    made, _ = receiver(ours, largest_object=1_000_000)
    asked(made, theirs)
    theirs.close()
    for _ in range(20):
        made.receive(100_000)
    with pytest.raises(ConnectionAbortedError, match="an object longer"):
        made.receive(100_000)


def test_of_all_that_is_held_the_largest_ends():
    """One that never ends its image does not take the room of those that do."""
    holding = Holding(1_000_000)
    pairs = [socket.socketpair() for _ in range(3)]
    made = [asked(receiver(ours, holding=holding)[0], theirs) for ours, theirs in pairs]
    for one, (_, theirs) in zip(made, pairs, strict=True):
        theirs.sendall(bytes(100_000))
        one.receive(100_000)
    for _ in range(6):
        pairs[1][1].sendall(bytes(100_000))
        made[1].receive(100_000)
    pairs[1][1].sendall(bytes(200_000))
    with pytest.raises(ConnectionAbortedError, match="more than this door holds"):
        made[1].receive(200_000)
    assert not pairs[1][1].recv(1), "its connection is ended"
    made[1].close()
    pairs[0][1].sendall(b"x")
    assert made[0].receive(1) == b"x"
    for one in [each for pair in pairs for each in pair]:
        one.close()


def test_images_that_wait_to_be_stored_count(pair):
    """A peer that sends without waiting for answers makes the door hold what it has not stored."""
    ours, theirs = pair
    made, _ = receiver(ours, largest_object=150_000)
    asked(made, theirs)
    for _ in range(3):
        theirs.sendall(bytes(100_000))
        made.receive(100_000)
        made.answered(100_000, more=True)
    assert made._held == 1
    made.answered(100_000)
    assert made._held == 0


def test_what_an_ended_one_holds_counts_until_it_is_gone():
    """Others wait for it: memory is not free because somebody was told to go; and nobody else is ended for it."""
    holding = Holding(1_000_000)
    pairs = [socket.socketpair() for _ in range(2)]
    good, greedy = (asked(receiver(ours, holding=holding)[0], theirs) for ours, theirs in pairs)
    for _ in range(9):
        pairs[1][1].sendall(bytes(100_000))
        greedy.receive(100_000)
    pairs[0][1].sendall(bytes(150_000))
    came: list[int] = []
    waiting = threading.Thread(target=lambda: came.append(len(good.receive(150_000))))
    waiting.start()
    assert not pairs[1][1].recv(1), "the one that holds the most is ended"
    assert waiting.is_alive()
    assert not came
    greedy.close()
    waiting.join(PATIENCE_S)
    assert came == [150_000]
    for one in [each for pair in pairs for each in pair]:
        one.close()


def test_who_waits_for_room_goes_on_in_time(pair):
    """Where the ended one does not go, as a disk hangs: slowly, but it goes on."""
    ours, theirs = pair
    holding = Holding(1_000)
    gone, _ = receiver(socket.socket(), holding=holding)
    with pytest.raises(ConnectionAbortedError):
        holding.take(gone, 2_000, 0)
    made, _ = receiver(ours, holding=holding, pdu_s=0.01)
    asked(made, theirs)
    theirs.sendall(b"x")
    assert made.receive(1) == b"x"
    gone.close()
