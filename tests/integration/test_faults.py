"""Everything is killed in turn while studies arrive: nothing is lost, nothing happens twice."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from streams.adapters.kafka_lag import lag
from streams.adapters.redis_state import connect
from streams.events.envelope import from_kafka
from streams.events.telling import PlaceChanged
from streams.oversight.ledger import Ledger, StudyLine
from streams.runtime.inference.answering import TRIES_MOST
from streams.runtime.inference.circuit import OPENS_AFTER
from streams.runtime.wiring import GROUPS, addresses
from tests.support.small_heads import SLICES, slices, study, written
from tests.support.verifying import broken_promises, contradictions, kept, ledger_of, listed, states
from tests.support.whole_stack import PATIENCE_S, WholeStack, all_records, ended, outcome_of, read_on, sent, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(3 * PATIENCE_S)]


def some_heads(stack: WholeStack, kind: str, count: int) -> dict[str, list[Path]]:
    """Study UID to its files, for a few small heads."""
    names = [stack.fresh(kind) for _ in range(count)]
    return {study(name).uid: written(slices(name), stack.scratch / name) for name in names}


async def all_analysed(stack: WholeStack, studies: Sequence[str]):
    """The promise holds, and these studies were read once each."""
    ledger = await kept(stack, studies)
    lines = [ledger.line(uid) for uid in studies]
    assert [(line.revision, line.outcome.outcome) for line in lines] == [(1, "analysed")] * len(lines)
    return lines


async def test_the_flow_worker_is_killed_in_the_middle_of_a_send(whole_stack: WholeStack):
    """The next one begins where the record says, repeats the same ids, and every study ends once."""
    heads = some_heads(whole_stack, "worker", 4)
    async with whole_stack.following() as following:
        sending = asyncio.create_task(sent(whole_stack, [p for paths in heads.values() for p in paths]))
        second = list(heads)[1]
        await until(following, lambda ledger: second in ledger.lines, "the second study is stored")
        whole_stack.kill("worker-1")
        _, delivery = await sending
        assert not delivery.refused
        await ended(following, delivery)
        await asyncio.to_thread(whole_stack.until_back, "worker-1")
    await all_analysed(whole_stack, list(heads))


async def test_the_reader_is_killed_in_the_middle_of_a_reading(whole_stack: WholeStack):
    """A reading that nobody answered is made by the next reader; the study has one answer."""
    heads = some_heads(whole_stack, "reader", 2)
    async with whole_stack.following() as following:
        _, delivery = await sent(whole_stack, [p for paths in heads.values() for p in paths])
        first = next(iter(heads))
        await until(following, lambda ledger: first in ledger.lines and ledger.lines[first].place, "it is routed")
        whole_stack.kill("reader-1")
        await ended(following, delivery)
        await asyncio.to_thread(whole_stack.until_back, "reader-1")
    for line in await all_analysed(whole_stack, list(heads)):
        assert len(line.answers) == 1


async def test_redis_forgets_everything(whole_stack: WholeStack):
    """FLUSHALL: worklist and states come back by themselves, as the topics have them; nobody is told again."""
    heads = some_heads(whole_stack, "flushed", 1)
    await outcome_of(whole_stack, next(iter(heads.values())))
    await all_committed(whole_stack)
    before, lines = await states(whole_stack), (await kept(whole_stack, list(heads))).lines
    assert before
    whole_stack.hush()
    async with connect(addresses(whole_stack.settings).redis) as redis:
        await redis.flushall()
    await asyncio.to_thread(whole_stack.until_back, "worker-1")
    await until_equal(whole_stack, before)
    await read_on(whole_stack, set(range(8)))
    ledger = await kept(whole_stack, list(heads))
    assert await listed(whole_stack) == [line.study for line in ledger.worklist()]
    assert {uid: ledger.line(uid).alerts for uid in lines} == {uid: line.alerts for uid, line in lines.items()}


async def all_committed(stack: WholeStack) -> None:
    """Wait until both groups have committed what they did: Kafka tells no event of it, so it is asked."""
    end, kafka = time.monotonic() + PATIENCE_S, addresses(stack.settings).kafka
    while behind := {topic: n for topic, n in (await asyncio.to_thread(lag, kafka, GROUPS)).items() if n}:
        assert time.monotonic() < end, behind
        await asyncio.sleep(0.1)


async def until_equal(stack: WholeStack, before: dict[bytes, dict[bytes, bytes]]) -> None:
    """Wait until Redis holds the same states again: the store tells no event, so it is asked."""
    end = time.monotonic() + PATIENCE_S
    now: dict[bytes, dict[bytes, bytes]] = {}
    while now != before:
        assert time.monotonic() < end, {n for n in before.keys() | now.keys() if before.get(n) != now.get(n)}
        await asyncio.sleep(0.1)
        now = await states(stack)


async def test_triton_is_killed(whole_stack: WholeStack):
    """No answer for now is said as such, not as a negative and not as an end; then the answer comes."""
    heads = some_heads(whole_stack, "triton", 1)
    whole_stack.kill("triton")
    async with whole_stack.following() as following:
        _, delivery = await sent(whole_stack, next(iter(heads.values())))
        await ended(following, delivery)
    await asyncio.to_thread(whole_stack.until_back, "triton")
    (line,) = await all_analysed(whole_stack, list(heads))
    assert line.failures
    assert not any(failure.final for failure in line.failures)
    assert len(line.answers) == 1


@asynccontextmanager
async def held_down(stack: WholeStack, name: str) -> AsyncIterator[None]:
    """A part is killed, and what is started in its place stopped before it listens, until the end."""
    stack.kill(name)
    before = pid = next(s for s in stack.stack.states if s.name == name).pid
    end = time.monotonic() + PATIENCE_S
    while pid in {before, None}:
        assert time.monotonic() < end
        await asyncio.sleep(0.02)
        pid = next(s for s in stack.stack.states if s.name == name).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_triton_is_away_for_longer_than_all_tries(whole_stack: WholeStack):
    """Its models are not asked, people are told so once and see it, no place moves; back, every study is read."""
    heads = some_heads(whole_stack, "away", 3)
    seven_tries = whole_stack.settings.retry_s * (2 ** (TRIES_MOST - 1) - 1)
    async with whole_stack.following() as following:
        async with held_down(whole_stack, "triton"):
            _, delivery = await sent(whole_stack, [p for paths in heads.values() for p in paths])
            await until(following, lambda ledger: untold(ledger, heads) == set(), "no AI result is shown")
            shown = {uid: following.ledger.line(uid).place for uid in heads}
            await asyncio.sleep(1.05 * seven_tries)  # the time itself is what is tried
            assert {uid: following.ledger.line(uid).place for uid in heads} == shown
            assert all(following.ledger.line(uid).outcome is None for uid in heads)
            told = await asyncio.to_thread(whole_stack.asked, "status", code=1)
            assert {(one["model"], one["reader"]) for one in told["not_asked"]} >= {("ich_ct", "reader-1")}
        await ended(following, delivery)
    await asyncio.to_thread(whole_stack.until_back, "triton")
    for line in await all_analysed(whole_stack, list(heads)):
        assert len(line.failures) <= OPENS_AFTER
        assert not any(failure.final for failure in line.failures)
        assert len(line.answers) == 1
        assert await read_bys(whole_stack, line) == {shown[line.study].read_by, line.place.read_by}


def untold(ledger: Ledger, studies: Iterable[str]) -> set[str]:
    """Studies whose place does not say that there is no AI result."""
    places = {uid: ledger.lines[uid].place for uid in studies if uid in ledger.lines}
    return {
        uid for uid in studies if not any(r.kind == "no-ai-result" for r in getattr(places.get(uid), "reasons", ()))
    }


async def read_bys(stack: WholeStack, line: StudyLine) -> set[datetime]:
    """All times by which the study was ever to be read."""
    async with stack.record() as log:
        places = [from_kafka(r.value, r.headers).data async for r in log.read(["triage.worklist"], follow=False)]
    return {place.read_by for place in places if isinstance(place, PlaceChanged) and place.study == line.study}


async def test_a_models_process_is_killed(whole_stack: WholeStack):
    """The server lives on, its model's process does not: it is loaded again, and the study is answered."""
    heads = some_heads(whole_stack, "stub", 1)
    server = next(s for s in whole_stack.stack.states if s.name == "triton")
    stubs = [p for p in psutil.Process(server.pid).children(recursive=True) if "stub" in p.name()]
    assert stubs
    for stub in stubs:
        with suppress(psutil.NoSuchProcess):
            stub.kill()
    await outcome_of(whole_stack, next(iter(heads.values())))
    (line,) = await all_analysed(whole_stack, list(heads))
    assert not any(failure.final for failure in line.failures)


