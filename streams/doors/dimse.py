"""The DIMSE door: C-STORE and C-ECHO (PS3.4 B, PS3.7 9.1); bytes as they came, never decoded here."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import
from pynetdicom.transport import ThreadedAssociationServer

from streams.doors.attending import Attending
from streams.doors.notes import Ending, Note
from streams.doors.part10 import wrap
from streams.doors.porch import Porch, PorchLimits
from streams.doors.receiving import Holding, Receiver
from streams.doors.settings import DoorSettings
from streams.doors.spool import Spool
from streams.errors import NoRoom, Refused
from streams.events.identifiers import is_uid
from streams.faults.points import STATE, Point
from streams.ports import ObjectStore

log = logging.getLogger(__name__)

SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND, NO_SUCH_UID = 0x0000, 0xA700, 0xC000, 0xA900
"""PS3.4 B.2.3, Table B.2-1."""
COMMENT_LONGEST = 64
SAY_EVERY_S = 10.0
TIDY_S = 30.0
"""pynetdicom's associations are cycles that hold their last instance: collected so often, while any end."""


@dataclass(slots=True, eq=False)
class _Visitor:
    """One association: its random name, and what of it is under way."""

    receiver: Receiver
    name: str = field(default_factory=lambda: str(uuid.uuid4()))  # a door names what enters
    lock: threading.Lock = field(default_factory=threading.Lock)
    stored: int = 0
    ended: bool = False
    answering: bool = False
    """Success was given, and is on its way; only where a fault is asked for."""


