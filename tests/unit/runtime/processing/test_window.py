"""The window: bounded, in order per key, low ends that never pass an unfinished offset."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.runtime.processing.window import Held, Window

P = ("t", 0)


class Scene:
    """A window whose works wait until they are let go."""

    def __init__(self, running=2, held=10):
        self.fatal = []
        self.gates = defaultdict(asyncio.Event)
        self.started, self.finished = [], []
        self.window = Window(running=running, held=held, on_fatal=self.on_fatal)

    async def on_fatal(self, error):
        self.fatal.append(error)

    async def work(self, item: Held):
        self.started.append(item.offset)
        await self.gates[item.offset].wait()
        self.finished.append(item.offset)

    async def submit(self, offset, key=None, partition=P):
        await self.window.submit(partition, offset, offset if key is None else key, self.work)

    async def let(self, *offsets):
        for offset in offsets:
            self.gates[offset].set()
        for _ in range(6):
            await asyncio.sleep(0)


async def test_low_end_waits_for_the_slow_head():
    """What may be committed never passes an event in flight."""
    s = Scene(running=3)
    for offset in (5, 6, 7):
        await s.submit(offset)
    assert s.window.low_ends() == {P: 5}
    await s.let(6, 7)
    assert s.window.low_ends() == {P: 5}
    await s.let(5)
    assert s.window.low_ends() == {P: 8}


async def test_gaps_of_a_compacted_topic_cost_nothing():
    """Offsets that never come do not hold the low end."""
    s = Scene()
    await s.submit(1)
    await s.submit(9)
    await s.let(1)
    assert s.window.low_ends() == {P: 9}
    await s.let(9)
    assert s.window.low_ends() == {P: 10}


async def test_one_key_runs_in_order():
    """Events of one key run one after the other and do not take the places of others while they wait."""
    s = Scene(running=2)
    for offset, key in ((0, "a"), (1, "a"), (2, "a"), (3, "b")):
        await s.submit(offset, key)
    await s.let()
    assert s.started == [0, 3]
    await s.let(0)
    assert s.started == [0, 3, 1]
    await s.let(1, 2, 3)
    assert [o for o in s.finished if o < 3] == [0, 1, 2]


async def test_no_more_run_than_may():
    """`running` bounds the events at work."""
    s = Scene(running=2)
    for offset in range(5):
        await s.submit(offset)
    await s.let()
    assert s.started == [0, 1]
    await s.let(1)
    assert s.started == [0, 1, 2]


async def test_submit_waits_while_too_much_is_held():
    """Finished offsets behind a slow head count: they would be done again after a crash."""
    s = Scene(running=4, held=3)
    for offset in range(3):
        await s.submit(offset)
    await s.let(1, 2)
    waiting = asyncio.create_task(s.submit(3))
    await s.let()
    assert not waiting.done()
    await s.let(0)
    await waiting
    assert s.window.low_ends() == {P: 3}


async def test_an_escaping_error_ends_the_window():
    """The offset stays unfinished, the process is told once, nothing is taken any more."""
    s = Scene()

    async def breaks(_item):
        raise ValueError("broken")

    await s.window.submit(P, 0, "a", breaks)
    await s.let()
    assert [str(e) for e in s.fatal] == ["broken"]
    assert s.window.low_ends() == {P: 0}
    with pytest.raises(ValueError, match="broken"):
        await s.submit(1)


async def test_mark_counts_the_event_itself_as_finished():
    """The mark that is written with a commit reaches past the event that it commits."""
    s = Scene(running=3)
    marks = {}

    async def work(item):
        marks[item.offset] = item
        await s.gates[item.offset].wait()

    for offset in (4, 5, 6):
        await s.window.submit(P, offset, offset, work)
    await s.let()
    assert [marks[o].mark() for o in (4, 5, 6)] == [5, 4, 4]
    await s.let(5)
    assert marks[4].mark() == 6
    assert marks[6].mark() == 4


async def test_close_keeps_low_ends_and_open_forgets_them():
    """What runs is let finish, then cancelled; what waits is dropped; low ends stay true until it opens again."""
    s = Scene(running=2)
    for offset in range(4):
        await s.submit(offset)
    await s.let(0)
    await s.window.close(0.0)
    assert s.window.low_ends() == {P: 1}
    assert s.window.at_work == 0
    await s.submit(9)
    assert s.window.low_ends() == {P: 1}
    s.window.open()
    assert s.window.low_ends() == {}
    await s.submit(1)
    await s.let(1)
    assert s.window.low_ends() == {P: 2}


async def test_keys_are_free_again_after_a_close():
    """A task that was cancelled before it began leaves its key to the next event."""
    s = Scene(running=1)
    await s.submit(0, "a")
    await s.submit(1, "a")
    await s.window.close(0.0)
    s.window.open()
    await s.submit(0, "a")
    await s.let(0)
    assert s.finished == [0]


async def test_what_was_dropped_does_not_begin_while_a_close_waits():
    """A work ends within the close's patience: neither what waited behind its key nor what waited for room begins."""
    s = Scene(running=1)
    for offset, key in enumerate("aab"):
        await s.submit(offset, key)
    closing = asyncio.create_task(s.window.close(60.0))
    await s.let()
    assert (s.window.waiting, s.window.at_work) == (0, 1)
    await s.let(0)
    await closing
    assert (s.started, s.finished) == ([0], [0])
    assert s.window.low_ends() == {P: 1}
    s.window.open()
    for offset, key in ((1, "a"), (2, "b")):
        await s.submit(offset, key)
    await s.let(1, 2)
    assert s.finished == [0, 1, 2]


