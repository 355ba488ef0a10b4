"""The spool: what was owed is there after a crash, in order, until it is shipped."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.doors.notes import Note
from streams.doors.spool import Spool
from streams.errors import DoorClosed, NoRoom

AT = datetime(2026, 11, 24, tzinfo=UTC)


def note(number: int) -> Note:
    return Note(kind="instance", at=AT, association="a", digest=f"{number:064x}")


def numbers(spool: Spool, most: int = 1000) -> list[int]:
    return [int(owed.note.digest, 16) for owed in spool.take(most)]


def test_what_is_owed_survives_a_crash_in_order(tmp_path):
    """Without a close: another process reads back what was not shipped, and goes on counting."""
    first = Spool(tmp_path, 100)
    for n in range(5):
        first.owe(note(n))
    first.take(2)
    first.shipped(2)
    second = Spool(tmp_path, 100)
    assert numbers(second) == [2, 3, 4]
    assert second.owed == 3
    second.owe(note(5))
    assert [owed.number for owed in Spool(tmp_path, 100).take(9)] == [3, 4, 5, 6]


@pytest.mark.parametrize("cut", [1, 7, 8, 30])
def test_a_torn_tail_is_dropped_and_its_number_used_again(tmp_path, cut):
    """Half a record was never acknowledged: it is no note, and does not hide what comes after."""
    first = Spool(tmp_path, 100)
    for n in range(3):
        first.owe(note(n))
    segment = next(tmp_path.glob("*.notes"))
    os.truncate(segment, segment.stat().st_size - cut)
    second = Spool(tmp_path, 100)
    second.owe(note(7))
    assert numbers(Spool(tmp_path, 100)) == [0, 1, 7]


def test_a_flipped_byte_is_noticed(tmp_path, caplog):
    """A record that does not match its checksum is not taken for a note; later segments are still read."""
    first = Spool(tmp_path, 100, segment_bytes=1)
    for n in range(3):
        first.owe(note(n))
    segment = sorted(tmp_path.glob("*.notes"))[1]
    content = bytearray(segment.read_bytes())
    content[40] ^= 1
    segment.write_bytes(content)
    assert numbers(Spool(tmp_path, 100)) == [0, 2]
    assert "lost the notes 2 to 2" in caplog.text


def test_segments_go_when_all_their_notes_are_shipped(tmp_path):
    """A long run leaves no files behind it."""
    spool = Spool(tmp_path, 1000, segment_bytes=500)
    for n in range(50):
        spool.owe(note(n))
    many = len(list(tmp_path.glob("*.notes")))
    spool.shipped(25)
    fewer = len(list(tmp_path.glob("*.notes")))
    spool.shipped(50)
    assert many > fewer > 1
    assert len(list(tmp_path.glob("*.notes"))) == 1
    assert spool.owed == 0


def test_past_the_watermark_it_refuses_all_but_ends(tmp_path):
    """Too much owed: NoRoom; the end of an association is taken all the same."""
    spool = Spool(tmp_path, 2)
    spool.owe(note(0))
    spool.owe(note(1))
    with pytest.raises(NoRoom, match="2 events are owed"):
        spool.owe(note(2))
    spool.owe(Note(kind="closed", at=AT, association="a"), always=True)
    spool.shipped(3)
    spool.owe(note(3))


def test_after_a_failed_sync_nothing_is_promised(tmp_path, monkeypatch):
    """What a failed fsync left is unknown: this note, and all later ones, are refused; none of it is shipped."""
    spool = Spool(tmp_path, 100)
    spool.owe(note(0))

    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DoorClosed):
        spool.owe(note(1))
    monkeypatch.undo()
    with pytest.raises(DoorClosed):
        spool.owe(note(2))
    with pytest.raises(DoorClosed):
        spool.take(9)


def test_a_short_write_leaves_no_half_record(tmp_path, monkeypatch):
    """A full disk: the note is refused, and the next one stands after a whole record."""
    spool = Spool(tmp_path, 100)
    spool.owe(note(0))
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, record: write(descriptor, record[:10]))
    with pytest.raises(NoRoom):
        spool.owe(note(1))
    monkeypatch.undo()
    spool.owe(note(2))
    assert numbers(Spool(tmp_path, 100)) == [0, 2]


def test_many_threads_owe_at_once(tmp_path):
    """Each note is durable when its call returns, once, and numbers have no hole."""
    spool = Spool(tmp_path, 10_000, segment_bytes=2000)

    def owe(start: int) -> None:
        for n in range(start, start + 50):
            spool.owe(note(n))

    threads = [threading.Thread(target=owe, args=(100 * k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = spool.take(1000)
    assert [owed.number for owed in taken] == list(range(1, 401))
    assert len({owed.note.digest for owed in taken}) == 400
    assert Spool(tmp_path, 10_000).take(1000) == taken


def test_a_closed_spool_takes_nothing(tmp_path: Path):
    """After close, owing is refused; closing twice is harmless."""
    spool = Spool(tmp_path, 10)
    spool.close()
    spool.close()
    with pytest.raises(DoorClosed):
        spool.owe(note(0))


def test_where_no_new_segment_can_be_made_it_goes_on_in_the_old_one(tmp_path, monkeypatch):
    """A folder that takes no more files: notes stay durable, and never go into another file's descriptor."""
    spool = Spool(tmp_path, 100, segment_bytes=1)
    opened = os.open

    def full(path, flags, *mode):
        if flags & os.O_CREAT:
            raise OSError(28, "No space left on device")
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", full)
    spool.owe(note(0))
    other = opened(tmp_path / "another file", os.O_RDWR | os.O_CREAT)
    spool.owe(note(1))
    spool.shipped(1)
    monkeypatch.undo()
    spool.owe(note(2))
    spool.owe(note(3))
    assert os.fstat(other).st_size == 0
    os.close(other)
    assert [owed.number for owed in Spool(tmp_path, 100).take(9)] == [2, 3, 4]


