"""A storage SCU: sends files as they are, one association per study, as a scanner or a PACS would."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pynetdicom import AE, _config, evt

from streams.errors import DoorClosed

SUCCESS = 0x0000
CONTEXTS_MOST = 128
"""Presentation contexts of one association (PS3.8 9.3.2.2)."""
PDU_BYTES = 131_072
LETS_GO_S = 2.0
"""Within which an association that was released or aborted has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileName:
    """What a file says of itself in its file meta and study."""

    path: Path
    study: str
    instance: str
    sop_class: str
    transfer_syntax: str
    accession: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the SCP answered for one file: a DIMSE status (PS3.7 C), None where the association broke."""

    file: FileName
    status: int | None
    comment: str = ""


def name_of(path: Path) -> FileName | None:
    """What a Part 10 file says of itself; None: C-STORE cannot carry it, and who sends gives it to the folder door."""
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=["StudyInstanceUID", "AccessionNumber"])
        meta = header.file_meta
        return FileName(
            path=path,
            study=str(header.StudyInstanceUID),
            instance=str(meta.MediaStorageSOPInstanceUID),
            sop_class=str(meta.MediaStorageSOPClassUID),
            transfer_syntax=str(meta.TransferSyntaxUID),
            accession=str(header.get("AccessionNumber", "") or ""),
        )
    except (InvalidDicomError, AttributeError, OSError, ValueError, TypeError, NotImplementedError, EOFError, KeyError):
        return None


def send(
    files: Iterable[FileName],
    host: str,
    port: int,
    called_ae: str,
    on_sent: Callable[[Sent], None] = lambda _sent: None,
) -> list[Sent]:
    """C-STORE the files, their bytes untouched, study after study; one association each.

    Raises:
        DoorClosed: the SCP does not accept an association.
    """
    _config.STORE_SEND_CHUNKED_DATASET = True
    by_study: dict[str, list[FileName]] = defaultdict(list)
    for file in files:
        by_study[file.study].append(file)
    answers: list[Sent] = []
    for members in by_study.values():
        answers += _send_study(members, (host, port, called_ae), on_sent)
    return answers


@contextmanager
def associated(entity: AE, host: str, port: int, called_ae: str) -> Iterator[Any]:
    """An association, established or not, to be released or aborted within; without Nagle's delay of 40 ms an image.

    Its connection is closed in the end: pynetdicom leaves open what it cannot shut down, as the peer was gone.
    """
    opened: list[socket.socket] = []

    def keep(event: Any) -> None:
        if not opened:
            opened.append(event.assoc.dul.socket.socket)
            opened[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    handlers: Any = [(evt.EVT_ACSE_SENT, keep)]  # the first: before it connects
    association = entity.associate(host, port, ae_title=called_ae, max_pdu=PDU_BYTES, evt_handlers=handlers)
    try:
        yield association
    finally:
        if association.ident is not None:  # one that is rejected never ran
            association.join(LETS_GO_S)
        for connection in opened:
            connection.close()


def _send_study(files: list[FileName], peer: tuple[str, int, str], on_sent: Callable[[Sent], None]) -> list[Sent]:
    host, port, called_ae = peer
    entity = AE(ae_title="WETREAD_SCU")
    entity.maximum_pdu_size = PDU_BYTES
    contexts = sorted({(f.sop_class, f.transfer_syntax) for f in files})
    for sop_class, syntax in contexts[:CONTEXTS_MOST]:
        entity.add_requested_context(sop_class, syntax)
    answers = []
    with associated(entity, host, port, called_ae) as association:
        if not association.is_established:
            raise DoorClosed(f"{called_ae} at {host}:{port} does not accept an association: is it up? `wetread status`")
        try:
            for file in files:
                answers.append(_store(association, file))
                on_sent(answers[-1])
        finally:
            association.release()
    return answers


def _store(association: object, file: FileName) -> Sent:
    try:
        answer = association.send_c_store(str(file.path))  # type: ignore[attr-defined]
    except (ValueError, RuntimeError, OSError, AttributeError) as error:
        return Sent(file=file, status=None, comment=str(error))
    if "Status" not in answer:
        return Sent(file=file, status=None, comment="the association broke")
    return Sent(file=file, status=int(answer.Status), comment=str(answer.get("ErrorComment", "")))