class DimseDoor:
    """A storage SCP. Success is answered when bytes and note are synced; the events follow."""

    def __init__(
        self,
        settings: DoorSettings,
        objects: ObjectStore,
        spool: Spool,
        shipped: Callable[[Note], None],
        refused: Callable[[str], None] = lambda _why: None,
    ) -> None:
        """`shipped` is called in the event loop that starts the door, after each attempt to make a note durable.

        `refused` is told of each refusal: no-room or not-stored.
        """
        self._settings, self._objects, self._spool, self._shipped = settings, objects, spool, shipped
        self._refused = refused
        self._visitors: dict[Any, _Visitor] = {}
        self._receivers: dict[Any, Receiver] = {}
        self._holding = Holding(settings.held_most)
        self._tidied = monotonic()
        self._server: Any = None
        self._porch: Porch | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def port(self) -> int:
        """Where it listens; the one that was free where 0 was asked for."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Listen; returns at once, associations run in threads of their own.

        All storage classes, private ones too, in the transfer syntax that the sender names first: bytes are
        stored as they come. pynetdicom has one switch per process for that.
        """
        self._loop = asyncio.get_running_loop()
        _config.UNRESTRICTED_STORAGE_SERVICE = True
        _config.LOG_HANDLER_LEVEL = "none"
        entity = AE(ae_title=self._settings.ae_title)
        entity.add_supported_context(Verification)
        entity.maximum_pdu_size = self._settings.pdu_bytes
        entity.maximum_associations = self._settings.associations_most
        entity.network_timeout = entity.dimse_timeout = self._settings.silence_s
        entity.acse_timeout = min(30.0, self._settings.silence_s)
        entity.require_called_aet = self._settings.called_ae is not None
        entity.require_calling_aet = list(self._settings.calling_aes)
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, self._on_connected),
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_C_ECHO, self._on_echo),
            (evt.EVT_RELEASED, self._on_released),
            (evt.EVT_ABORTED, self._on_aborted),
            (evt.EVT_CONN_CLOSE, self._on_closed),
        ]
        if STATE.reached is not None:
            handlers.append((evt.EVT_DATA_SENT, self._on_sent))
        address = (self._settings.host, self._settings.port)
        self._server = entity.make_server(address, evt_handlers=handlers, server_class=ThreadedAssociationServer)
        limits = PorchLimits(waiting_most=self._settings.waiting_most, request_s=self._settings.request_s)
        self._porch = Porch(self._server.socket, self._server.process_request, limits, _TurnedAway())
        self._porch.start()

    def stop(self) -> None:
        """Accept no more, let associations that run end, and abort them when their time is up; blocks.

        Stopping again is harmless.
        """
        server, self._server = self._server, None
        if server is None:
            return
        if self._porch is not None:
            self._porch.stop()
        running = list(server.active_associations)
        server.server_close()
        deadline = monotonic() + self._settings.finish_s
        for association in running:
            association.join(max(deadline - monotonic(), 0.0))
            if association.is_alive():
                association.abort()
        for association in list(self._visitors):
            self._end(association, "association-aborted")

    def _on_connected(self, event: Any) -> None:
        """Answer without Nagle's delay (40 ms an image otherwise), and bound what a peer can make us hold."""
        transport = event.assoc.dul.socket
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        receiver = Receiver(transport.socket, self._settings, self._holding, partial(self._gives_up, event.assoc))
        self._visitors[event.assoc], self._receivers[event.assoc] = _Visitor(receiver), receiver
        transport.recv = receiver.receive
        Attending(event.assoc, partial(self._gone, event.assoc))

    def _gives_up(self, association: Any) -> None:
        """No association can come of it: None is what pynetdicom's waiting gives when its time is up."""
        association.dul.to_user_queue.put(None)
        self._end(association, "association-aborted")

    def _on_echo(self, event: Any) -> int:
        if visitor := self._visitors.get(event.assoc):
            visitor.receiver.answered()
        return SUCCESS

    def _on_store(self, event: Any) -> Dataset | int:
        visitor = self._visitors.get(event.assoc)
        if visitor is None:
            return _answer(OUT_OF_RESOURCES, "the association has ended")
        with visitor.lock:
            try:
                return self._store(event, visitor)
            except NoRoom as error:
                log.warning("refused an instance: %s", error)
                self._refused("no-room")
                return _answer(OUT_OF_RESOURCES, str(error))
            except Exception:
                log.exception("could not store an instance")
                self._refused("not-stored")
                return _answer(CANNOT_UNDERSTAND, "could not be stored; send it again")
            finally:
                size = event.request.DataSet.getbuffer().nbytes if event.request.DataSet else 0
                event.request.DataSet = None  # pynetdicom would keep it until the next comes
                visitor.receiver.answered(size, more=not event.assoc.dimse.msg_queue.empty())

    def _store(self, event: Any, visitor: _Visitor) -> Dataset | int:
        """Success only when the bytes and the note are durable."""
        if visitor.ended:
            return _answer(OUT_OF_RESOURCES, "the association has ended")
        request = event.request
        sop_class, instance = str(request.AffectedSOPClassUID or ""), str(request.AffectedSOPInstanceUID or "")
        if not is_uid(instance) or not is_uid(sop_class):
            return _answer(NO_SUCH_UID, "Affected SOP Class or Instance UID is no UID")
        content = wrap(
            event.request.DataSet.getbuffer(),  # not a copy of it
            sop_class=sop_class,
            sop_instance=instance,
            transfer_syntax=str(event.context.transfer_syntax),
        )
        digest, now = self._objects.put(content), datetime.now(UTC)
        self._owe(Note(kind="instance", at=now, association=visitor.name, digest=digest, instance=instance))
        visitor.stored += 1
        visitor.answering = True
        Point.SCU_ACKNOWLEDGED.before()
        return SUCCESS

    def _on_sent(self, event: Any) -> None:
        visitor = self._visitors.get(event.assoc)
        if visitor is not None and visitor.answering:
            visitor.answering = False
            Point.SCU_ACKNOWLEDGED.after()

    def _on_released(self, event: Any) -> None:
        self._end(event.assoc, "association-released")

    def _on_aborted(self, event: Any) -> None:
        self._end(event.assoc, "association-aborted")

    def _on_closed(self, event: Any) -> None:
        self._gone(event.assoc)

    def _gone(self, association: Any) -> None:
        """Nothing more comes of the connection: noted as it ended, where nobody has yet.

        What came of instances that will never be whole, or never be stored, goes at once: pynetdicom's cycles would
        keep it. So would they keep a connection whose peer was gone first: it closes none that it cannot shut down.
        """
        released = association._sent_release  # noqa: SLF001  # known before the peer can answer
        self._end(association, "association-released" if released else "association-aborted")
        association.dimse.message = None
        association.dimse.msg_queue.queue.clear()
        if receiver := self._receivers.pop(association, None):
            receiver.close()

    def _end(self, association: Any, how: Ending) -> None:
        """Note the end, once; a store that is under way comes first."""
        visitor = self._visitors.pop(association, None)
        if visitor is None:
            return
        visitor.receiver.answered()
        if monotonic() - self._tidied > TIDY_S:
            self._tidied = monotonic()
            gc.collect()
        with visitor.lock:
            visitor.ended = True
            if not visitor.stored:
                return
            try:
                self._owe(Note(kind="closed", at=datetime.now(UTC), association=visitor.name, how=how))
            except Refused:
                log.exception("the end of an association could not be noted; silence will tell it")

    def _owe(self, note: Note) -> None:
        try:
            self._spool.owe(note, always=note.kind == "closed")
        finally:
            # also where it failed: whoever ships must learn that the spool is closed, and end this process
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._shipped, note)


@dataclass(slots=True)
class _TurnedAway:
    """Says why a connection was sent away, not each time: an attack must not fill the disk with its own story."""

    said_at: float = float("-inf")
    since: int = 0

    def __call__(self, why: str) -> None:
        self.since += 1
        if monotonic() - self.said_at >= SAY_EVERY_S:
            log.info("a connection was sent away: %s (%d since it was said last)", why, self.since)
            self.said_at, self.since = monotonic(), 0


def _answer(status: int, comment: str) -> Dataset:
    """A C-STORE response with an Error Comment (0000,0902), LO: 64 characters."""
    answer = Dataset()
    answer.Status = status
    answer.ErrorComment = comment.encode("ascii", "replace").decode()[:COMMENT_LONGEST]
    return answer
