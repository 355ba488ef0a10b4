"""The watched folder: whole files only, sets that end, refusals beside their reason, real odd files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from streams.adapters.memory_twins import MemoryLog
from streams.adapters.object_folder import ObjectFolder
from streams.doors.folder import FolderDoor
from streams.doors.shipping import Shipper
from streams.doors.spool import Spool
from tests.support.doors import NAMES, SERIES, STUDY, digests, slice_file, told_of

ODD = Path(__file__).resolve().parents[3] / "shared" / "data" / "pydicom-data" / "data_store" / "data"


@asynccontextmanager
async def folder_door(home: Path) -> AsyncIterator[tuple[Path, MemoryLog]]:
    inbox, log = home / "inbox", MemoryLog()
    spool, store = Spool(home / "spool", 1000), ObjectFolder(home / "objects", reserve=0)
    shipper = Shipper("folder", spool, store, NAMES, log)
    door = FolderDoor(inbox, store, spool, NAMES, shipper.take)
    inbox.mkdir()
    tasks = [asyncio.create_task(shipper.run()), asyncio.create_task(door.run())]
    try:
        yield inbox, log
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        spool.close()


async def until(condition, seconds: float = 20) -> None:
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not in time")


async def test_a_set_is_taken_and_its_end_told(tmp_path):
    """.complete ends the set at once; the folder is emptied; what is growing under .part waits."""
    async with folder_door(tmp_path) as (inbox, log):
        (inbox / "set").mkdir()
        for number in range(1, 4):
            (inbox / "set" / f"{number}.dcm").write_bytes(slice_file(number))
        (inbox / "set" / ".complete").touch()
        (inbox / "growing.dcm.part").write_bytes(slice_file(9)[:300])
        await until(lambda: told_of(log)[1])
        stored, closed = told_of(log)
        assert [(c.study, c.how, c.counts) for c in closed] == [(STUDY, "folder-complete", {SERIES: 3})]
        assert sum(len(event.instances) for event in stored) == 3
        assert [path.name for path in inbox.iterdir()] == ["growing.dcm.part"]
        (inbox / "growing.dcm.part").write_bytes(slice_file(9))
        (inbox / "growing.dcm.part").rename(inbox / "growing.dcm")
        await until(lambda: len(told_of(log)[1]) == 2)
        assert len(digests(log)) == 4


async def test_what_cannot_be_read_stands_beside_its_reason(tmp_path):
    """No DICOM: moved to refused/ with why, its bytes in a dead letter; a link is not followed."""
    secret = tmp_path / "secret"
    secret.write_bytes(slice_file(1))
    async with folder_door(tmp_path) as (inbox, log):
        (inbox / "letter.txt").write_bytes(b"no image")
        (inbox / "link.dcm").symlink_to(secret)
        await until(
            lambda: len(log.records("triage.deadletters")) == 2 if "triage.deadletters" in log.topics else False
        )
        reasons = sorted(path.read_text() for path in (inbox / "refused").glob("*.why.txt"))
    assert len(reasons) == 2
    assert "symbolic link" in reasons[0] or "symbolic link" in reasons[1]
    assert told_of(log)[0] == []
    assert secret.exists()


async def test_an_order_file_becomes_an_order(tmp_path):
    """Its accession number leaves the door as a hash only."""
    async with folder_door(tmp_path) as (inbox, log):
        (inbox / "orders").mkdir()
        (inbox / "orders" / "1.json").write_bytes(orjson.dumps({"accession": "A-1", "priority": "stat"}))
        await until(lambda: "imaging.orders" in log.topics)
        (record,) = log.records("imaging.orders")
    assert orjson.loads(record.value) == {"order": NAMES.order("A-1"), "priority": "stat"}
    assert b"A-1" not in record.value + record.key


@pytest.mark.shared_data
@pytest.mark.skipif(not ODD.is_dir(), reason="the shared images are not beside the project")
async def test_every_odd_file_is_told_of_or_set_aside(tmp_path):
    """All of pydicom-data: each file is an instance in an event, or a dead letter with a reason."""
    files = sorted(ODD.glob("*.dcm"))
    async with folder_door(tmp_path) as (inbox, log):
        (inbox / "odd").mkdir()
        for file in files:
            (inbox / "odd" / file.name).write_bytes(file.read_bytes())
        (inbox / "odd" / ".complete").touch()
        await until(lambda: not (inbox / "odd").exists(), 120)
        await until(lambda: told_of(log)[1])
        letters = log.records("triage.deadletters") if "triage.deadletters" in log.topics else []
        found = digests(log)
    assert len(files) > 60
    assert len(found) + len({letter.key for letter in letters}) == len(files)
    assert all(dict(letter.headers)["wetread-reason"] for letter in letters)
