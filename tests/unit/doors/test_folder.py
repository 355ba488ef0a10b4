"""The watched folder, look by look, with a clock of the test's own: whole files, ends of sets, refusals."""

from __future__ import annotations

import os

import pytest

from streams.adapters.object_folder import ObjectFolder
from streams.doors import folder
from streams.doors.folder import NAME_LONGEST, QUIET_S, STABLE_S, FolderDoor
from streams.doors.part10 import stored_form
from streams.doors.spool import Spool
from streams.errors import ObjectMissing
from streams.events.identifiers import digest_of
from tests.support.doors import NAMES, slice_file


class Trial:
    """A folder door whose looks and time are the test's."""

    def __init__(self, home, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(folder, "asyncio_time", lambda: self.now)
        self.free = 10**12
        self.inbox = home / "inbox"
        self.inbox.mkdir()
        self.objects = ObjectFolder(home / "objects", reserve=1000, free=lambda _folder: self.free)
        self.spool = Spool(home / "spool", 1000)
        self.door = FolderDoor(self.inbox, self.objects, self.spool, NAMES, lambda _note: None)

    def look(self, later: float = 0.0):
        self.now += later
        return list(self.door._look())

    def put(self, name, content=None):
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(slice_file(1) if content is None else content)
        return path

    def left(self):
        return sorted(str(path.relative_to(self.inbox)) for path in self.inbox.rglob("*"))


@pytest.fixture
def trial(tmp_path, monkeypatch):
    return Trial(tmp_path, monkeypatch)


def test_a_file_that_stands_still_is_taken_as_it_is(trial):
    """Not at the first look; after a second without change it is stored, owed, and removed."""
    content = slice_file(1)
    trial.put("1.dcm", content)
    assert trial.look() == []
    assert trial.look(STABLE_S / 2) == []
    (note,) = trial.look(STABLE_S)
    assert (note.kind, note.instance) == ("instance", "")
    assert trial.objects.get(note.digest) == stored_form(content)
    assert [owed.note for owed in trial.spool.take(9)] == [note]
    assert trial.left() == []


def test_a_file_that_grows_waits(trial):
    """Each change of its size begins the second anew; it is taken whole."""
    content = slice_file(1)
    for length in range(100, len(content), 200):
        trial.put("1.dcm", content[:length])
        assert trial.look(STABLE_S * 0.9) == []
    trial.put("1.dcm", content)
    assert trial.look(STABLE_S * 0.9) == []
    (note,) = trial.look(STABLE_S)
    assert trial.objects.get(note.digest) == stored_form(content)


def test_part_and_hidden_files_are_never_taken(trial):
    """What is still being copied bears .part, or a dot in front; also where its set says complete."""
    trial.put("set/1.dcm.part")
    trial.put("set/.2.dcm")
    trial.put("set/.complete", b"")
    for _ in range(4):
        assert trial.look(10) == []
    (trial.inbox / "set/1.dcm.part").rename(trial.inbox / "set/1.dcm")
    assert [note.kind for note in trial.look()] == ["instance", "closed"]


def test_complete_ends_a_set_at_once_and_leaves_nothing(trial):
    """All files in one look, one association, then its end; the folder and those below it go."""
    for name in ("set/a/1", "set/b/2", "set/.complete"):
        trial.put(name, slice_file(len(name)))
    notes = trial.look()
    assert [note.kind for note in notes] == ["instance", "instance", "closed"]
    assert len({note.association for note in notes}) == 1
    assert notes[-1].how == "folder-complete"
    assert trial.left() == []
    assert trial.look(10) == []


def test_quiet_ends_a_set(trial):
    """Without .complete: two seconds after its last file; a file that is growing holds it open."""
    trial.put("set/1")
    trial.look()
    assert [note.kind for note in trial.look(STABLE_S)] == ["instance"]
    trial.put("set/2", b"growing")
    assert trial.look(QUIET_S * 2) == []
    trial.put("set/2", slice_file(2))
    trial.look()
    assert [note.kind for note in trial.look(STABLE_S)] == ["instance"]
    assert trial.look(QUIET_S * 0.9) == []
    assert [note.kind for note in trial.look(QUIET_S)] == ["closed"]
    assert trial.left() == []


def test_sets_are_told_apart(trial):
    """Each sub-folder, and the folder itself, is an association of its own."""
    for name in ("1", "x/1", "y/1", "x/.complete", "y/.complete"):
        trial.put(name, slice_file(ord(name[0])))
    notes = trial.look() + trial.look(STABLE_S)
    assert len({note.association for note in notes if note.kind == "instance"}) == 3


@pytest.mark.parametrize("name", ["letter.txt", "x" * 250, "ä" * 120, "1.why.txt"])
def test_what_is_no_dicom_lies_beside_its_reason(trial, name):
    """Also under the longest of names: moved with its bytes, a reason for a person, its dead letter owed once."""
    trial.put(name, b"no image")
    trial.look()
    (note,) = trial.look(STABLE_S)
    assert trial.objects.get(note.digest) == b"no image"
    kept, why = sorted((trial.inbox / "refused").iterdir(), key=lambda path: len(path.name))
    assert kept.read_bytes() == b"no image"
    assert why.name == f"{kept.name}.why.txt"
    assert "DICM" in why.read_text()
    assert os.fsencode(kept.name).endswith(os.fsencode(name)[-NAME_LONGEST:])
    assert [n.kind for n in trial.look(10)] == ["closed"]
    assert trial.spool.owed == 2


def test_orders_are_taken_and_wrong_ones_refused(trial):
    """orders/*.json become orders, keyed by hash; no set of images begins with them."""
    trial.put("orders/1.json", b'{"accession": "A-1", "priority": "stat"}')
    trial.put("orders/2.json", b'{"accession": "A-1", "priority": "whenever"}')
    trial.look()
    good, bad = trial.look(STABLE_S)
    assert (good.kind, good.order, good.priority) == ("order", NAMES.order("A-1"), "stat")
    assert bad.kind == "instance"
    assert any("no order file" in path.read_text() for path in (trial.inbox / "refused").glob("*.why.txt"))
    assert trial.look(10) == []


def test_no_room_leaves_files_where_they_are(trial):
    """A full disk, or too much owed: nothing is removed, nothing is told; it is taken when there is room."""
    trial.put("set/1")
    trial.put("set/.complete", b"")
    trial.free = 0
    assert trial.look(10) == []
    assert trial.left() == ["set", "set/.complete", "set/1"]
    assert trial.spool.owed == 0
    trial.free = 10**12
    assert [note.kind for note in trial.look(10)] == ["instance", "closed"]


def test_a_folder_that_cannot_be_written_is_left_alone(trial, monkeypatch):
    """A file that could be taken but not removed would be told of for ever: it stays, with a warning."""
    trial.put("set/1")
    trial.put("set/.complete", b"")
    monkeypatch.setattr(folder.os, "access", lambda _path, _mode: False)
    assert trial.look(10) == []
    assert trial.spool.owed == 0
    monkeypatch.undo()
    monkeypatch.setattr(folder, "asyncio_time", lambda: 1000.0)
    assert [note.kind for note in trial.look()] == ["instance", "closed"]


def test_pipes_and_links_are_not_read(trial, tmp_path):
    """A pipe would block the door, a link leads out of the folder: both are refused, nothing is followed."""
    secret = tmp_path / "secret"
    secret.write_bytes(slice_file(1))
    (trial.inbox / "link").symlink_to(secret)
    os.mkfifo(trial.inbox / "pipe")
    trial.look()
    trial.look(STABLE_S)
    reasons = {path.read_text() for path in (trial.inbox / "refused").glob("*.why.txt")}
    assert reasons == {"a symbolic link, not a file\n", "not a file, but a pipe or a device\n"}
    assert secret.exists()
    with pytest.raises(ObjectMissing):
        trial.objects.path(digest_of(stored_form(slice_file(1))))


def test_what_vanishes_is_forgotten(trial):
    """A file that somebody takes away again is no matter; nothing of it is kept in mind."""
    trial.put("1").unlink()
    trial.put("2")
    trial.look()
    (trial.inbox / "2").unlink()
    assert trial.look(STABLE_S) == []
    assert trial.door._seen == {}


def test_one_file_that_nobody_thought_of_stops_none_that_come_after_it(trial, monkeypatch):
    """Whatever reading it raises: it is refused with its kind, its bytes are owed, and the next one is taken."""

    def broken(content, names):
        raise RuntimeError("of a kind that no rule knows")

    monkeypatch.setattr(folder, "read_header", broken)
    trial.put("a.dcm")
    trial.look()
    (note,) = trial.look(STABLE_S)
    assert trial.objects.get(note.digest)
    (why,) = [path.read_text() for path in (trial.inbox / "refused").glob("*.why.txt")]
    assert why == "its header cannot be read (RuntimeError)\n"
