"""The DIMSE door by a real sender: when it answers success, what it stores, how it refuses, when it ends."""

from __future__ import annotations

import asyncio
import io
import threading

import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom import AE

from streams.adapters.memory_twins import MemoryLog
from streams.adapters.object_folder import ObjectFolder
from streams.doors import dimse
from streams.doors.dimse import DimseDoor
from streams.doors.settings import DoorSettings
from streams.doors.spool import Spool
from streams.errors import DoorClosed
from streams.events.identifiers import digest_of
from tests.attack.wire import Peer, request, store_command, value
from tests.support.doors import dataset, digests, dimse_door, part10, send, slice_file, told_of

SUCCESS, NO_ROOM, BROKEN, NO_UID = 0x0000, 0xA700, 0xC000, 0xA900


def compressed(syntax: str, number: int) -> bytes:
    made = dataset(number, pixels=encapsulate([b"\xff\xd8 a frame\xff\xd9"]))
    made["PixelData"].is_undefined_length = True
    return part10(made, syntax)


def answers(port: int, files: list[bytes]) -> list[tuple[int, str]]:
    """Status and Error Comment of each, as a sender gets them."""
    entity = AE(ae_title="TESTER")
    datasets = [dcmread(io.BytesIO(content)) for content in files]
    entity.add_requested_context(datasets[0].SOPClassUID, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port)
    try:
        found = [association.send_c_store(each) for each in datasets]
    finally:
        association.release()
    return [(int(answer.Status), str(answer.get("ErrorComment", ""))) for answer in found]


async def test_bytes_are_stored_as_they_were_sent_in_each_syntax(tmp_path):
    """Plain and compressed, little and big endian: never decoded, never encoded anew, the syntax named."""
    files = [
        part10(dataset(1), ExplicitVRLittleEndian),
        part10(dataset(2), ImplicitVRLittleEndian),
        part10(dataset(3), ExplicitVRBigEndian),
        *(compressed(s, 4 + n) for n, s in enumerate((JPEGLosslessSV1, JPEG2000Lossless, JPEGLSLossless, RLELossless))),
    ]
    async with dimse_door(tmp_path) as parts:
        assert await asyncio.to_thread(send, parts.door.port, files) == [SUCCESS] * len(files)
        assert await parts.shipper.drained(10)
        stored = [i for event in told_of(parts.log)[0] for i in event.instances]
        assert digests(parts.log) == {digest_of(content) for content in files}
        assert [parts.objects.get(digest_of(content)) for content in files] == files
    assert len({instance.transfer_syntax for instance in stored}) == 7
    assert [instance.fault for instance in stored if instance.fault] == []


class Watched(ObjectFolder):
    """Says when it was asked and when it was done."""

    def __init__(self, root, said):
        super().__init__(root, reserve=0)
        self.said = said

    def put(self, content):
        digest = super().put(content)
        assert self.path(digest).read_bytes() == content
        self.said.append("object")
        return digest


async def test_success_is_answered_after_object_and_note(tmp_path):
    """The order is: bytes durable, note durable, answer; the note is on the disk for another process to read."""
    said: list[str] = []
    async with dimse_door(tmp_path, objects=Watched(tmp_path / "objects", said), log=MemoryLog(away=True)) as parts:
        owe = parts.spool.owe

        def owed(note, *, always=False):
            owe(note, always=always)
            said.append(note.kind)

        parts.spool.owe = owed

        def one_by_one(port):
            found = answers(port, [slice_file(1)])
            said.append("answer")
            return found

        assert await asyncio.to_thread(one_by_one, parts.door.port) == [(SUCCESS, "")]
        assert said[:2] == ["object", "instance"]
        assert "answer" in said[2:]
        on_disk = b"".join(path.read_bytes() for path in (tmp_path / "spool").glob("*.notes"))
        assert digest_of(slice_file(1)).encode() in on_disk


class Broken(ObjectFolder):
    """A disk that fails once."""

    failures = 1

    def put(self, content):
        if Broken.failures:
            Broken.failures -= 1
            raise OSError(5, "Input/output error of /a/path/of/Doe")
        return super().put(content)


async def test_a_store_that_fails_is_answered_so_that_it_is_sent_again(tmp_path):
    """0xC000 with a comment that shows no path; nothing is owed; the second time it is taken."""
    Broken.failures = 1
    async with dimse_door(tmp_path, objects=Broken(tmp_path / "objects", reserve=0)) as parts:
        found = await asyncio.to_thread(answers, parts.door.port, [slice_file(1), slice_file(1)])
        assert await parts.shipper.drained(5)
        assert len(digests(parts.log)) == 1
    assert found == [(BROKEN, "could not be stored; send it again"), (SUCCESS, "")]


