"""The object store as a folder: bytes under their digest, durable, refused in time, never elsewhere."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
import time
from pathlib import Path

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
    assert [p.name for p in tmp_path.rglob("*") if p.is_file() and p.name != "lock"] == [digest]


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


OLD = 1_000_000.0


def aged(store, digest):
    """As if it had been put in January 1970."""
    os.utime(store.path(digest), (OLD, OLD))
    return digest


def test_all_that_is_stored_is_listed(tmp_path):
    """With its size and the time at which it was put; what is half written is none of it."""
    store = ObjectFolder(tmp_path, reserve=0)
    digests = {aged(store, store.put(content)) for content in (b"a", b"bb", b"ccc")}
    (tmp_path / "new" / "x").write_bytes(b"half")
    found = list(store.stored())
    assert {(o.digest, o.stored_at) for o in found} == {(d, OLD) for d in digests}
    assert sorted(o.size for o in found) == [1, 2, 3]


def test_what_is_put_again_is_young_again(tmp_path):
    """Before the put returns: whoever removes what is old does not remove what was just acknowledged."""
    store = ObjectFolder(tmp_path, reserve=0)
    digest = aged(store, store.put(b"bytes"))
    before = time.time() - 1
    store.put(b"bytes")
    assert not store.remove(digest, before)
    assert store.get(digest) == b"bytes"
    aged(store, digest)
    assert store.remove(digest, before)
    assert not store.remove(digest, before)
    with pytest.raises(ObjectMissing):
        store.get(digest)


def test_a_put_between_look_and_removal_keeps_it(tmp_path):
    """Two processes, each with its own store: while one removes the other waits, then stores the bytes anew."""
    one, other = ObjectFolder(tmp_path, reserve=0), ObjectFolder(tmp_path, reserve=0)
    digest = aged(one, one.put(b"bytes"))
    with one._locked(fcntl.LOCK_EX):  # as in the middle of `remove`, its look at the time behind it
        putting = threading.Thread(target=other.put, args=(b"bytes",))
        putting.start()
        putting.join(0.2)
        assert putting.is_alive()
        one.path(digest).unlink()
    putting.join(10)
    assert one.get(digest) == b"bytes"


def test_no_acknowledged_object_is_ever_removed(tmp_path):
    """An old object is put and removed at the same moment, again and again: it is there once the put has returned."""
    one, other = ObjectFolder(tmp_path, reserve=0), ObjectFolder(tmp_path, reserve=0)
    digest, horizon, removed = one.put(b"bytes"), time.time() - 1000, 0
    for turn in range(100):
        aged(one, digest)
        found: list[bool] = []
        removing = threading.Thread(target=lambda found=found: found.append(other.remove(digest, horizon)))
        if turn % 2:
            removing.start()
        putting = threading.Thread(target=one.put, args=(b"bytes",))
        putting.start()
        if not turn % 2:
            removing.start()
        putting.join()
        removing.join()
        assert one.get(digest) == b"bytes"
        removed += found[0]
    assert removed


@pytest.mark.parametrize("spoilt", [b"Bytes", b"byte", b"bytes and more", b""])
def test_a_damaged_object_is_mended_by_the_next_put(tmp_path, spoilt):
    """Of equal length too: what is acknowledged is there byte for byte."""
    store = ObjectFolder(tmp_path, reserve=0)
    digest = store.put(b"bytes")
    store.path(digest).write_bytes(spoilt)
    assert store.put(b"bytes") == digest
    assert store.get(digest) == b"bytes"


def test_an_object_that_cannot_be_read_is_written_anew(tmp_path, monkeypatch):
    """A bad place of the disk stays with the old file."""
    store = ObjectFolder(tmp_path, reserve=0)
    digest = store.put(b"bytes")
    number = store.path(digest).stat().st_ino
    opened = Path.open

    def damaged(path: Path, *arguments: object, **named: object) -> object:
        if path.name == digest:
            raise OSError(errno.EIO, "Input/output error")
        return opened(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", damaged)
    store.put(b"bytes")
    assert store.path(digest).stat().st_ino != number
