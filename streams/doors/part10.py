"""The DICOM file format (PS3.10 7.1): reading its meta group, and one spelling of it for all that we store."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from pydicom.filereader import data_element_generator

from streams.errors import NotDicom
from streams.events.identifiers import UID_LONGEST

PREAMBLE_BYTES = 128
MAGIC = b"DICM"
META_GROUP = 0x0002
META_LONGEST = 65_536
UNDEFINED = 0xFFFFFFFF
DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
IMPLEMENTATION = "2.25.122082284405713416471338346921706532625"
"""Implementation Class UID (0002,0012) of the files that our doors write."""

_SOP_CLASS, _SOP_INSTANCE, _SYNTAX = 0x00020002, 0x00020003, 0x00020010


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What the meta group names, empty where it does not, and where the dataset begins."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    start: int


def uid_text(value: bytes) -> str:
    """A UID as it stands in an element: padding off, anything but ASCII shown as "?"."""
    return value.decode("ascii", "replace").strip(" \0")


def looks_like_dicom(content: bytes) -> bool:
    """Whether it has the magic word at its place."""
    return content[PREAMBLE_BYTES : PREAMBLE_BYTES + len(MAGIC)] == MAGIC


def read_meta(stream: BinaryIO) -> Meta:
    """Read the meta group of a file; the stream is left at the dataset.

    Raises:
        NotDicom: no DICM at byte 128, or a meta group that lies.
    """
    stream.seek(0)
    head = stream.read(PREAMBLE_BYTES + len(MAGIC))
    if not head:
        raise NotDicom("an empty file")
    if not looks_like_dicom(head):
        raise NotDicom("no DICOM file: the letters DICM do not stand at byte 128")
    lie: list[str] = []

    def over(tag: int, _vr: str | None, length: int) -> bool:
        if tag >> 16 == META_GROUP and length > META_LONGEST:
            lie.append(f"its meta group has an element that claims {length} bytes")
        return bool(lie) or tag >> 16 != META_GROUP

    try:
        elements = {int(e.tag): e.value for e in data_element_generator(stream, False, True, over)}
    except Exception as error:
        raise NotDicom(f"its meta group cannot be read ({type(error).__name__})") from error
    if lie:
        raise NotDicom(lie[0])
    values = {tag: value for tag, value in elements.items() if isinstance(value, bytes)}
    return Meta(
        sop_class=uid_text(values.get(_SOP_CLASS, b"")),
        sop_instance=uid_text(values.get(_SOP_INSTANCE, b"")),
        transfer_syntax=uid_text(values.get(_SYNTAX, b"")),
        start=stream.tell(),
    )


def wrap(dataset: bytes | memoryview, *, sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """A file of an encoded dataset: zero preamble, the least meta group; the same always gives the same bytes.

    The dataset's bytes are as they came. A preamble can hide a program (CVE-2019-11687), so none is kept.
    """
    elements = (
        struct.pack("<HH2sHL2s", META_GROUP, 1, b"OB", 0, 2, b"\0\1")
        + _uid_element(0x0002, sop_class)
        + _uid_element(0x0003, sop_instance)
        + _uid_element(0x0010, transfer_syntax)
        + _uid_element(0x0012, IMPLEMENTATION)
    )
    length = struct.pack("<HH2sHL", META_GROUP, 0, b"UL", 4, len(elements))
    return b"".join((bytes(PREAMBLE_BYTES), MAGIC, length, elements, dataset))


def respelled(content: bytes, meta: Meta) -> bytes:
    """A file with our own preamble and meta group, so that it is one object however it came.

    As it came where it lacks a UID, or has one that is longer than any (PS3.5 9.1).
    """
    if not all(0 < len(uid) <= UID_LONGEST for uid in (meta.sop_class, meta.sop_instance, meta.transfer_syntax)):
        return content
    return wrap(
        content[meta.start :],
        sop_class=meta.sop_class,
        sop_instance=meta.sop_instance,
        transfer_syntax=meta.transfer_syntax,
    )


def stored_form(content: bytes) -> bytes:
    """What a door stores of a file: respelled where it is DICOM, else as it came."""
    try:
        return respelled(content, read_meta(BytesIO(content)))
    except NotDicom:
        return content


def _uid_element(element: int, uid: str) -> bytes:
    value = uid.encode("ascii", "replace")
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HH2sH", META_GROUP, element, b"UI", len(value)) + value
