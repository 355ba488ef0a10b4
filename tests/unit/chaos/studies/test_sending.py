"""The sender against a real door: everything is acknowledged once all is well, and each attempt is written down."""

from __future__ import annotations

import asyncio
import gc
import hashlib

import orjson
import pytest

from streams.chaos.history import History
from streams.chaos.links import Links, Weather
from streams.chaos.studies.plan import study
from streams.chaos.studies.sending import Sender
from streams.runtime.parts.ports import claim_ports
from tests.support.doors import digests, dimse_door, told_of

KINDS = ("late-bleed", "aborted", "conflict", "duplicates")
PATIENCE_S = 60.0


def quick(kind: str):
    """A study of a kind that does not wait long between its steps."""
    from dataclasses import replace

    one = next(s for s in (study(3, number, 1.0) for number in range(1, 500)) if kind in s.kinds)
    return replace(one, steps=tuple(replace(step, after_s=min(step.after_s, 0.1)) for step in one.steps))


def acks(history: History) -> list[dict]:
    return [orjson.loads(line) for line in (history.folder / "acks.jsonl").read_bytes().splitlines()]


async def test_all_images_of_every_kind_arrive_and_are_written_down(tmp_path):
    """Late ones, twice the same, the same name with other bytes, after an abort: each has a line with status 0."""
    history, done = History(tmp_path / "history"), []
    studies = [quick(kind) for kind in KINDS]
    async with dimse_door(tmp_path / "home") as parts:
        sender = Sender(("127.0.0.1", parts.door.port), history, tmp_path / "out", done.append)
        sender.start()
        for one in studies:
            sender.take(one)
        assert await asyncio.to_thread(sender.idle, PATIENCE_S)
        await asyncio.to_thread(sender.stop)
        await parts.shipper.drained(PATIENCE_S)
        told = {i.instance for event in told_of(parts.log)[0] for i in event.instances}
        ends = [event.how for event in told_of(parts.log)[1]]
        stored = digests(parts.log)
    assert {one.study for one in done} == {one.study for one in studies}
    assert told == {i.instance for one in studies for i in one.instances}
    assert "association-aborted" in ends
    sent = {hashlib.sha256(one.content(i)).hexdigest() for one in studies for i in one.instances}
    assert {line["dataset_sha256"] for line in acks(history) if line["status"] == 0} == sent
    assert len(stored) == len(sent)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pynetdicom's, of refused ones
async def test_what_a_bad_link_loses_is_sent_again(tmp_path):
    """Refused associations and cut ones are lines without a status; in the end everything is acknowledged."""
    history, one = History(tmp_path / "history"), quick("late-bleed")
    async with dimse_door(tmp_path / "home") as parts:
        port = claim_ports(tmp_path, ["link"])["link"]
        links = Links(1, {"dicom": (port, parts.door.port)})
        links.start()
        links.become("dicom", Weather(refuses=True))
        sender = Sender(("127.0.0.1", port), history, tmp_path / "out", lambda _study: None)
        sender.start()
        sender.take(one)
        while not (history.folder / "acks.jsonl").exists():  # noqa: ASYNC110  # a file tells no event
            await asyncio.sleep(0.05)
        links.become("dicom", Weather(delay_s=0.001))
        assert await asyncio.to_thread(sender.idle, PATIENCE_S)
        await asyncio.to_thread(sender.stop)
        links.stop()
    lines = acks(history)
    assert lines[0]["how"] == "refused"
    assert {line["instance"] for line in lines if line["status"] == 0} == {i.instance for i in one.instances}
    gc.collect()
