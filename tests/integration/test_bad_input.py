"""Bad input through the doors and on the topics: each has a clear answer, and stops nobody."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from kafka import KafkaProducer
from kafka.errors import MessageSizeTooLargeError

from streams.adapters.dicom_scu import SUCCESS, FileName, send
from streams.events.envelope import header
from streams.events.identifiers import digest_of
from streams.runtime.sending import Delivery, _drop
from streams.runtime.wiring import addresses, dicom_address
from tests.support.small_heads import slices, study, written
from tests.support.spoilt import NAMELESS, SPOILT, TRANSFER_SYNTAX, with_uid
from tests.support.verifying import kept
from tests.support.whole_stack import PATIENCE_S, WholeStack, ended, partition, read_on, sent

pytestmark = [pytest.mark.stack, pytest.mark.timeout(3 * PATIENCE_S)]

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"


async def test_spoilt_studies_end_in_a_typed_outcome(whole_stack: WholeStack):
    """Each ends once, unread, with a reason that a person understands; a good study after it is read."""
    names = {kind: whole_stack.fresh("spoilt") for kind in SPOILT}
    paths = {
        kind: written(case.datasets(names[kind]), whole_stack.scratch / names[kind], case.bytes)
        for kind, case in SPOILT.items()
    }
    async with whole_stack.following() as following:
        _, delivery = await sent(whole_stack, [path for files in paths.values() for path in files])
        assert {s.status for s in delivery.sent} == {SUCCESS}
        await ended(following, delivery)
        found = {kind: following.ledger.line(study(name).uid).outcome for kind, name in names.items()}
    wrong = {
        kind: outcome
        for kind, outcome in found.items()
        if outcome is None
        or outcome.outcome not in SPOILT[kind].outcomes
        or not any(word.lower() in outcome.reason.lower() for word in SPOILT[kind].reason)
    }
    assert wrong == {}
    uids = [study(name).uid for name in names.values()]
    await read_on(whole_stack, {partition(uid) for uid in uids})
    await kept(whole_stack, uids)


async def test_what_names_no_study_is_a_dead_letter(whole_stack: WholeStack):
    """The bytes are kept under their digest, the reason is told, and no UID of a file becomes a path."""
    files = {kind: named(whole_stack, kind, spoil) for kind, (spoil, _reason) in NAMELESS.items()}
    async with whole_stack.following() as following:
        answers = await asyncio.to_thread(send, files.values(), *dicom_address(whole_stack.settings), "WETREAD")
        assert {a.status for a in answers} == {SUCCESS}
        letters = {}

        def all_there() -> bool:
            for letter in following.dead_letters:
                letters[header(letter.record.headers, "wetread-instance")] = letter
            return {f.instance for f in files.values()} <= letters.keys()

        assert await following.until(all_there, PATIENCE_S)
    told = {kind: letters[file.instance].reason for kind, file in files.items()}
    assert [kind for kind, (_, reason) in NAMELESS.items() if reason not in told[kind]] == []
    for file in files.values():
        digest = header(letters[file.instance].record.headers, "wetread-object")
        assert list((whole_stack.settings.home / "objects").rglob(f"{digest}*")), "its bytes are kept"
    assert not Path("/tmp/1.2").exists()


def named(stack: WholeStack, kind: str, spoil) -> FileName:
    """One spoilt file, to be sent as a study of its own."""
    name = stack.fresh("nameless")
    (dataset,) = slices(name)[:1]
    (path,) = written([dataset], stack.scratch / name, spoil)
    return FileName(
        path=path,
        study=kind,
        instance=str(dataset.SOPInstanceUID),
        sop_class=CT,
        transfer_syntax=EXPLICIT,
        accession="",
    )


async def test_the_folder_takes_what_no_association_carries(whole_stack: WholeStack):
    """No DICOM, an empty file, and an unknown transfer syntax: a dead letter or an outcome for each."""
    folder = whole_stack.folder("dropped")
    strange = whole_stack.fresh("strange")
    with_syntax = written(
        slices(strange),
        folder / "strange",
        lambda content: with_uid(TRANSFER_SYNTAX, b"1.2.840.10008.1.2.4.9999", content),
    )
    content = {"empty": b"", "text": f"no DICOM {folder.name}".encode(), "magic only": b"\0" * 128 + b"DICM"}
    for name, text in content.items():
        (folder / name).write_bytes(text)
    odd = {digest_of(text): folder / name for name, text in content.items()}
    async with whole_stack.following() as following:
        dropped = await asyncio.to_thread(_drop, [*odd.values(), *with_syntax], whole_stack.settings.inbox)
        assert odd.keys() < dropped.keys()
        await ended(following, Delivery(sent=[], dropped=dropped))
        uid = study(strange).uid
        outcome = following.ledger.line(uid).outcome
    assert outcome.outcome in {"ineligible", "rejected", "failed"}
    assert "transfer syntax" in outcome.reason
    await read_on(whole_stack, {partition(uid)})


KINDS = {
    "garbage": (b"key", b"\xff\x00 no json {", [("ce_id", b"\xff\xfe")], "CloudEvent"),
    "another version": (
        b"1.2.3",
        b"{}",
        [("ce_id", b"v9"), ("ce_type", b"wetread.InstancesStored.v9"), ("ce_time", b"2026-03-02T08:00:00Z"),
         ("ce_subject", b"1.2.3")],
        "knows no event of type",
    ),
    "null key": (None, b"{}", [], "CloudEvent"),
    "null value": (b"1.2.3", None, [("ce_id", b"empty")], "CloudEvent"),
}  # fmt: skip
TOPICS = ("imaging.instances", "triage.findings", "imaging.orders", "triage.feedback", "triage.readings.routine")


async def test_events_of_strangers_are_set_aside(whole_stack: WholeStack):
    """Garbage, another version, null: each is a dead letter with its bytes and place; the partition goes on."""
    producer = KafkaProducer(bootstrap_servers=addresses(whole_stack.settings).kafka)
    placed = {}
    partitions = range(len(KINDS))
    async with whole_stack.following() as following:
        for topic in TOPICS:
            for at, (kind, (key, value, headers, _reason)) in zip(partitions, KINDS.items(), strict=True):
                sending = producer.send(topic, key=key, value=value, headers=headers, partition=at)
                meta = await asyncio.to_thread(sending.get, 20)
                placed[topic, str(at), str(meta.offset)] = kind
        letters = {}

        def all_there() -> bool:
            for letter in following.dead_letters:
                names = ("wetread-source-topic", "wetread-source-partition", "wetread-source-offset")
                letters[tuple(header(letter.record.headers, n) for n in names)] = letter
            return placed.keys() <= letters.keys()

        assert await following.until(all_there, PATIENCE_S), placed.keys() - letters.keys()
    producer.close()
    for where, kind in placed.items():
        _, value, _, reason = KINDS[kind]
        assert letters[where].record.value == (value or b"")
        assert reason in letters[where].reason, (kind, where)
    await read_on(whole_stack, set(partitions))


async def test_an_event_of_2_mb_is_refused_by_the_record(whole_stack: WholeStack):
    """Kafka takes no event over its limit: the sender is told, and nothing of it is on a topic."""
    producer = KafkaProducer(bootstrap_servers=addresses(whole_stack.settings).kafka, max_request_size=4_000_000)
    with pytest.raises(MessageSizeTooLargeError):
        await asyncio.to_thread(producer.send("imaging.instances", key=b"big", value=b"x" * 2_000_000).get, 20)
    producer.close()
