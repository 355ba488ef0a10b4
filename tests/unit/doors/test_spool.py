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
