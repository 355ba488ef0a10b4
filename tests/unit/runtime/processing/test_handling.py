"""Handlers that decide nothing: an answer is remembered before it is sent, what cannot be made now is put off."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from streams.adapters.memory_reading import MemoryObjects
from streams.adapters.memory_twins import MemoryLog, MemoryState, now_utc
from streams.errors import ModelServerAway, ObjectMissing, TooManyDeadLetters
from streams.events.envelope import header
from streams.ports import Message, Place
from streams.runtime.processing import ticker
from streams.runtime.processing.applying import Outside
from streams.runtime.processing.dead_letters import NONE, DeadLetterCount, kept_row
from streams.runtime.processing.failures import Patience, attempt_of, wait_for
from streams.runtime.processing.handling import Handling, Manner
from tests.support.toy import DEAD, SAID, TOPIC, addressed, opened

READING = Manner(tries=2, retry_topic="toy.retry", deadline_s=0.05, remembers=True)


class Scene:
    """A handler whose answers are given one after the other; an exception is raised, None hangs."""

    def __init__(self, *answers, manner=READING):
        self.state, self.log = MemoryState(), MemoryLog()
        self.outside = Outside(
            state=self.state,
            log=self.log,
            objects=MemoryObjects(),
            policy="p",
            deadletters=DEAD,
            addressed=addressed,
            patience=Patience(self.sleep),
        )
        self.answers, self.asked = list(answers), 0
        self.dead = DeadLetterCount()
        self.handling = Handling("reading", self.handle, self.outside, manner, self.dead)

    async def sleep(self, _seconds):
        await asyncio.sleep(0)

    async def handle(self, record):
        self.asked += 1
        answer = self.answers.pop(0)
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return [Message(SAID, record.key, answer, [])]

    def record(self):
        message = opened("1.2", "a")
        return self.log.append(TOPIC, message.key, message.value, message.headers)

    def on(self, topic):
        return [r.value for r in self.log.records(topic)]


async def test_an_answer_is_given_once():
    """Delivered again, the model is not asked and the same bytes go out."""
    s = Scene(b"first", b"second")
    record = s.record()
    await s.handling.apply(record)
    await s.handling.apply(record)
    assert s.asked == 1
    assert s.on(SAID) == [b"first", b"first"]


async def test_two_processes_answering_at_once_say_the_same():
    """Whoever stores first is whose bytes both send."""
    s = Scene(b"mine", b"other")
    record = s.record()
    other = Handling("reading", s.handle, s.outside, READING)
    await asyncio.gather(s.handling.apply(record), other.apply(record))
    assert len(set(s.on(SAID))) == 1


@pytest.mark.parametrize("answers", [(ModelServerAway("x"), ModelServerAway("x")), (None, None)])
async def test_what_cannot_be_made_now_is_put_off(answers):
    """After so many tries, errors or deadlines, it goes to the retry topic with a time and a count."""
    s = Scene(*answers)
    record = s.record()
    await s.handling.apply(record)
    (late,) = s.log.records("toy.retry")
    assert (late.key, late.value) == (record.key, record.value)
    assert attempt_of(late.headers) == 1
    assert wait_for(late.headers, now_utc(), timedelta(minutes=1)) > timedelta(seconds=1)
    assert header(late.headers, "ce_id") == header(record.headers, "ce_id")
    s.answers = [b"now"]
    await s.handling.apply(late)
    assert s.on(SAID) == [b"now"]


@pytest.mark.parametrize("error", [ObjectMissing("gone"), ZeroDivisionError("bug")])
async def test_what_can_never_be_made_is_set_aside(error):
    """With its bytes; the next goes on."""
    s = Scene(error, b"next")
    record = s.record()
    await s.handling.apply(record)
    assert s.on(DEAD) == [record.value]
    message = opened("1.2", "b")
    await s.handling.apply(s.log.append(TOPIC, message.key, message.value, message.headers))
    assert s.on(SAID) == [b"next"]


async def test_no_id_no_answer():
    """What is no CloudEvent is set aside, unread."""
    s = Scene()
    await s.handling.apply(s.log.append(TOPIC, b"k", b"v", []))
    assert s.on(DEAD) == [b"v"]
    assert s.asked == 0


async def test_cancelled_it_leaves_nothing():
    """On a revoke a running reading ends, unanswered and not put off; the next owner makes it."""
    s = Scene(None, b"later", manner=Manner(tries=2, retry_topic="toy.retry", deadline_s=60.0, remembers=True))
    record = s.record()
    task = asyncio.create_task(s.handling.apply(record))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert s.log.topics == (TOPIC,)
    await s.handling.apply(record)
    assert s.on(SAID) == [b"later"]


async def test_answers_are_forgotten_in_time():
    """The store does not grow for ever: after two days the ticker forgets an answer."""
    s = Scene(b"first")
    record = s.record()
    await s.handling.apply(record)
    place, identity = Place("reading", record.partition), header(record.headers, "ce_id")
    assert await s.state.due([place], now_utc() + timedelta(days=1.9), 10) == []
    due = await s.state.due([place], now_utc() + timedelta(days=2), 10)
    await ticker.forget(due, s.outside)
    assert not (await s.state.load(place, identity, identity, ())).applied


async def test_a_forwarder_sends_on_and_waits_for_kafka():
    """Without memory; nothing is lost while Kafka is away."""
    s = Scene(b"on", manner=Manner())
    s.log.away = True
    task = asyncio.create_task(s.handling.apply(s.record()))
    await asyncio.sleep(0.01)
    s.log.away = False
    await task
    assert s.on(SAID) == [b"on"]


async def test_dead_letters_in_a_row_stop_readers_over_restarts():
    """As of agents that decide: the 21st is not set aside, neither now nor after a restart."""
    s = Scene(*[ObjectMissing("gone")] * 40)
    for _ in range(20):
        await s.handling.apply(s.record())
    for _ in range(3):
        with pytest.raises(TooManyDeadLetters, match="wetread dlq accept"):
            await s.handling.apply(s.record())
        place = Place("reading", s.record().partition)
        s.dead = DeadLetterCount(places=lambda place=place: [place])
        s.handling = Handling("reading", s.handle, s.outside, READING, s.dead)
    assert len(s.on(DEAD)) == 20


async def test_a_reading_that_is_made_ends_the_row():
    """What was kept of it too."""
    s = Scene(ObjectMissing("gone"), b"answer")
    first, second = s.record(), opened("1.2", "b")
    await s.handling.apply(first)
    place = Place("reading", first.partition)
    assert (await kept_row(place, s.state)).length == 1
    await s.handling.apply(s.log.append(TOPIC, second.key, second.value, second.headers))
    assert await kept_row(place, s.state) == NONE
