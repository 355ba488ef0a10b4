"""The state store's contract: the same suite on the twin and on a real Redis."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from streams.adapters.memory_twins import MemoryState
from streams.adapters.redis_state import RedisState, connect
from streams.errors import StateStoreAway
from streams.ports import DueTimer, Place
from streams.stage import Listing
from tests.support.state_scenes import NOON, PLACE, SAID, Real, Twin, change


@pytest.fixture(params=["twin", pytest.param("real", marks=pytest.mark.stack)])
async def scene(request):
    if request.param == "twin":
        found = Twin()
    else:
        found = Real(request.getfixturevalue("redis_url"))
        await found.flush()
    yield found
    await found.close()


@pytest.fixture
def store(scene):
    return scene.store


async def test_nothing_is_known_at_first(store):
    """An empty store answers with version 0 and no mark."""
    loaded = await store.load(PLACE, "1.2", "e1", None)
    assert (loaded.version, dict(loaded.parts), loaded.applied, loaded.said) == (0, {}, False, None)
    assert await store.mark(PLACE) is None
    assert await store.holds(PLACE)


async def test_what_is_committed_is_loaded(store):
    """Parts by name or all, the version one higher, the event applied, its outbox byte for byte."""
    parts = {"a.x": b"1", "a.y:1.2.3": b"\x00\xff", "b.z": b""}
    assert await store.commit(PLACE, "1.2", change(parts=parts, said=SAID))
    all_of_it = await store.load(PLACE, "1.2", "e1", None)
    assert (all_of_it.version, dict(all_of_it.parts)) == (1, parts)
    assert all_of_it.applied
    assert all_of_it.said == SAID
    some = await store.load(PLACE, "1.2", "e2", ["a.x", "a.none"])
    assert (some.version, dict(some.parts), some.applied, some.said) == (1, {"a.x": b"1"}, False, None)
    none = await store.load(PLACE, "1.2", "e2", [])
    assert (none.version, dict(none.parts)) == (1, {})


async def test_none_deletes_and_what_is_not_named_stays(store):
    """A step writes only what changed."""
    await store.commit(PLACE, "k", change(parts={"a": b"1", "b": b"2", "c": b"3"}))
    await store.commit(PLACE, "k", change(1, "e2", parts={"a": b"9", "b": None, "never": None}))
    loaded = await store.load(PLACE, "k", "e3", None)
    assert dict(loaded.parts) == {"a": b"9", "c": b"3"}


async def test_many_parts_at_once(store):
    """A step of a study with thousands of images fits."""
    parts = {f"s.instance:{n}": str(n).encode() for n in range(3001)}
    timers = {f"t{n}": NOON + timedelta(seconds=n) for n in range(1001)}
    assert await store.commit(PLACE, "k", change(parts=parts, timers=timers))
    assert dict((await store.load(PLACE, "k", "e", None)).parts) == parts
    assert len(await store.due([PLACE], NOON + timedelta(days=1), 5000)) == 1001
    gone = {"parts": dict.fromkeys(parts), "timers": dict.fromkeys(timers)}
    assert await store.commit(PLACE, "k", change(1, "e2", **gone))
    assert dict((await store.load(PLACE, "k", "e", None)).parts) == {}
    assert await store.due([PLACE], NOON + timedelta(days=1), 5000) == []


async def test_a_moved_version_writes_nothing(store):
    """Of two that loaded the same version one wins; the other starts again."""
    await store.commit(PLACE, "k", change(parts={"a": b"1"}))
    assert not await store.commit(PLACE, "k", change(0, "e2", parts={"a": b"2"}, mark=9))
    loaded = await store.load(PLACE, "k", "e2", None)
    assert (dict(loaded.parts), loaded.applied) == ({"a": b"1"}, False)
    assert await store.mark(PLACE) == 1


async def test_an_applied_event_is_never_applied_again(store):
    """Even where the version fits."""
    await store.commit(PLACE, "k", change())
    assert not await store.commit(PLACE, "k", change(1))


async def test_only_the_last_outbox_is_kept(store):
    """An earlier event of the key is known as applied; what it said was sent before the next began."""
    await store.commit(PLACE, "k", change(said=SAID))
    await store.commit(PLACE, "k", change(1, "e2"))
    first, second = await store.load(PLACE, "k", "e1", ()), await store.load(PLACE, "k", "e2", ())
    assert (first.applied, first.said) == (True, None)
    assert (second.applied, second.said) == (True, ())


async def test_racing_commits_of_one_version(scene):
    """Twenty clients, one version: exactly one wins."""
    stores = [scene.another() for _ in range(4)]
    won = await asyncio.gather(
        *(stores[n % 4].commit(PLACE, "k", change(0, f"e{n}", parts={"w": str(n).encode()})) for n in range(20))
    )
    assert sum(won) == 1
    loaded = await scene.store.load(PLACE, "k", "x", None)
    assert loaded.parts["w"] == str(won.index(True)).encode()


async def test_the_store_has_a_clock(store):
    """One for all who ask, and it goes on."""
    first, second = await store.time(), await store.time()
    assert first <= second
    assert first.utcoffset() == timedelta(0)


async def test_due_timers(store):
    """By due time, exact to the microsecond, over several places, at most so many."""
    other = Place("intake", 5)
    await store.commit(PLACE, "k", change(timers={"s.quiet": NOON, "s.longest": NOON + timedelta(seconds=5)}))
    await store.commit(other, "l", change(timers={"s.quiet": NOON - timedelta(seconds=1)}))
    first = DueTimer(place=other, key="l", name="s.quiet", due=NOON - timedelta(seconds=1))
    second = DueTimer(place=PLACE, key="k", name="s.quiet", due=NOON)
    assert await store.due([PLACE, other], NOON, 10) == [first, second]
    assert await store.due([PLACE, other], NOON, 1) == [first]
    assert await store.due([PLACE], NOON - timedelta(microseconds=1), 10) == []
    assert await store.due([], NOON, 10) == []


async def test_a_timer_is_set_anew_cancelled_and_settled(store):
    """Settling forgets the timer that was sent, not one set meanwhile."""
    await store.commit(PLACE, "k", change(timers={"s.quiet": NOON, "s.other": NOON}))
    old = await store.due([PLACE], NOON, 10)
    later = NOON + timedelta(seconds=1)
    await store.commit(PLACE, "k", change(1, "e2", timers={"s.quiet": later, "s.other": None}))
    for timer in old:
        await store.settle(timer)
    (now_due,) = await store.due([PLACE], later, 10)
    assert (now_due.name, now_due.due) == ("s.quiet", later)
    await store.settle(now_due)
    assert await store.due([PLACE], later, 10) == []


async def test_the_listing_over_all_partitions(store):
    """The earliest first; None takes off; what is not named stays."""
    for number, key in enumerate(("a", "b", "c")):
        place = Place("triage", number)
        await store.commit(place, key, change(listing=Listing(read_by=NOON - timedelta(minutes=number))))
    assert [key for key, _ in await store.listed("triage", 8, 10)] == ["c", "b", "a"]
    assert await store.listed("triage", 8, 1) == [("c", NOON - timedelta(minutes=2))]
    assert [await store.count_listed("triage", partitions) for partitions in (8, 2)] == [3, 2]
    await store.commit(Place("triage", 2), "c", change(1, "e2", listing=Listing(read_by=None)))
    await store.commit(Place("triage", 1), "b", change(1, "e2"))
    assert [key for key, _ in await store.listed("triage", 8, 10)] == ["b", "a"]
    assert await store.count_listed("triage", 8) == 2


async def test_forgetting_a_key(store):
    """Everything of it goes, and the place's marks and other keys stay."""
    listed = Listing(read_by=NOON)
    await store.commit(PLACE, "k", change(parts={"a": b"1"}, listing=listed, timers={"s.last": NOON}, mark=3))
    await store.commit(PLACE, "l", change(0, "e2", parts={"a": b"2"}, timers={"s.last": NOON}, mark=4))
    await store.forget(DueTimer(place=PLACE, key="k", name="s.last", due=NOON))
    gone = await store.load(PLACE, "k", "e1", None)
    assert (gone.version, dict(gone.parts), gone.applied) == (0, {}, False)
    assert await store.listed("intake", 8, 10) == []
    assert [timer.key for timer in await store.due([PLACE], NOON, 10)] == ["l"]
    assert dict((await store.load(PLACE, "l", "e", None)).parts) == {"a": b"2"}
    assert await store.commit(PLACE, "l", change(1, "e3", mark=5, known_mark=4))


