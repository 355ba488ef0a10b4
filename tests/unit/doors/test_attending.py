"""Attending: nothing that comes, is to be sent or ends waits for a timer; and pynetdicom has what this stands on."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
from types import SimpleNamespace

import pytest
from pynetdicom import AE
from pynetdicom.association import Association

from streams.doors import attending
from streams.doors.attending import PRIVATE_NAMES, Attending, Attention
from tests.attack.wire import Peer, request
from tests.support.doors import dimse_door, send, slice_file, told_of

NAMES = [(owner, name) for owner, names in PRIVATE_NAMES.items() for name in names]
PATIENCE_S = 10


@pytest.fixture(autouse=True)
def _timers_do_not_help(monkeypatch):
    """Whoever is not woken sleeps for a minute, and fails its test."""
    monkeypatch.setattr(attending, "LOOK_S", 60.0)


@pytest.mark.parametrize(("owner", "name"), NAMES)
def test_private_names_exist(owner, name):
    """A new version of pynetdicom that renames one fails here, not in a hospital."""
    association = Association(AE(), "acceptor")
    found = association if owner == "association" else getattr(association, owner)
    assert hasattr(found, name)


def test_the_serving_thread_waits_at_its_checkpoint():
    """In each turn, by wait(): all that this stands on."""
    names = Association._run_reactor.__code__.co_names
    assert "_reactor_checkpoint" in names
    assert "wait" in names


def test_attention_is_there_while_there_is_something():
    """Set: once. A message, or the end of the other thread: without being set."""
    messages: queue.Queue[int] = queue.Queue()
    attention = Attention(SimpleNamespace(dimse=SimpleNamespace(msg_queue=messages)))
    attention.set()
    assert attention.wait()
    assert not attention.wait(0)
    messages.put(1)
    assert attention.wait()
    messages.get()
    attention.over = True
    assert attention.wait()


class Talk:
    """An association whose thread looks at its socket until it is told to end."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.sent: queue.Queue[str] = queue.Queue()
        self.turns: queue.Queue[bool] = queue.Queue()
        self.ended = threading.Event()
        self.dul = SimpleNamespace(
            event_queue=queue.Queue(), to_user_queue=queue.Queue(), socket=SimpleNamespace(socket=self.ours),
            state_machine=SimpleNamespace(current_state="Sta6"), send_pdu=self.sent.put, run=self.run,
            _is_transport_event=self.came, _process_recv_primitive=lambda: not self.sent.empty(),
        )  # fmt: skip
        self.dimse = SimpleNamespace(msg_queue=queue.Queue())
        self._reactor_checkpoint: Attention
        Attending(self, self.ended.set)
        self.thread = threading.Thread(target=self.dul.run)

    def came(self) -> bool:
        self.ours.setblocking(False)
        try:
            return bool(self.ours.recv(1))
        except BlockingIOError:
            return False

    def run(self) -> None:
        """As pynetdicom's: what is to be sent comes first, then what the peer sent."""
        while True:
            if self.sent.empty():
                self.turns.put(self.dul._is_transport_event())
            elif self.sent.get() == "end":
                return


@pytest.fixture
def talk():
    made = Talk()
    made.thread.start()
    yield made
    made.dul.send_pdu("end")
    made.thread.join(PATIENCE_S)
    made.ours.close()
    made.theirs.close()
    assert not made.thread.is_alive()
    assert made.ended.is_set(), "it is told when nothing more can come"


def test_what_the_peer_sends_ends_the_wait(talk):
    talk.theirs.sendall(b"x")
    assert talk.turns.get(timeout=PATIENCE_S) is True


def test_what_is_to_be_sent_ends_the_wait(talk):
    """From another thread, and before the peer is looked at again."""
    talk.theirs.sendall(b"x")
    assert talk.turns.get(timeout=PATIENCE_S) is True
    talk.dul.send_pdu("answer")
    talk.theirs.sendall(b"x")
    turns = iter(lambda: talk.turns.get(timeout=PATIENCE_S), True)
    assert not any(turns)
    assert talk.sent.empty()


def test_a_message_wakes_the_thread_that_serves(talk):
    """As soon as it is whole, whatever the peer does then; and so does the end."""
    talk.dimse.msg_queue.put("message")
    talk.theirs.sendall(b"x")
    assert talk.turns.get(timeout=PATIENCE_S) is True
    talk.theirs.sendall(b"x")
    assert talk.turns.get(timeout=PATIENCE_S) is True
    assert talk._reactor_checkpoint.is_set()


def test_an_association_that_ends_does_not_wait():
    """What is left is done step by step by pynetdicom itself."""
    talk = Talk()
    talk.dul.state_machine.current_state = "Sta13"
    assert talk.dul._is_transport_event() is False
    talk.ours.close()
    talk.theirs.close()


def test_sending_when_the_thread_has_ended_wakes_nobody():
    """Its descriptor may be somebody else's by then."""
    talk = Talk()
    talk.dul.send_pdu("end")
    talk.dul.run()
    talk.dul.send_pdu("late")
    assert talk._reactor_checkpoint.over
    talk.ours.close()
    talk.theirs.close()


@pytest.mark.parametrize("how", ["release", "abort"])
async def test_a_door_needs_no_timer(tmp_path, how):
    """Images, answers and each end come through at once."""
    async with dimse_door(tmp_path) as parts:
        answers = await asyncio.to_thread(send, parts.door.port, [slice_file(1), slice_file(2)], how=how)
        assert answers == [0, 0]
        assert await parts.shipper.drained(PATIENCE_S)
    assert [event.how for event in told_of(parts.log)[1]] == [f"association-{how}d".replace("abortd", "aborted")]


async def test_a_peer_that_hangs_up_is_noticed_without_one(tmp_path):
    """Both threads of it end, though it said nothing."""
    async with dimse_door(tmp_path) as parts:

        def come_and_go() -> list[threading.Thread]:
            with Peer(parts.door.port) as peer:
                assert peer.associate(request())
                return [t for t in threading.enumerate() if "AcceptorThread" in t.name or "run_reactor" in t.name]

        began = await asyncio.to_thread(come_and_go)
        assert len(began) >= 2
        for thread in began:
            await asyncio.to_thread(thread.join, PATIENCE_S)
            assert not thread.is_alive()
