"""Receiving PDUs from one peer: how long, how slow and how much it may be."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from time import monotonic

from pynetdicom.pdu import A_ASSOCIATE_RQ

from streams.doors.asking import request_fault
from streams.doors.porch import ASSOCIATE_RQ, HEAD
from streams.doors.settings import DoorSettings

log = logging.getLogger(__name__)

PDU_MOST = 1_000_000
RECEIVE_BYTES = 262_144
HEAD_BYTES = HEAD.size
"""pynetdicom asks for a PDU's head first."""


class Holding:
    """What all associations of a door have sent and nobody has stored yet.

    One that is ended counts until it has let go of what it held: memory is not free before.
    """

    def __init__(self, most: int) -> None:
        """`most`: bytes of all. An image that is being stored lies twice in memory, with its file around it."""
        self._most = most
        self._changed = threading.Condition()
        self._held: dict[Receiver, int] = {}
        self._ended: set[Receiver] = set()

    def take(self, receiver: Receiver, held: int, patience_s: float) -> None:
        """It will hold so much; returns when there is room for that, or after `patience_s`.

        Where it is too much in all, the one that holds the most is ended, and the others wait until it has let go.

        Raises:
            ConnectionAbortedError: it is the one that was ended.
        """
        with self._changed:
            self._held[receiver] = held
            staying = [each for each in self._held if each not in self._ended]
            largest = None
            if sum(self._held[each] for each in staying) > self._most:
                largest = max(staying, key=lambda each: self._held[each])
                self._ended.add(largest)
        if largest is not None:
            log.warning("%d bytes are received and not stored: who sent the most of them is ended", self._most)
            largest.cut()
        with self._changed:
            self._changed.wait_for(lambda: receiver in self._ended or self._fits(), patience_s)
            if receiver in self._ended:
                raise ConnectionAbortedError("more than this door holds at once")

    def let_go(self, receiver: Receiver, held: int) -> None:
        """It holds only so much now; 0 forgets it."""
        with self._changed:
            if held:
                self._held[receiver] = held
            else:
                self._held.pop(receiver, None)
                self._ended.discard(receiver)
            self._changed.notify_all()

    def _fits(self) -> bool:
        return sum(self._held.values()) <= self._most


class Receiver:
    """One connection's side of it, in place of pynetdicom's recv(), which waits for ever and asks 4 KB a call."""

    def __init__(
        self, connection: socket.socket, settings: DoorSettings, holding: Holding, gives_up: Callable[[], None]
    ) -> None:
        """`gives_up`: called when no association can come of the connection, so that nobody waits for one."""
        self._connection, self._settings, self._holding, self._gives_up = connection, settings, holding, gives_up
        self._asked = False
        self._held = 0
        self._began = monotonic()

    def receive(self, size: int) -> bytearray:
        """`size` bytes of a PDU, fewer where the peer has gone.

        Raises:
            OSError: it is too long, too slow, or no association request where one is due.
        """
        if self._asked:
            return self._part(size)
        try:
            content = self._whole(size)
            if len(content) < size:
                self._gives_up()
            elif size != HEAD_BYTES:
                _check_request(content)
                self._asked = True
        except OSError:
            self._gives_up()
            raise
        return content

    def _part(self, size: int) -> bytearray:
        """A PDU of an association: it counts into what is held until an instance is answered."""
        if not self._held:
            self._began = monotonic()
        self._held += size
        self._holding.take(self, self._held, self._settings.pdu_s)
        if self._held > self._settings.largest_object + PDU_MOST:
            raise ConnectionAbortedError("an object longer than this door takes")
        if monotonic() - self._began > self._settings.silence_s + self._held / self._settings.slowest_bytes_s:
            raise ConnectionAbortedError("an object that comes too slowly")
        return self._whole(size)

    def _whole(self, size: int) -> bytearray:
        if size > PDU_MOST:
            raise ConnectionAbortedError("a PDU longer than this door takes")
        content, filled = bytearray(), 0
        deadline = monotonic() + self._settings.pdu_s
        while filled < size:
            self._connection.settimeout(max(deadline - monotonic(), 0.001))
            part = self._connection.recv(min(size - filled, RECEIVE_BYTES))
            if not part:
                break
            content += part
            filled += len(part)
        return content

    def answered(self, size: int = 0, *, more: bool = False) -> None:
        """A message with so many bytes of data has been answered; `more`: others of this association wait to be."""
        self._began = monotonic()
        self._held = max(self._held - size, 1) if more else 0
        self._holding.let_go(self, self._held)

    def cut(self) -> None:
        """End the connection, from any thread; what it holds goes as its association ends."""
        with contextlib.suppress(OSError):  # it has gone by itself
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Nothing more comes of the connection, and nothing that came is held."""
        self._held = 0
        self._holding.let_go(self, 0)
        self._connection.close()


def _check_request(body: bytearray) -> None:
    """Raise what is wrong with an association request before negotiation builds anything from it."""
    fault = request_fault(body)
    if fault is None:
        try:
            request = A_ASSOCIATE_RQ()
            request.decode(HEAD.pack(ASSOCIATE_RQ, len(body)) + bytes(body))
            request.to_primitive()
        except Exception as error:  # noqa: BLE001  # pynetdicom raises whatever its parsing meets
            fault = f"an association request that cannot be read ({type(error).__name__})"
    if fault:
        raise ConnectionAbortedError(fault)
