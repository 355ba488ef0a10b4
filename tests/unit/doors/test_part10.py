"""The file format at its edges: what cannot be spelled anew is kept as it came."""

from __future__ import annotations

import struct

import pytest

from streams.doors.part10 import META_GROUP, stored_form, wrap
from tests.support.doors import slice_file


def with_meta(length: int) -> bytes:
    """A slice whose Transfer Syntax UID (0002,0010) has so many bytes."""
    content = slice_file()
    at = content.index(b"\2\0\x10\0UI")
    known = struct.unpack_from("<H", content, at + 6)[0]
    element = struct.pack("<HH2sH", META_GROUP, 0x0010, b"UI", length) + b"1" * length
    return content[:at] + element + content[at + 8 + known :]


@pytest.mark.parametrize("length", [65, 65_534, 65_535])
def test_a_uid_longer_than_any_leaves_the_file_as_it_came(length):
    """Found by make fuzz: one of 65,535 bytes, padded to an even length, fits into no element, and ended the door."""
    content = with_meta(length)
    assert stored_form(content) == content


def test_a_uid_of_64_characters_is_spelled_anew():
    content = b"\1" * 128 + with_meta(64)[128:]
    assert stored_form(content)[:128] == bytes(128)


def test_the_same_file_is_one_object_however_it_came():
    dataset = b"\x08\0\x60\0CS\x02\0CT"
    names = {"sop_class": "1.2", "sop_instance": "1.2.3", "transfer_syntax": "1.2.840.10008.1.2.1"}
    made = wrap(dataset, **names)
    assert stored_form(made) == made == wrap(memoryview(dataset), **names)