async def test_a_close_cancels_nothing_that_began_after_it():
    """It opens again while a work of before still runs: that one is cancelled, what was given since goes on.

    Cancelled too, its offset would stay unfinished with nobody to do it, and the partition stand still for ever.
    """
    s = Scene(running=2)
    await s.submit(5, "a")
    closing = asyncio.create_task(s.window.close(0.0))
    await asyncio.sleep(0)
    s.window.open()
    await s.submit(5, "a")
    await s.submit(6, "b")
    await closing
    await s.let(5, 6)
    assert s.window.low_ends() == {P: 7}
    assert sorted(s.finished) == [5, 6]


async def test_a_partition_given_anew_starts_a_new_lane():
    """Offsets that come again from before make a low end from there; stale works count in their own lane."""
    s = Scene(running=4)
    await s.submit(5)
    await s.submit(6)
    await s.submit(3)
    await s.let(5)
    assert s.window.low_ends() == {P: 3}


async def test_second_lane_yields_while_the_first_waits():
    """Routine work starts only when no urgent work is queued."""
    urgent, routine = Scene(running=1), Scene(running=1)
    routine.window.yields_to(urgent.window)
    await urgent.submit(0)
    await urgent.submit(1)
    await routine.submit(0)
    await routine.let()
    assert routine.started == []
    await urgent.let(0)
    await routine.let()
    assert urgent.started == [0, 1]
    assert routine.started == [0]


@given(
    keys=st.lists(st.integers(0, 3), min_size=1, max_size=30),
    order=st.randoms(use_true_random=False),
    running=st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
def test_any_order_of_finishing(keys, order, running):
    """Whatever finishes when: the low end is the lowest unfinished, keys keep their order, all finish."""

    async def scene():
        s = Scene(running=running, held=100)
        for offset, key in enumerate(keys):
            await s.submit(offset, key)
        await s.let()
        while len(s.finished) < len(keys):
            at_work = [o for o in s.started if o not in s.finished]
            assert len(at_work) <= running
            await s.let(order.choice(at_work))
            left = set(range(len(keys))) - set(s.finished)
            assert s.window.low_ends() == {P: min(left, default=len(keys))}
        for key in set(keys):
            own = [o for o in s.finished if keys[o] == key]
            assert own == sorted(own)

    asyncio.run(scene())


async def test_what_was_fetched_before_a_place_was_taken_is_not_begun_with():
    """Reading goes back to where the state stands; an event from further on comes again in its turn."""
    s = Scene(running=4)
    s.window.begin(P, 3)
    await s.submit(7)
    assert s.window.low_ends() == {}
    for offset in (3, 4, 5, 6, 7):
        await s.submit(offset)
    await s.let(3, 4, 5, 6, 7)
    assert s.finished == [3, 4, 5, 6, 7]
    assert s.window.low_ends() == {P: 8}
