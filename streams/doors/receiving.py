"""Receiving PDUs from one peer: how long, how slow and how much it may be."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from time import monotonic

from pynetdicom.pdu import A_ASSOCIATE_RQ

from streams.doors.asking import request_fault
from streams.doors.porch import ASSOCIATE_RQ, HEAD
from streams.doors.settings import DoorSettings

PDU_MOST = 1_000_000
RECEIVE_BYTES = 262_144
HEAD_BYTES = HEAD.size
"""pynetdicom asks for a PDU's head first."""


class Holding:
    """What all associations of a door have sent and nobody has stored yet."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._held: dict[Receiver, int] = {}

    def set(self, receiver: Receiver, held: int) -> None:
        """It holds so much now; 0 forgets it. Where that is too much in all, the largest is ended."""
        with self._lock:
            if not held:
                self._held.pop(receiver, None)
                return
            self._held[receiver] = held
            if sum(self._held.values()) <= self._most:
                return
            largest = max(self._held, key=lambda r: self._held[r])
        largest.cut()


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
        self._holding.set(self, self._held)
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
        self._holding.set(self, self._held)

    def cut(self) -> None:
        """End the connection, from any thread."""
        self._holding.set(self, 0)
        with contextlib.suppress(OSError):  # it has gone by itself
            self._connection.shutdown(socket.SHUT_RDWR)


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