async def test_the_door_is_killed_between_associations(whole_stack: WholeStack):
    """What was answered with success becomes an event all the same, and the next association is served.

    The first study may have a second revision: of the images whose events come after the door's new start.
    """
    heads = some_heads(whole_stack, "door", 2)
    first, second = heads.values()
    async with whole_stack.following() as following:
        _, before = await sent(whole_stack, first)
        whole_stack.kill("door-dimse")
        assert not before.refused
        await asyncio.to_thread(whole_stack.until_back, "door-dimse")
        _, after = await sent(whole_stack, second)
        assert not after.refused
        await ended(following, before)
        await ended(following, after)
    ledger = await kept(whole_stack, list(heads))
    lines = [ledger.line(uid) for uid in heads]
    assert [(line.outcome.outcome, line.assembled) for line in lines] == [("analysed", SLICES)] * 2


async def test_the_verifier_sees_what_it_is_for(whole_stack: WholeStack):
    """A record with an id of two contents, or a study without its outcome, is not passed over."""
    await outcome_of(whole_stack, next(iter(some_heads(whole_stack, "verified", 1).values())))
    async with whole_stack.record() as log:
        records = [r for r in await all_records(log) if r.topic != "triage.outcomes"]
    assert list(broken_promises(ledger_of(records), ledger_of(records).lines))
    twisted = [r for r in records if r.topic == "triage.worklist"][:1]
    twisted.append(replace(twisted[0], value=b"{}"))
    assert len(list(contradictions(twisted))) == 1
