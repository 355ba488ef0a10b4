"""The guaranteed step after a restart: dead letters go on being counted, a lost state is built by the rules of then."""

from __future__ import annotations

from dataclasses import replace

from streams.adapters.memory_twins import MemoryState
from streams.errors import TooManyDeadLetters
from streams.events.envelope import from_kafka
from streams.ports import Place
from streams.runtime.processing import applying
from streams.runtime.processing.applying import Applier
from streams.runtime.processing.recalling import Recalled
from streams.stage import NOTHING
from tests.support.toy import DEAD, SAID, TOPIC, opened, toy_agent
from tests.unit.runtime.processing.test_applying import Scene


async def begun_anew(s):
    """The process was started again, and has taken its places."""
    s.restart()
    await s.dead.begin(s.state)


async def test_the_count_survives_restarts():
    """A supervisor that starts a bad build again and again must not let it empty the topic, 20 by 20."""
    s = Scene()
    for number in range(60):
        record = s.log.append(TOPIC, b"k%d" % (number % 5), b"garbage", [])
        try:
            await s.apply(record)
        except TooManyDeadLetters:
            s.restart()
    assert len(s.said(DEAD)) == 20


async def test_one_handled_event_ends_the_row_for_good():
    """Also for a process that begins later: the row of each place is ended where it is kept."""
    s = Scene()
    for number in range(18):
        await s.apply(s.log.append(TOPIC, b"k%d" % number, b"garbage", []))
    await begun_anew(s)
    assert s.dead.in_a_row == 18
    await s.apply(s.put(opened("1.2", "a")))
    await begun_anew(s)
    assert s.dead.in_a_row == 0


async def test_what_catches_up_does_not_count():
    """Dead letters of before a lost Redis were sent then."""
    s = Scene()
    records = [s.log.append(TOPIC, b"k", b"garbage", []) for _ in range(30)]
    await s.applier.take(records[0].partition, 100)
    for record in records:
        await s.apply(record)
    assert (s.dead.in_a_row, s.said(DEAD)) == (0, [])


async def test_a_state_is_rebuilt_by_the_rules_of_then(monkeypatch):
    """A role was changed since: what is in Redis again is what was said, not what would be said today."""
    monkeypatch.setattr(applying, "FORGOTTEN", 0)

    def only_until(most):
        """The toy agent that hears no more than so many events of a key."""
        stage = toy_agent().stages[0]

        def step(parts, event, now):
            known = parts.get("count")
            return NOTHING if known and known.heard >= most else stage.step(parts, event, now)

        return replace(toy_agent(), stages=(replace(stage, step=step),))

    then, now = (only_until(3), "then"), (only_until(1), "now")
    s = Scene()
    records = [s.put(opened("1.2", str(n))) for n in range(5)]
    s.applier = Applier(then[0], s.outside, rules=lambda: then)
    for record in records:
        await s.apply(record)
    decided = {e.cause: e.policy for e in (from_kafka(r.value, r.headers) for r in s.log.records(SAID))}
    assert set(decided.values()) == {"then"}
    before = await s.state.load(Place("toy", records[0].partition), "1.2", "x", None)

    async def recall():
        return Recalled(decided, lambda digest, _name: {"then": then[0], "now": now[0]}[digest])

    s.state = MemoryState()
    s.restart()
    s.applier = Applier(then[0], s.outside, rules=lambda: now, recall=recall)
    await s.applier.take(records[0].partition, records[-1].offset + 1)
    for record in records:
        await s.apply(record)
    after = await s.state.load(Place("toy", records[0].partition), "1.2", "x", None)
    assert after.parts == before.parts
    await s.apply(s.put(opened("1.2", "later")))
    assert len(s.said()) == 3


async def test_a_state_that_lags_a_little_reads_no_record():
    """The last events of a partition were none that the agent hears: a start is no rebuild."""
    s, asked = Scene(), []

    async def recall():
        asked.append(1)

    applier = Applier(toy_agent(), s.outside, recall=recall)
    await applier.take(0, 900)
    assert asked == []
    await applier.take(0, 1500)
    assert asked == [1]
