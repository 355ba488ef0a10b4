"""However readers die, Redis forgets and partitions move: an event id of a reading has one content."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from streams.errors import StateLost
from streams.faults.points import STATE, Point
from streams.ports import Place
from tests.support.forgetful import Crash, ReadingScene

STEPS = st.tuples(
    st.sampled_from("ab"),
    st.booleans(),
    st.sampled_from(["", "flush first", "flush while it is read", "flush last"]),
    st.one_of(
        st.none(),
        st.tuples(st.sampled_from([Point.MODEL_ANSWERED, Point.ANSWER_SENT]), st.sampled_from(["before", "after"])),
        st.integers(0, 1),
    ),
    st.booleans(),
)
"""Which request, whether the model is away, when Redis forgets, where the process dies, whether partitions move."""


@given(st.lists(STEPS, max_size=8))
@example([("a", False, "", 1, False), ("a", False, "flush first", None, False)])
@example([("b", False, "", None, False), ("a", True, "", 0, False), ("a", True, "flush last", None, True)] * 2)
def test_however_it_dies_and_forgets_an_id_has_one_content(steps):
    """The law: crashes at each point and between two messages, flushes, redeliveries, retries, new owners."""
    asyncio.run(_lived_through(steps))


async def _lived_through(steps):
    s = ReadingScene()
    requests = {by: s.record(by) for by in "ab"}
    place = Place("reading", requests["a"].partition)
    await s.handling.take(place.partition)
    for by, away, flush, death, moves in steps:
        s.now += timedelta(minutes=1)
        s.away, s.before = away, s.flush if flush == "flush while it is read" else lambda: None
        if flush == "flush first":
            s.flush()
        if moves or not await s.state.holds(place):
            s.start()
            await s.handling.take(place.partition)
        try:
            await _dying(s, s.handling.apply(requests[by]), death)
        except (Crash, StateLost):
            s.start()
            await s.handling.take(place.partition)
        if flush == "flush last":
            s.flush()
        assert s.contradicted() == set()


async def _dying(s, work, death):
    def reached(point, side):
        if death == (point, side):
            raise Crash

    s.log.dies_after = death if isinstance(death, int) else None
    STATE.reached = reached if isinstance(death, tuple) else None
    try:
        await work
    finally:
        s.log.dies_after, STATE.reached = None, None
