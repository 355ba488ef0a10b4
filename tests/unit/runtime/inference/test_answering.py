"""A reading whose model is away, slow or dead: made when the model is back; until then people are told once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streams.adapters.contract_files import read_model
from streams.adapters.memory_reading import MemoryObjects
from streams.adapters.memory_twins import MemoryLog, MemoryState
from streams.errors import ModelServerAway, ObjectStoreAway
from streams.events.envelope import Envelope, from_kafka, header, to_kafka
from streams.events.identifiers import named_id
from streams.events.reading import ReadingAnswered, ReadingFailed, ReadingRequested
from streams.flow import addressed
from streams.ports import Record
from streams.runtime.inference.answering import ASKED_MOST, PROBES_LEAST, TRIES_MOST, Answering, Waits
from streams.runtime.inference.circuit import doubted
from streams.runtime.inference.circuits import Circuits
from streams.runtime.inference.reader import failed
from streams.runtime.processing.applying import Outside
from streams.runtime.processing.failures import HELD_S, Patience, past_of, retry
from streams.runtime.processing.handling import Handling, Manner
from tests.support.asking import ROUTINE
from tests.support.models import write_model_folder

TOPIC, RETRY, FINDINGS = "triage.readings.routine", "triage.readings.routine.retry", "triage.findings"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Server:
    """A model server as a reading sees it: `dead` it says so, on `poison` studies its process dies, else it answers."""

    def __init__(self) -> None:
        self.dead, self.slow, self.poison = False, False, frozenset[str]()
        self.asked: list[str] = []
        self.circuits: Circuits

    async def read(self, request: ReadingRequested) -> ReadingAnswered | ReadingFailed:
        self.asked.append(request.study)
        await asyncio.sleep(0)
        if self.dead or self.slow or request.study in self.poison:
            raise self.circuits.fault(request.model, "no answer")
        self.circuits.answered(request.model)
        return failed(request, "quality", "stands for an answer")

    async def canary(self, _model: str) -> None:
        await asyncio.sleep(0)
        if self.dead:
            raise ModelServerAway("away")


class Scene:
    """A reading lane and its retry topic, whose events come when it is their time; time goes on by itself."""

    def __init__(self, folder: Path, **waits: float) -> None:
        self.now = NOON
        self.server, self.log, self.state = Server(), MemoryLog(), MemoryState()
        self.start()
        models = {"m": read_model(write_model_folder(folder))}
        self.answering = Answering(
            self.server, models, waits=Waits(clock=lambda: self.now, circuits=self.circuits, **waits)
        )
        outside = Outside(
            state=self.state,
            log=self.log,
            objects=MemoryObjects(),
            policy="p",
            deadletters="dead",
            addressed=addressed,
            patience=Patience(self.sleep),
        )
        manner = Manner(tries=1, retry_topic=RETRY, remembers=True)
        self.handling = Handling("reading", self.answering.handle, outside, manner)
        self.taken: set[tuple[int, int]] = set()

    def start(self) -> None:
        self.circuits = self.server.circuits = Circuits(self.server.canary, clock=self.seconds, sleep=self.sleep)

    def seconds(self) -> float:
        return (self.now - NOON).total_seconds()

    async def sleep(self, _seconds: float) -> None:
        """Time is moved by the test alone; a canary is asked whenever the loop comes to it."""
        await asyncio.sleep(0)

    async def ask(self, study: str) -> None:
        asked = Envelope(
            id=named_id("request", study),
            time=NOON,
            key=study,
            data=type(ROUTINE)(**{n: getattr(ROUTINE, n) for n in ROUTINE.__slots__} | {"study": study}),
        )
        await self.handling.apply(self.log.append(TOPIC, *to_kafka(asked)))

    async def retries(self, seconds: float) -> None:
        """What is on the retry topic, each once, after so long."""
        self.now += timedelta(seconds=seconds)
        await self.rest()
        waiting = self.waiting
        self.take(waiting)
        for record in waiting:
            await self.handling.apply(record)

    async def rest(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    @property
    def waiting(self) -> list[Record]:
        records = self.log.records(RETRY) if RETRY in self.log.topics else []
        return [record for record in records if (record.partition, record.offset) not in self.taken]

    def take(self, records: list[Record]) -> None:
        self.taken |= {(record.partition, record.offset) for record in records}

    def told(self, study: str) -> list[ReadingFailed]:
        events = [from_kafka(r.value, r.headers) for r in self.log.records(FINDINGS)]
        names = [event.id for event in events]
        assert len(set(names)) == len(names), "one id, one content"
        return [e.data for e in events if isinstance(e.data, ReadingFailed) and e.data.study == study]

    def ends(self, study: str) -> list[str]:
        """Reasons of what was final: that stands for an answer here."""
        return [f.reason for f in self.told(study) if f.final]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    made = Scene(tmp_path)
    yield made
    await made.circuits.close()


async def test_a_server_away_for_hours_ends_nothing(scene: Scene):
    """The law: however long, each study is asked when the server is back; people are told once until then."""
    scene.server.dead = True
    studies = [str(n) for n in range(5)]
    for study in studies:
        await scene.ask(study)
    for _ in range(80):
        await scene.retries(60.0)
    asked = len(scene.server.asked)
    assert asked < 10, "an open circuit lets nobody pay a deadline"
    for study in studies:
        told = scene.told(study)
        assert 1 <= len(told) <= 2
        assert not any(failure.final for failure in told)
        assert told[0].attempt <= 1
    scene.server.dead = False
    await scene.rest()
    await scene.retries(1.0)
    assert [scene.ends(study) for study in studies] == [["stands for an answer"]] * 5


async def test_what_waits_need_not_wait_for_its_time(scene: Scene):
    """It is taken as soon as its model is well; what waits for its time alone is not."""
    scene.server.dead = True
    for study in "abcd":
        await scene.ask(study)
        await scene.rest()
    (last,) = [record for record in scene.waiting if record.key == b"d"]
    assert past_of(last.headers).waits_for == "m"
    sooner = asyncio.create_task(scene.answering.sooner(last))
    late = retry(last, RETRY, NOON)
    alone = asyncio.create_task(scene.answering.sooner(last_as(last, late.headers)))
    await scene.rest()
    assert not sooner.done()
    scene.server.dead = False
    await sooner
    assert not alone.done()
    alone.cancel()


def last_as(record: Record, headers: list[tuple[str, bytes]]) -> Record:
    return type(record)(**{n: getattr(record, n) for n in record.__slots__} | {"headers": headers})


async def test_one_whose_images_end_the_model_each_time_ends(scene: Scene):
    """Its canary is answered in between, so it is this study's fault: seven tries, then it is given up."""
    scene.server.poison = frozenset({"bad"})
    await scene.ask("bad")
    for number in range(3 * TRIES_MOST):
        await scene.retries(300.0)
        await scene.ask(f"good {number}")
    assert scene.server.asked.count("bad") == TRIES_MOST
    told = scene.told("bad")
    assert [(f.attempt, f.final) for f in told] == [(n, n == TRIES_MOST) for n in range(1, TRIES_MOST + 1)]
    assert told[-1].reason == f"no answer (try {TRIES_MOST})"
    assert all(scene.ends(f"good {n}") for n in range(3 * TRIES_MOST))