@pytest.mark.parametrize("mark", [None, b"", b"12\0\0"])
def test_a_lost_mark_is_told_by_the_segments(tmp_path, mark, caplog):
    """The mark is not synced: without it nothing is owed that a segment's name shows to be shipped."""
    first = Spool(tmp_path, 100, segment_bytes=1)
    for n in range(5):
        first.owe(note(n))
    first.shipped(5)
    (tmp_path / "shipped").unlink()
    if mark is not None:
        (tmp_path / "shipped").write_bytes(mark)
    second = Spool(tmp_path, 3)
    assert (second.owed, second.take(9)) == (0, [])
    second.owe(note(5))
    assert [owed.number for owed in Spool(tmp_path, 3).take(9)] == [6]
    assert caplog.text == ""


def test_numbers_never_come_again_where_a_segment_is_damaged(tmp_path):
    """A damaged last segment: the next note gets a number that no file before it stands for."""
    first = Spool(tmp_path, 100, segment_bytes=1)
    for n in range(3):
        first.owe(note(n))
    for segment in sorted(tmp_path.glob("*.notes"))[1:]:
        segment.write_bytes(b"")
    second = Spool(tmp_path, 100)
    second.owe(note(9))
    assert numbers(Spool(tmp_path, 100)) == [0, 9]
    assert len({owed.number for owed in Spool(tmp_path, 100).take(9)}) == 2


def test_nothing_is_taken_before_it_is_synced(tmp_path, monkeypatch):
    """While a note's sync is under way it is not handed on: Kafka never hears of what a crash could undo."""
    spool = Spool(tmp_path, 100)
    sync, begun, go_on = os.fsync, threading.Event(), threading.Event()

    def slow(descriptor: int) -> None:
        begun.set()
        go_on.wait(10)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    owing = threading.Thread(target=spool.owe, args=(note(0),))
    owing.start()
    assert begun.wait(10)
    assert spool.take(9) == []
    go_on.set()
    owing.join()
    assert numbers(spool) == [0]
