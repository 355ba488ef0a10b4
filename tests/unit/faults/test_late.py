"""Without fsync: nothing is synced, and notes reach the disk late."""

from __future__ import annotations

import os

import pytest

from streams.adapters.object_folder import ObjectFolder
from streams.doors.notes import Note
from streams.doors.spool import Spool
from streams.faults.late import LateWrites
from streams.faults.protections import Protection, switch_off
from tests.support.toy import START

EITHER = pytest.mark.parametrize("protected", [True, False], ids=["on", "off"])


@EITHER
def test_fsync(protected, tmp_path, monkeypatch):
    """Bytes and notes are synced before anybody is told, or never."""
    if not protected:
        switch_off(Protection.FSYNC)
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    ObjectFolder(tmp_path / "objects", reserve=0).put(b"an image")
    spool = Spool(tmp_path / "spool", 10)
    before = len(synced)
    spool.owe(Note(kind="instance", at=START, association="a", digest="d"))
    assert (before > 0, len(synced) > before) == ((True, True) if protected else (True, False))
    kept = [owed.number for owed in Spool(tmp_path / "spool", 10).take(9)]
    assert kept == ([1] if protected else [])
    assert [owed.number for owed in spool.take(9)] == [1]


def test_late_writes_keep_their_order():
    """All that waited, once, when their time has come."""
    written = []
    late = LateWrites(written.append, late_s=3600.0)
    for record in (b"1", b"2", b"3"):
        late.put(record)
    assert written == []
    late.flush()
    late.flush()
    assert written == [b"1", b"2", b"3"]
