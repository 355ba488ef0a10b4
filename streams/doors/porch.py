"""The porch: a connection waits here, without a thread, until it has asked for an association."""

from __future__ import annotations

import errno
import fcntl
import logging
import select
import selectors
import socket
import struct
import termios
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

log = logging.getLogger(__name__)

HEAD = struct.Struct(">BxL")
"""Type and length of a PDU (PS3.8 9.3.1)."""
ASSOCIATE_RQ = 0x01
ABORT = b"\x07\0\0\0\0\4\0\0\2\2"
"""A-ABORT by the service provider: unexpected PDU (PS3.8 9.3.8)."""
ENOUGH_BYTES = 16_384
"""A connection that has sent so much of its request is let in; its door bounds how long the rest may take."""
BACKLOG = 256
PAUSE_S = 0.1
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class PorchLimits:
    """How many may wait, how long, and how long a request may be.

    Attributes:
        waiting_most: connections that have not asked yet; one more sends the longest waiting away.
        request_s: within which a request must have come: the ARTIM timer of PS3.8 9.1.5.
        request_most: bytes of an A-ASSOCIATE-RQ.
    """

    waiting_most: int = 256
    request_s: float = 10.0
    request_most: int = 131_072


@dataclass(slots=True)
class _Waiting:
    address: Any
    deadline: float


class Porch:
    """Accepts in one thread; whoever has asked whole, or long enough, is let in. It reads nothing: it peeks."""

    def __init__(
        self,
        listening: socket.socket,
        admit: Callable[[socket.socket, Any], None],
        limits: PorchLimits,
        turned_away: Callable[[str], None] = lambda _why: None,
    ) -> None:
        """`admit` takes over the connection, with all that it sent still to be read; `turned_away` is told why not."""
        self._listening, self._admit, self._limits, self._turned_away = listening, admit, limits, turned_away
        self._waiting: OrderedDict[socket.socket, _Waiting] = OrderedDict()
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="dimse-porch", daemon=True)

    def start(self) -> None:
        """Accept from now on."""
        self._listening.setblocking(False)
        self._listening.listen(BACKLOG)
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread.start()

    def stop(self) -> None:
        """Accept no more, and send away who waits; blocks until that is done."""
        self._wake.close()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            while self._turn():
                self._send_away_the_late()
        finally:
            for connection in list(self._waiting):
                self._send_away(connection, "the door closes")
            self._selector.close()
            self._woken.close()

    def _turn(self) -> bool:
        for key, _ in self._selector.select(self._patience()):
            if key.fileobj is self._woken:
                return False
            if key.fileobj is self._listening:
                self._accept()
            elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._waiting:
                self._look_at(key.fileobj)
        return True

    def _patience(self) -> float | None:
        """Seconds until the one that waits longest is late."""
        first = next(iter(self._waiting.values()), None)
        return None if first is None else max(first.deadline - monotonic(), 0.0)

    def _accept(self) -> None:
        try:
            connection, address = self._listening.accept()
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS and self._waiting:
                self._send_away(next(iter(self._waiting)), "too many connections")
            elif error.errno in _NO_DESCRIPTORS:
                log.warning("a connection cannot be accepted: %s", error.strerror)
                select.select([self._woken], [], [], PAUSE_S)  # nothing tells that there are descriptors again
            return
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, HEAD.size)
        if len(self._waiting) >= self._limits.waiting_most:
            self._send_away(next(iter(self._waiting)), "others came while it did not ask")
        self._waiting[connection] = _Waiting(address, monotonic() + self._limits.request_s)
        self._selector.register(connection, selectors.EVENT_READ)

    def _look_at(self, connection: socket.socket) -> None:
        """What it has sent so far; told again once the wanted number of bytes is there."""
        try:
            head = connection.recv(HEAD.size, socket.MSG_PEEK)
            there = struct.unpack("i", fcntl.ioctl(connection, termios.FIONREAD, bytes(4)))[0]
        except BlockingIOError:
            return
        except OSError:
            head, there = b"", 0
        if len(head) < HEAD.size:
            self._send_away(connection, "it went without asking")
            return
        kind, length = HEAD.unpack(head)
        wanted = min(HEAD.size + length, ENOUGH_BYTES)
        if kind != ASSOCIATE_RQ:
            self._send_away(connection, "it began with no association request")
        elif length > self._limits.request_most:
            self._send_away(connection, "its association request claims more than is read")
        elif there >= wanted:
            self._let_in(connection)
        else:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted)

    def _let_in(self, connection: socket.socket) -> None:
        address = self._forget(connection).address
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        connection.setblocking(True)
        try:
            self._admit(connection, address)
        except RuntimeError as error:  # no thread can be started
            log.warning("a connection cannot be served: %s", error)
            self._close(connection)

    def _send_away_the_late(self) -> None:
        now = monotonic()
        while self._waiting and next(iter(self._waiting.values())).deadline <= now:
            self._send_away(next(iter(self._waiting)), "it did not ask in time")

    def _send_away(self, connection: socket.socket, why: str) -> None:
        self._forget(connection)
        self._close(connection)
        self._turned_away(why)

    def _forget(self, connection: socket.socket) -> _Waiting:
        self._selector.unregister(connection)
        return self._waiting.pop(connection)

    def _close(self, connection: socket.socket) -> None:
        try:
            connection.send(ABORT)
            connection.shutdown(socket.SHUT_WR)
        except OSError as error:
            log.debug("a connection was gone already: %s", error.strerror)
        finally:
            connection.close()
