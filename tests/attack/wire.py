"""DICOM's upper layer by hand (PS3.8 9.3, PS3.7 9.1): a sender that is quick, and one that can lie."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"
APPLICATION = b"1.2.840.10008.3.1.1.1"
HOST = "127.0.0.1"
RELEASE = b"\x05\0\0\0\0\4\0\0\0\0"
PIECE = 16_000


@dataclass(frozen=True)
class Context:
    """A presentation context as it is proposed: any id, any text."""

    number: int = 1
    abstract: str = CT
    syntax: str = EXPLICIT


def item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def pdu(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxL", kind, len(content)) + content


def request(contexts: Iterable[Context] = (Context(),), called: str = "WETREAD", calling: str = "SCANNER") -> bytes:
    """An A-ASSOCIATE-RQ."""
    titles = called.encode().ljust(16)[:16] + calling.encode().ljust(16)[:16]
    body = struct.pack(">HH", 1, 0) + titles + bytes(32) + item(0x10, APPLICATION)
    for context in contexts:
        inner = item(0x30, context.abstract.encode()) + item(0x40, context.syntax.encode())
        body += item(0x20, struct.pack(">B3x", context.number % 256) + inner)
    user = item(0x51, struct.pack(">L", 131_072)) + item(0x52, b"2.25.1")
    return pdu(1, body + item(0x50, user))


def _element(group: int, element: int, value: bytes) -> bytes:
    return struct.pack("<HHL", group, element, len(value)) + value


def _uid(text: str | bytes) -> bytes:
    value = text.encode() if isinstance(text, str) else text
    return value + b"\0" * (len(value) % 2)


def store_command(instance: str | bytes, sop_class: str | bytes = CT) -> bytes:
    """The command set of a C-STORE-RQ, whatever its UIDs are."""
    body = (
        _element(0, 0x0002, _uid(sop_class))
        + _element(0, 0x0100, struct.pack("<H", 1))
        + _element(0, 0x0110, struct.pack("<H", 7))
        + _element(0, 0x0700, struct.pack("<H", 0))
        + _element(0, 0x0800, struct.pack("<H", 1))
        + _element(0, 0x1000, _uid(instance))
    )
    return _element(0, 0, struct.pack("<L", len(body))) + body


def value(content: bytes, header: int, context: int = 1) -> bytes:
    """A P-DATA-TF with one presentation data value; header 3 is a whole command, 0 data, 2 the last of them."""
    return pdu(4, struct.pack(">LBB", len(content) + 2, context, header) + content)


def message(dataset: bytes, instance: str | bytes, sop_class: str | bytes = CT) -> bytes:
    """A whole C-STORE-RQ as PDUs."""
    pieces = [dataset[at : at + PIECE] for at in range(0, len(dataset), PIECE)] or [b""]
    sent = [value(piece, 2 if n == len(pieces) - 1 else 0) for n, piece in enumerate(pieces)]
    return value(store_command(instance, sop_class), 3) + b"".join(sent)


class Peer:
    """One connection to a door."""

    def __init__(self, port: int, timeout: float = 20.0) -> None:
        self.connection = socket.create_connection((HOST, port), timeout=timeout)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(self, content: bytes) -> None:
        self.connection.sendall(content)

    def receive(self) -> tuple[int, bytes]:
        """Type and content of the next PDU; (0, b"") where the door has closed."""
        head = self._exactly(6)
        if len(head) < 6:
            return 0, b""
        kind, length = struct.unpack(">BxL", head)
        return kind, self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        content = b""
        try:
            while len(content) < size and (part := self.connection.recv(size - len(content))):
                content += part
        except (ConnectionError, TimeoutError):
            return content
        return content

    def associate(self, asked: bytes) -> bool:
        self.send(asked)
        return self.receive()[0] == 2

    def store(self, dataset: bytes, instance: str | bytes, sop_class: str | bytes = CT) -> int:
        """The status (0000,0900) of the answer; -1: none came."""
        self.send(message(dataset, instance, sop_class))
        kind, content = self.receive()
        at = content.find(struct.pack("<HHL", 0, 0x0900, 2))
        return struct.unpack_from("<H", content, at + 8)[0] if kind == 4 and at >= 0 else -1

    def release(self) -> None:
        self.send(RELEASE)
        self.receive()


def deliver(port: int, dataset: bytes, instance: str) -> int:
    """What a good sender does: associate, store one instance, release; the status, -1 where it was not served."""
    try:
        with Peer(port) as peer:
            if not peer.associate(request()):
                return -1
            status = peer.store(dataset, instance)
            peer.release()
    except OSError:
        return -1
    return status