async def test_no_room_says_why_within_64_characters(tmp_path):
    """0xA700 with a comment (0000,0902), of the disk and of the spool."""
    full = ObjectFolder(tmp_path / "full", reserve=10, free=lambda _folder: 0)
    async with dimse_door(tmp_path / "a", objects=full) as parts:
        ((status, disk),) = await asyncio.to_thread(answers, parts.door.port, [slice_file(1)])
    assert status == NO_ROOM
    async with dimse_door(tmp_path / "b", owed_most=0) as parts:
        ((status, spool),) = await asyncio.to_thread(answers, parts.door.port, [slice_file(1)])
    assert status == NO_ROOM
    assert disk.startswith("0 MB free on the disk")
    assert spool.startswith("0 events are owed to Kafka already")
    assert max(len(disk), len(spool)) <= 64


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
async def test_a_uid_that_is_none_is_answered_at_once(tmp_path):
    """0xA900: what the sender's message itself names wrongly is neither stored nor owed."""
    async with dimse_door(tmp_path) as parts:
        ((status, comment),) = await asyncio.to_thread(answers, parts.door.port, [slice_file(1, SOPInstanceUID="1.02")])
        assert await parts.shipper.drained(5)
        assert not parts.log.topics
    assert (status, comment) == (NO_UID, "Affected SOP Class or Instance UID is no UID")


async def test_only_known_senders_are_heard_where_they_are_listed(tmp_path):
    """A calling AE title that is not on the list is rejected."""
    async with dimse_door(tmp_path, calling_aes=("SCANNER",)) as parts:
        assert await asyncio.to_thread(send, parts.door.port, [slice_file(1)]) == []
    async with dimse_door(tmp_path, calling_aes=("SCANNER", "TESTER")) as parts:
        assert await asyncio.to_thread(send, parts.door.port, [slice_file(1)]) == [SUCCESS]


async def test_an_association_that_stored_nothing_leaves_no_note(tmp_path):
    """Echoes and refusals end without a word."""
    full = ObjectFolder(tmp_path / "full", reserve=10, free=lambda _folder: 0)
    async with dimse_door(tmp_path, objects=full) as parts:
        await asyncio.to_thread(send, parts.door.port, [slice_file(1)])
        await asyncio.to_thread(parts.door.stop)
        assert parts.spool.owed == 0
        assert parts.spool.waiting == []


async def test_a_spool_that_can_no_longer_be_synced_ends_the_door(tmp_path, monkeypatch):
    """The sender is refused, and the shipper hears of it: its process ends, and a new one opens the spool anew."""
    async with dimse_door(tmp_path) as parts:
        assert await parts.shipper.drained(5)

        def fail(_descriptor):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr("streams.doors.spool.os.fsync", fail)
        shipping = asyncio.create_task(parts.shipper.run())
        await asyncio.sleep(0)
        monkeypatch.setattr(parts.objects, "put", digest_of)
        ((status, _),) = await asyncio.to_thread(answers, parts.door.port, [slice_file(1)])
        assert status == BROKEN
        with pytest.raises(DoorClosed):
            await asyncio.wait_for(shipping, 5)
        monkeypatch.undo()


async def test_the_door_that_never_opened_stops(tmp_path):
    """Stop before start is harmless: a process that fails early ends cleanly."""
    spool = Spool(tmp_path / "spool", 10)
    told = DoorSettings(home=tmp_path, port=0)
    DimseDoor(told, ObjectFolder(tmp_path / "objects", reserve=0), spool, lambda _note: None).stop()
    spool.close()


async def test_a_stopped_door_ends_what_runs_as_an_abort(tmp_path):
    """An association that stays open past its time is aborted, and what it brought is told with its end."""
    log = MemoryLog()
    async with dimse_door(tmp_path, log=log, finish_s=0.2) as parts:

        def left_open(port):
            entity = AE(ae_title="TESTER")
            entity.add_requested_context(dataset().SOPClassUID, ExplicitVRLittleEndian)
            association = entity.associate("127.0.0.1", port)
            association.send_c_store(dcmread(io.BytesIO(slice_file(1))))
            return association

        association = await asyncio.to_thread(left_open, parts.door.port)
        await asyncio.to_thread(parts.door.stop)
        assert await parts.shipper.drained(5)
        await asyncio.to_thread(association.join, 5)
    assert [event.how for event in told_of(log)[1]] == ["association-aborted"]
    assert len(digests(log)) == 1


async def test_of_who_hangs_up_within_an_image_nothing_is_held(tmp_path):
    """No bytes, no connection: pynetdicom's cycles would keep both until they are collected."""
    async with dimse_door(tmp_path) as parts:

        def come_and_go() -> list[threading.Thread]:
            with Peer(parts.door.port) as peer:
                assert peer.associate(request())
                peer.send(value(store_command("1.2.3"), 3) + value(bytes(100_000), 0))
            return [t for t in threading.enumerate() if "AcceptorThread" in t.name or "run_reactor" in t.name]

        for thread in await asyncio.to_thread(come_and_go):
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()
        assert parts.door._holding._held == {}
        assert parts.door._receivers == {}
        assert not parts.log.topics


def test_who_is_sent_away_is_told_now_and_then(caplog, monkeypatch):
    """The first at once, then every ten seconds with how many there were: an attack does not fill the disk."""
    now = [0.0]
    monkeypatch.setattr(dimse, "monotonic", lambda: now[0])
    told = dimse._TurnedAway()
    with caplog.at_level("INFO"):
        for _ in range(1000):
            told("it did not ask in time")
        now[0] = 10.0
        told("it did not ask in time")
    assert [m.rpartition("(")[2] for m in caplog.messages] == [
        "1 since it was said last)",
        "1000 since it was said last)",
    ]
