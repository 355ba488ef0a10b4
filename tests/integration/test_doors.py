"""The DIMSE door with a real sender: what is acknowledged is stored and told, what is not is refused with a reason."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence

import pytest
from pynetdicom import AE

from streams.adapters.memory_twins import MemoryLog
from streams.adapters.object_folder import ObjectFolder
from streams.doors.porch import ABORT
from streams.errors import BrokerAway
from streams.events.identifiers import digest_of
from streams.ports import Message
from tests.support.doors import SERIES, STUDY, digests, dimse_door, send, slice_file, told_of

SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700


class AwayLog(MemoryLog):
    """A record that is away for its first calls."""

    refusals = 3

    async def send(self, messages: Sequence[Message]) -> None:
        if AwayLog.refusals:
            AwayLog.refusals -= 1
            raise BrokerAway("Kafka is away")
        await super().send(messages)


async def test_what_is_acknowledged_is_told_once_in_groups_and_closed(tmp_path):
    """An association's instances come as few events, then its end with the counts."""
    files = [slice_file(number) for number in range(1, 8)]
    async with dimse_door(tmp_path) as parts:
        statuses = await asyncio.to_thread(send, parts.door.port, files)
        assert await parts.shipper.drained(5)
        stored, closed = told_of(parts.log)
    assert statuses == [SUCCESS] * 7
    assert sum(len(event.instances) for event in stored) == 7
    assert len(stored) < 7
    assert [(c.study, c.how, c.counts) for c in closed] == [(STUDY, "association-released", {SERIES: 7})]
    assert {event.association for event in stored} == {closed[0].association}
    for event in stored:
        for instance in event.instances:
            assert digest_of(parts.objects.get(instance.digest)) == instance.digest
            assert instance.fault is None


async def test_the_same_instance_twice_is_one_object(tmp_path):
    """Sent in two associations, it is one object, told twice; other bytes under its UID are another."""
    async with dimse_door(tmp_path) as parts:
        for pixels in (None, None, bytes(512)):
            await asyncio.to_thread(send, parts.door.port, [slice_file(1, pixels=pixels)])
        assert await parts.shipper.drained(5)
        found = digests(parts.log)
        instances = {i.instance for event in told_of(parts.log)[0] for i in event.instances}
    assert len(found) == 2
    assert len(instances) == 1


async def test_an_aborted_association_says_so(tmp_path):
    """What came before an abort is kept, and its end is told as an abort."""
    async with dimse_door(tmp_path) as parts:
        await asyncio.to_thread(send, parts.door.port, [slice_file(1)], how="abort")
        for _ in range(100):
            if told_of(parts.log)[1]:
                break
            await asyncio.sleep(0.05)
        stored, closed = told_of(parts.log)
    assert len(stored) == 1
    assert [event.how for event in closed] == ["association-aborted"]


async def test_no_room_is_answered_as_out_of_resources(tmp_path):
    """Too little disk: 0xA700, and nothing is told."""
    full = ObjectFolder(tmp_path / "full", reserve=0, free=lambda _folder: 100)
    async with dimse_door(tmp_path, objects=full) as parts:
        statuses = await asyncio.to_thread(send, parts.door.port, [slice_file(1)])
        assert await parts.shipper.drained(5)
        assert not parts.log.topics
    assert statuses == [OUT_OF_RESOURCES]


async def test_a_full_spool_refuses_and_loses_nothing(tmp_path):
    """Kafka away past the watermark: refused; what was acknowledged before is told when Kafka is back."""
    AwayLog.refusals = 3
    async with dimse_door(tmp_path, log=AwayLog(), owed_most=2) as parts:
        statuses = await asyncio.to_thread(send, parts.door.port, [slice_file(n) for n in (1, 2, 3)])
        assert await parts.shipper.drained(10)
        found = digests(parts.log)
        closed = told_of(parts.log)[1]
    assert statuses == [SUCCESS, SUCCESS, OUT_OF_RESOURCES]
    assert len(found) == 2
    assert closed[0].counts == {SERIES: 2}


async def test_hostile_uids_never_become_a_path(tmp_path):
    """A UID that climbs out of the folder ends as a dead letter; files lie under their digests only."""
    evil = slice_file(1, StudyInstanceUID="../../../../etc/x")
    async with dimse_door(tmp_path / "home") as parts:
        statuses = await asyncio.to_thread(send, parts.door.port, [evil])
        assert await parts.shipper.drained(5)
        letters = parts.log.records("triage.deadletters")
    assert statuses == [SUCCESS]
    assert len(letters) == 1
    assert dict(letters[0].headers)["wetread-reason"].startswith(b"its Study Instance UID")
    assert letters[0].value == b""
    assert {path.name for path in tmp_path.iterdir()} == {"home"}


async def test_a_private_class_and_syntax_are_stored(tmp_path):
    """Whatever the sender proposes as storage is taken as it is; its fault is told, not guessed over."""
    content = slice_file(1, SOPClassUID="1.2.840.113619.4.2")
    async with dimse_door(tmp_path) as parts:
        assert await asyncio.to_thread(send, parts.door.port, [content]) == [SUCCESS]
        assert await parts.shipper.drained(5)
        assert told_of(parts.log)[0][0].instances[0].sop_class == "1.2.840.113619.4.2"


@pytest.mark.parametrize(("title", "accepted"), [("WETREAD", True), ("OTHER", False)])
async def test_the_called_title_is_checked_when_told(tmp_path, title, accepted):
    """A sender that calls somebody else is rejected."""
    async with dimse_door(tmp_path, called_ae="WETREAD") as parts:
        statuses = await asyncio.to_thread(send, parts.door.port, [slice_file(1)], title=title)
    assert bool(statuses) == accepted


async def test_echo(tmp_path):
    """C-ECHO is answered with success."""

    def echo(port: int) -> int:
        entity = AE()
        entity.add_requested_context("1.2.840.10008.1.1")
        association = entity.associate("127.0.0.1", port)
        status = association.send_c_echo()
        association.release()
        return int(status.Status)

    async with dimse_door(tmp_path) as parts:
        assert await asyncio.to_thread(echo, parts.door.port) == SUCCESS


async def test_a_pdu_that_claims_4_gb_ends_its_connection_only(tmp_path):
    """The connection is closed at once; the next sender is served."""

    def claim(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(struct.pack(">BBL", 1, 0, 0xFFFFFFFF) + bytes(64))
            return connection.recv(64)

    async with dimse_door(tmp_path) as parts:
        assert await asyncio.to_thread(claim, parts.door.port) == ABORT
        assert await asyncio.to_thread(send, parts.door.port, [slice_file(1)]) == [SUCCESS]
