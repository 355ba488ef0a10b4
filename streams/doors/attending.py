"""An association that waits for what comes, where pynetdicom looks for it a thousand times a second, twice.

Its two threads are one that speaks with the peer (the DUL) and one that serves what came. Every private name of
pynetdicom that is used or overridden here is listed in PRIVATE_NAMES, and a test asks the pinned version for each.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from typing import Any

PRIVATE_NAMES = {
    "association": ("_reactor_checkpoint", "_run_reactor", "_sent_release", "dimse", "dul"),
    "dimse": ("message", "msg_queue"),
    "dul": (
        "_is_transport_event",
        "_process_recv_primitive",
        "event_queue",
        "send_pdu",
        "socket",
        "state_machine",
        "to_user_queue",
    ),
}
"""Of an association, and of its two providers."""
LOOK_S = 0.5
"""So often each thread looks at its timers, and for whatever nobody wakes it for."""
ENDING = ("Sta1", "Sta13")
"""States of PS3.8 9.2 in which pynetdicom itself ends what there is, step by step: nobody waits."""


class Attention(threading.Event):
    """In place of the event that an acceptor's thread passes in each turn: it waits there until there is something.

    It clears itself. pynetdicom pauses a requestor by it; an acceptor that sends no requests is never paused.
    """

    def __init__(self, association: Any) -> None:
        """`association`: a pynetdicom one, as acceptor."""
        super().__init__()
        self._association = association
        self.over = False
        """The thread that speaks with the peer has ended: the other is to see it at once."""

    def wait(self, timeout: float | None = None) -> bool:
        """Until a message or the end of the association came, or it is time to look at the timers."""
        came = True
        if self._association.dimse.msg_queue.empty() and not self.over:
            came = super().wait(LOOK_S if timeout is None else timeout)
        self.clear()  # before the queues are looked at: what comes from now on sets it again
        return came


class Attending:
    """The waiting of one association's two threads: on its socket, on each other."""

    def __init__(self, association: Any, ended: Callable[[], None]) -> None:
        """Set before the association is started; `ended` is called once nothing more can come of its connection."""
        self._association, self._ended = association, ended
        self._dul = association.dul
        self._lock = threading.Lock()
        self._wake: int | None = None
        self._attention = Attention(association)
        association._reactor_checkpoint = self._attention  # noqa: SLF001
        self._look, self._dul._is_transport_event = self._dul._is_transport_event, self._came  # noqa: SLF001
        self._send, self._dul.send_pdu = self._dul.send_pdu, self._sent
        self._run, self._dul.run = self._dul.run, self._runs

    def _runs(self) -> None:
        """The thread that speaks with the peer; what wakes it lives as long as it does."""
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            self._run()
        finally:
            with self._lock:
                os.close(self._wake)
                self._wake = None
            self._attention.over = True
            self._attention.set()
            self._ended()

    def _sent(self, primitive: Any) -> None:
        """Something is to be sent: whoever waits for the peer is woken for it."""
        self._send(primitive)
        with self._lock:
            if self._wake is not None:
                os.eventfd_write(self._wake, 1)

    def _came(self) -> bool:
        """Whether the peer sent something, or is gone; waits for that, and for something to send."""
        self._tell()
        if self._look():
            return True
        if not self._dul.event_queue.empty() or self._dul.state_machine.current_state in ENDING:
            return False
        self._rest()
        if self._dul._process_recv_primitive():  # noqa: SLF001
            return False
        return bool(self._look())

    def _tell(self) -> None:
        """Wake the thread that serves, where there is something for it."""
        if not (self._association.dimse.msg_queue.empty() and self._dul.to_user_queue.empty()):
            self._attention.set()

    def _rest(self) -> None:
        """Until the peer sends, or something is to be sent."""
        connection = self._dul.socket.socket
        descriptor = -1 if connection is None else connection.fileno()
        if descriptor < 0 or self._wake is None:
            return
        waiting = select.poll()  # a descriptor may be above 1,023
        waiting.register(descriptor, select.POLLIN)
        waiting.register(self._wake, select.POLLIN)
        if any(ready == self._wake for ready, _ in waiting.poll(LOOK_S * 1_000)):
            os.eventfd_read(self._wake)