async def test_it_ends_alone_at_night_too(scene: Scene):
    """Nobody else is there to be answered: the canary is."""
    scene.server.poison = frozenset({"bad"})
    await scene.ask("bad")
    for _ in range(4 * TRIES_MOST):
        await scene.retries(300.0)
    assert scene.server.asked.count("bad") == TRIES_MOST
    assert len(scene.ends("bad")) == 1


async def test_a_slow_server_ends_no_study(scene: Scene):
    """It answers its canary and nobody else, half an hour long; then all are read."""
    scene.server.slow = True
    for study in "abc":
        await scene.ask(study)
    for _ in range(30):
        await scene.retries(60.0)
    assert scene.ends("a") == scene.ends("b") == scene.ends("c") == []
    scene.server.slow = False
    for _ in range(3):
        await scene.retries(60.0)
    assert [scene.ends(study) for study in "abc"] == [["stands for an answer"]] * 3


async def test_two_that_break_it_are_not_asked_for_ever(scene: Scene):
    """Nobody is answered who would tell them from a slow server: an end all the same."""
    scene.server.poison = frozenset({"a", "b"})
    for study in "ab":
        await scene.ask(study)
    for _ in range(3 * ASKED_MOST):
        await scene.retries(60.0)
    assert scene.waiting == []
    assert (len(scene.ends("a")), len(scene.ends("b"))) == (1, 1)
    assert len(scene.server.asked) <= 2 * ASKED_MOST


async def test_after_a_day_it_is_given_up_and_says_so(tmp_path: Path):
    """A bound of policy; the reason names the model and what is wrong with it."""
    s = Scene(tmp_path, for_model_s=3600.0)
    s.server.dead = True
    for study in "abcd":
        await s.ask(study)
        await s.rest()
    for _ in range(2 * PROBES_LEAST):
        await s.retries(60.0)
    assert s.ends("d") == []
    for _ in range(2 * PROBES_LEAST):
        await s.retries(60.0)
    assert s.ends("d") == ["m is not asked until it answers its canary: away; it is given up"]
    assert s.waiting == []
    await s.circuits.close()


async def test_a_stack_that_was_down_for_days_begins_with_patience(tmp_path: Path):
    """What was put off before is late already; the model is asked for some minutes before it is given up."""
    s = Scene(tmp_path, for_model_s=3600.0)
    s.server.dead = True
    for study in "abcd":
        await s.ask(study)
        await s.rest()
    await s.circuits.close()
    s.circuits._circuits = {"m": doubted("not loaded", 0.0)}
    s.now += timedelta(days=3)
    waiting = s.waiting
    s.take(waiting)
    for record in waiting:
        await s.handling.apply(record)
    assert [s.ends(study) for study in "abcd"] == [[]] * 4
    s.server.dead = False
    s.circuits.begin()
    await s.circuits.until_closed("m")
    await s.retries(1.0)
    assert [s.ends(study) for study in "abcd"] == [["stands for an answer"]] * 4
    await s.circuits.close()


async def test_a_store_that_is_away_counts_as_before(scene: Scene):
    """It says nothing of the model."""

    async def read(request: ReadingRequested) -> ReadingAnswered:
        raise ObjectStoreAway(request.study)

    scene.server.read = read  # type: ignore[method-assign]
    await scene.ask("a")
    for _ in range(2 * TRIES_MOST):
        await scene.retries(300.0)
    assert [f.attempt for f in scene.told("a")] == list(range(1, TRIES_MOST + 1))
    assert not scene.circuits.of("m").is_open


async def test_what_waits_holds_its_place_for_a_moment(scene: Scene):
    """Its time on the retry topic is short, so that others' retries come between; it is the same bytes and id."""
    scene.server.dead = True
    for study in "abcd":
        await scene.ask(study)
        await scene.rest()
    (first,) = [record for record in scene.log.records(TOPIC) if record.key == b"d"]
    (last,) = [record for record in scene.waiting if record.key == b"d"]
    assert (first.key, first.value) == (last.key, last.value)
    assert header(first.headers, "ce_id") == header(last.headers, "ce_id")
    assert past_of(last.headers).delay_s(5.0, "any") == HELD_S
