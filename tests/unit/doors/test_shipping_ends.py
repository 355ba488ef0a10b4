"""Ends of associations, said by the next door where one died; and the shipper when spool or disk have failed."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import pytest

from streams.adapters.memory_twins import MemoryLog
from streams.doors import shipping
from streams.doors.journal import Journal
from streams.doors.shipping import Shipper
from streams.errors import DoorClosed
from tests.support.doors import NAMES, SERIES, STUDY, digests, slice_file, told_of
from tests.unit.doors.test_shipping import Trial


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(shipping, "GROUP_WITHIN_S", 0.0)
    monkeypatch.setattr(shipping, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(shipping, "LONGEST_PAUSE_S", 0.001)


async def test_a_spool_that_failed_ends_the_shipper():
    """The door's process ends and is started again: it never waits for ever beside a spool that takes nothing."""

    def take(_most):
        raise DoorClosed("the spool could not be synced")

    shipper = Shipper("dimse", SimpleNamespace(take=take), None, NAMES, MemoryLog())
    with pytest.raises(DoorClosed):
        await shipper.run()


async def shipped(trial, *numbers, ended=False):
    """Images of one association, and perhaps its end; Kafka has them all."""
    async with trial.running():
        for number in numbers:
            trial.stored(slice_file(number))
        if ended:
            trial.ended()


def after_a_crash(tmp_path):
    again = Trial(tmp_path)
    again.shipper.recover()
    return again


async def test_an_end_is_said_though_all_its_images_were_told_before_the_crash(tmp_path):
    """Nothing is owed when the door dies: the next one still says the end, and counts all of it."""
    first = Trial(tmp_path)
    await shipped(first, 1, 2)
    await shipped(first, 3)
    assert first.spool.owed == 0
    again = after_a_crash(tmp_path)
    await shipped(again)
    (closed,) = told_of(again.log)[1]
    assert (closed.how, closed.association, closed.counts) == ("association-aborted", "a", {SERIES: 3})


async def test_images_before_and_after_a_crash_are_counted_together(tmp_path):
    """What was told and what is still owed, one end."""
    first = Trial(tmp_path)
    await shipped(first, 1, 2)
    first.stored(slice_file(3))
    again = after_a_crash(tmp_path)
    await shipped(again)
    (closed,) = told_of(again.log)[1]
    assert closed.counts == {SERIES: 3}


async def test_an_end_that_was_said_is_not_said_again(tmp_path):
    """Nothing is left of an association whose end Kafka has."""
    first = Trial(tmp_path)
    await shipped(first, 1, ended=True)
    again = after_a_crash(tmp_path)
    await shipped(again)
    assert told_of(again.log)[1] == []
    assert list((tmp_path / "spool" / "open").iterdir()) == []


async def test_an_end_whose_mark_was_lost_is_said_again_in_the_same_bytes(tmp_path, monkeypatch):
    """The door dies when Kafka has the end and the spool does not know it: no id stands for two contents."""
    first = Trial(tmp_path)
    await shipped(first, 1, 2)
    marks = []
    monkeypatch.setattr(type(first.spool), "shipped", lambda _self, upto: marks.append(upto))
    monkeypatch.setattr(type(first.shipper.journal), "forget", lambda *_: None)
    await shipped(first, 3, ended=True)
    monkeypatch.undo()
    assert marks
    again = after_a_crash(tmp_path)
    await shipped(again)
    ends = [
        [(e.id, e.time, e.data) for e in trial.events() if not hasattr(e.data, "facts")] for trial in (first, again)
    ]
    assert ends[0] == ends[1]
    assert ends[0][0][2].counts == {SERIES: 3}


async def test_a_torn_or_spoilt_journal_costs_an_end_and_no_more(tmp_path, caplog):
    """A line half written is not counted; garbage is told, and the door starts."""
    first = Trial(tmp_path)
    await shipped(first, 1)
    (path,) = (tmp_path / "spool" / "open").iterdir()
    path.write_text(path.read_text() + f"{STUDY} {SERIES} 1.2.3.4")
    again = after_a_crash(tmp_path)
    await shipped(again)
    assert told_of(again.log)[1][0].counts == {SERIES: 1}
    (tmp_path / "spool" / "open" / "b.open").write_text("a line of four words\n")
    await shipped(after_a_crash(tmp_path), 2)
    assert "silence tells" in caplog.text


def test_a_disk_that_takes_no_journal_holds_up_nothing(tmp_path, caplog):
    """The folder cannot be made: told, and over."""
    (tmp_path / "file").write_text("")
    journal = Journal(tmp_path / "file" / "open")
    journal.brought("a", [(STUDY, SERIES, "1.2")])
    journal.ended(["a"])
    journal.forget("a")
    assert journal.left() == {}
    assert "journal of open associations" in caplog.text


def damaged(trial, monkeypatch, *numbers, times=10**6, code=errno.EIO):
    """The disk cannot read these objects, so often."""
    cursed = {trial.objects.put(slice_file(number)): times for number in numbers}
    read = shipping.read_stored

    def on_a_bad_disk(path, digest, pseudonyms):
        if cursed.get(digest, 0) > 0:
            cursed[digest] -= 1
            raise OSError(code, "Input/output error")
        return read(path, digest, pseudonyms)

    monkeypatch.setattr(shipping, "read_stored", on_a_bad_disk)


async def test_an_object_that_the_disk_cannot_read_does_not_hold_up_the_others(tmp_path, monkeypatch, caplog):
    """After some tries it is a dead letter, and somebody is told; what came after it is told as ever."""
    trial = Trial(tmp_path)
    damaged(trial, monkeypatch, 2, 3)
    await shipped(trial, 1, 2, 3, 4, ended=True)
    letters = [dict(record.headers) for record in trial.log.records("triage.deadletters")]
    assert [b"Input/output error" in letter["wetread-reason"] for letter in letters] == [True, True]
    assert told_of(trial.log)[1][0].counts == {SERIES: 2}
    assert trial.set_aside == [2]
    assert "Input/output error" in caplog.text


async def test_a_disk_that_reads_again_loses_nothing(tmp_path, monkeypatch):
    """A passing fault is waited out."""
    trial = Trial(tmp_path)
    damaged(trial, monkeypatch, 1, times=3)
    await shipped(trial, 1, 2)
    assert len(digests(trial.log)) == 2
    assert trial.log.records("triage.deadletters") == []


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOMEM, errno.ESTALE, errno.EACCES])
async def test_what_is_not_the_objects_own_fault_is_waited_for(tmp_path, monkeypatch, code):
    """No handles, no memory, a file server away: no image is given up for it."""
    trial = Trial(tmp_path)
    damaged(trial, monkeypatch, 1, times=40, code=code)
    await shipped(trial, 1)
    assert trial.log.records("triage.deadletters") == []


async def test_a_disk_that_reads_nothing_empties_no_spool_into_the_dead_letters(tmp_path, monkeypatch):
    """Twenty in a row: the disk is at fault, not the objects; what is owed stays owed until it reads again."""
    trial = Trial(tmp_path)
    damaged(trial, monkeypatch, *range(1, 31), times=60)
    await shipped(trial, *range(1, 31))
    assert trial.log.records("triage.deadletters") == []
    assert len(digests(trial.log)) == 30
    assert trial.set_aside == []
