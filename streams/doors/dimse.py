"""The DIMSE door: C-STORE and C-ECHO (PS3.4 B, PS3.7 9.1); bytes as they came, never decoded here."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, AllStoragePresentationContexts, _config, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from streams.doors.part10 import wrap
from streams.doors.settings import DoorSettings
from streams.doors.spool import Note, Spool
from streams.errors import NoRoom
from streams.events.identifiers import is_uid
from streams.ports import ObjectStore

log = logging.getLogger(__name__)

SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND, NO_SUCH_UID = 0x0000, 0xA700, 0xC000, 0xA900
"""PS3.4 B.2.3, Table B.2-1."""
COMMENT_LONGEST = 64
ALL_SYNTAXES = (
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.92", "1.2.840.10008.1.2.4.93", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.102",
    "1.2.840.10008.1.2.4.103",
)  # fmt: skip


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
        """`shipped` is called in the event loop that starts the door, with each note that is durable.

        `refused` is told of each refusal: no-room or not-stored.
        """
        self._settings, self._objects, self._spool, self._shipped = settings, objects, spool, shipped
        self._refused = refused
        self._associations: dict[Any, str] = {}
        self._server: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Listen; returns at once, associations run in threads of their own."""
        self._loop = asyncio.get_running_loop()
        _config.UNRESTRICTED_STORAGE_SERVICE = True
        entity = AE(ae_title=self._settings.ae_title)
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(str(context.abstract_syntax), list(ALL_SYNTAXES))
        entity.add_supported_context(Verification)
        entity.maximum_pdu_size = self._settings.pdu_bytes
        entity.maximum_associations = self._settings.associations_most
        entity.network_timeout = entity.dimse_timeout = self._settings.silence_s
        entity.acse_timeout = min(30.0, self._settings.silence_s)
        entity.require_called_aet = self._settings.called_ae is not None
        entity.require_calling_aet = list(self._settings.calling_aes)
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_C_ECHO, lambda _event: SUCCESS),
            (evt.EVT_RELEASED, self._on_released),
            (evt.EVT_ABORTED, self._on_aborted),
            (evt.EVT_CONN_CLOSE, self._on_aborted),
        ]
        address = (self._settings.host, self._settings.port)
        self._server = entity.start_server(address, block=False, evt_handlers=handlers)

    def stop(self) -> None:
        """Accept no more; associations that run are ended."""
        if self._server is not None:
            self._server.shutdown()

    def _on_store(self, event: Any) -> Dataset | int:
        request = event.request
        instance = str(request.AffectedSOPInstanceUID or "")
        if not is_uid(instance):
            return _answer(NO_SUCH_UID, "Affected SOP Instance UID is no UID")
        try:
            content = wrap(
                event.encoded_dataset(include_meta=False),
                sop_class=str(request.AffectedSOPClassUID),
                sop_instance=instance,
                transfer_syntax=str(event.context.transfer_syntax),
            )
            digest = self._objects.put(content)
            self._owe(self._note(event.assoc, kind="instance", digest=digest, instance=instance))
        except NoRoom as error:
            log.warning("refused an instance: %s", error)
            self._refused("no-room")
            return _answer(OUT_OF_RESOURCES, str(error))
        except Exception:
            log.exception("could not store an instance")
            self._refused("not-stored")
            return _answer(CANNOT_UNDERSTAND, "could not be stored; send it again")
        return SUCCESS

    def _on_released(self, event: Any) -> None:
        self._end(event.assoc, "association-released")

    def _on_aborted(self, event: Any) -> None:
        self._end(event.assoc, "association-aborted")

    def _end(self, association: Any, how: str) -> None:
        name = self._associations.pop(association, None)
        if name is None:  # it stored nothing, or its end is told already
            return
        try:
            self._owe(Note(kind="closed", at=datetime.now(UTC), association=name, how=how))  # type: ignore[arg-type]
        except NoRoom:
            log.exception("the end of an association could not be noted; silence will tell it")

    def _note(self, association: Any, **facts: Any) -> Note:
        name = self._associations.setdefault(association, str(uuid.uuid4()))  # a door names what enters
        return Note(at=datetime.now(UTC), association=name, **facts)

    def _owe(self, note: Note) -> None:
        self._spool.owe(note)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._shipped, note)


def _answer(status: int, comment: str) -> Dataset:
    """A C-STORE response with an Error Comment (0000,0902), LO: 64 characters."""
    answer = Dataset()
    answer.Status = status
    answer.ErrorComment = comment[:COMMENT_LONGEST]
    return answer