@pytest.mark.parametrize("meanwhile", [None, NOON + timedelta(days=1)])
async def test_a_key_that_came_back_is_not_forgotten(store, meanwhile):
    """Its timer was cancelled or set anew after somebody saw that it is due: whoever writes a key keeps it."""
    await store.commit(PLACE, "k", change(parts={"a": b"1"}, timers={"s.last": NOON}))
    (due,) = await store.due([PLACE], NOON, 10)
    await store.commit(PLACE, "k", change(1, "e2", parts={"a": b"2"}, timers={"s.last": meanwhile}))
    await store.forget(due)
    loaded = await store.load(PLACE, "k", "e1", None)
    assert (dict(loaded.parts), loaded.applied) == ({"a": b"2"}, True)
    assert len(await store.due([PLACE], NOON + timedelta(days=2), 10)) == (meanwhile is not None)


@pytest.mark.parametrize("key", ["1.2", "}{", "ключ", " ", "a\x1fb", "x" * 500])
async def test_keys_of_any_text(store, key):
    """A key from outside is a name, never a pattern or a path."""
    await store.commit(PLACE, key, change(parts={"a": b"1"}, timers={"t": NOON}, listing=Listing(read_by=NOON)))
    (timer,) = await store.due([PLACE], NOON, 1)
    assert timer.key == key
    assert await store.listed("intake", 8, 1) == [(key, NOON)]


async def test_a_store_that_is_away_says_so():
    """Every call says that the store is away, so that its caller waits."""
    twin, client = MemoryState(away=True), connect("redis://127.0.0.1:1")
    for store in (twin, RedisState(client)):
        for call in (
            store.load(PLACE, "k", "e", None),
            store.commit(PLACE, "k", change()),
            store.mark(PLACE),
            store.due([PLACE], NOON, 1),
            store.listed("intake", 1, 1),
            store.count_listed("intake", 1),
            store.forget(DueTimer(place=PLACE, key="k", name="s.last", due=NOON)),
        ):
            with pytest.raises(StateStoreAway):
                await call
    await client.aclose()


async def test_an_event_committed_here_is_known_as_applied_here(store):
    """At once, also by the client that wrote it."""
    for n in range(3):
        loaded = await store.load(PLACE, "k", f"e{n}", ["a"])
        await store.commit(PLACE, "k", change(loaded.version, f"e{n}", parts={"a": b"1"}, said=SAID))
    first, last = await store.load(PLACE, "k", "e0", ["a"]), await store.load(PLACE, "k", "e2", ["a"])
    assert (first.applied, first.said) == (True, None)
    assert (last.applied, last.said) == (True, SAID)
