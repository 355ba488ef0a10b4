"""The object store as a folder: bytes under their digest, durable, refused in time, never elsewhere."""

from __future__ import annotations

import os
import stat
import time

import pytest

from streams.adapters.object_folder import ABANDONED_S, ObjectFolder
from streams.errors import NoRoom, ObjectDamaged, ObjectMissing
from streams.events.identifiers import digest_of


def test_what_is_put_is_got(tmp_path):
    """Under ab/cd/<sha256>, for this user only; a second put changes nothing."""
    store = ObjectFolder(tmp_path, reserve=0)
    digest = store.put(b"bytes")
    assert digest == digest_of(b"bytes")
    assert store.put(b"bytes") == digest
    assert store.get(digest) == b"bytes"
    path = store.path(digest)
    assert path.relative_to(tmp_path).parts == (digest[:2], digest[2:4], digest)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 1


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "", "0" * 63, "A" * 64, "0" * 63 + "/", "a\0" * 32]
)
def test_what_is_no_digest_is_missing(tmp_path, name):
    """Nothing but 64 hexadecimal digits is ever looked for."""
    with pytest.raises(ObjectMissing):
        ObjectFolder(tmp_path, reserve=0).path(name)


def test_damage_is_told(tmp_path):
    """Bytes that no longer have their digest are not handed out."""
    store = ObjectFolder(tmp_path, reserve=0)
    digest = store.put(b"bytes")
    store.path(digest).write_bytes(b"Bytes")
    with pytest.raises(ObjectDamaged):
        store.get(digest)


def test_it_refuses_before_the_disk_is_full(tmp_path):
    """Below the reserve nothing is taken, and nothing is left behind; what is stored already is still there."""
    free = [10_000]
    store = ObjectFolder(tmp_path, reserve=5_000, free=lambda _folder: free[0])
    digest = store.put(bytes(1_000))
    with pytest.raises(NoRoom):
        store.put(bytes(5_001))
    free[0] = 0
    assert store.put(bytes(1_000)) == digest
    with pytest.raises(NoRoom):
        store.put(b"x")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_full_disk_is_no_room_and_leaves_nothing(tmp_path, monkeypatch):
    """ENOSPC in the middle of a write."""
    store = ObjectFolder(tmp_path, reserve=0)

    def full(_descriptor: int, _content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(NoRoom):
        store.put(b"bytes")
    assert list((tmp_path / "new").iterdir()) == []


def test_bytes_are_synced_before_they_have_their_name(tmp_path, monkeypatch):
    """A crash leaves either nothing under the digest, or all of it: fsync, rename, fsync of the three folders."""
    store = ObjectFolder(tmp_path, reserve=0)
    named: list[bool] = []
    digest = digest_of(b"bytes")
    target = tmp_path / digest[:2] / digest[2:4] / digest
    sync = os.fsync

    def watch(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode) or target.exists():
            named.append(target.exists())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    store.put(b"bytes")
    assert named[0] is False
    assert named[1:] == [True, True, True]


def test_what_a_crash_left_half_written_is_swept(tmp_path):
    """Old leftovers go at the next start; young ones may be another process's."""
    ObjectFolder(tmp_path, reserve=0)
    old, young = tmp_path / "new" / "old", tmp_path / "new" / "young"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    past = time.time() - ABANDONED_S - 1
    os.utime(old, (past, past))
    ObjectFolder(tmp_path, reserve=0)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["young"]
