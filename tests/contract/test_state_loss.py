"""What the state store lost, and what others wrote, is noticed: the same suite on the twin and on a real Redis."""

from __future__ import annotations

import pytest

from streams.errors import StateLost
from streams.ports import Place
from tests.support.state_scenes import PLACE, SAID, Real, Twin, change


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


async def test_marks_only_rise(store):
    """A mark says that all below it is applied: that stays true."""
    await store.commit(PLACE, "k", change(mark=7))
    await store.commit(PLACE, "k", change(1, "e2", mark=4))
    assert await store.mark(PLACE) == 7
    assert await store.mark(Place("intake", 4)) is None
    assert await store.mark(Place("triage", 3)) is None


async def test_a_flushed_store_refuses_to_write(scene):
    """What was acknowledged is gone: nothing more is written, not even with no mark known."""
    await scene.store.commit(PLACE, "k", change(mark=0))
    assert await scene.store.holds(PLACE)
    await scene.flush()
    assert not await scene.store.holds(PLACE)
    with pytest.raises(StateLost):
        await scene.store.commit(PLACE, "k", change(1, "e2"))
    with pytest.raises(StateLost):
        await scene.store.commit(PLACE, "k", change(0, "e1"))
    assert await scene.another().mark(PLACE) is None


async def test_loss_is_seen_though_others_have_written_as_much_again(scene):
    """A count alone would be fooled; the id of the last acknowledged commit is not."""
    for n in range(3):
        await scene.store.commit(PLACE, "k", change(n, f"e{n}"))
    await scene.flush()
    other = scene.another()
    for n in range(5):
        await other.commit(PLACE, "k", change(n, f"other{n}", mark=99))
    assert not await scene.store.holds(PLACE)
    with pytest.raises(StateLost):
        await scene.store.commit(PLACE, "k", change(5, "e3"))
    assert await other.holds(PLACE)


async def test_a_lower_mark_than_known_is_a_loss(store):
    """known_mark is what the worker has seen, be it by another client."""
    await store.commit(PLACE, "k", change(mark=5))
    with pytest.raises(StateLost):
        await store.commit(PLACE, "k", change(1, "e2", mark=9, known_mark=6))


async def test_taking_a_place_starts_from_what_is_there(scene):
    """After a rebuild by others, a worker that takes the place goes on from its mark."""
    await scene.store.commit(PLACE, "k", change())
    await scene.flush()
    await scene.another().commit(PLACE, "k", change(0, "other", mark=40))
    assert await scene.store.mark(PLACE) == 40
    assert await scene.store.commit(PLACE, "k", change(1, "e2", mark=41, known_mark=40))


async def test_others_may_write_between(scene):
    """Another owner's commits are no loss."""
    other = scene.another()
    await scene.store.commit(PLACE, "k", change())
    for n in range(10):
        await other.commit(PLACE, "k", change(1 + n, f"o{n}"))
    assert await scene.store.commit(PLACE, "k", change(11, "e2"))


async def test_what_another_client_wrote_is_seen_by_the_commit(scene):
    """A client that answers from what it wrote last is told at the commit, and then reads."""
    mine, other = scene.store, scene.another()
    for n in range(2):
        loaded = await mine.load(PLACE, "k", f"e{n}", ["a"])
        assert await mine.commit(PLACE, "k", change(loaded.version, f"e{n}", parts={"a": str(n).encode()}))
    theirs = await other.load(PLACE, "k", "o", ["a"])
    assert (theirs.version, theirs.parts["a"]) == (2, b"1")
    assert await other.commit(PLACE, "k", change(2, "o", parts={"a": b"theirs"}, said=SAID))
    loaded = await mine.load(PLACE, "k", "e2", ["a"])
    if loaded.version == 2:
        assert not await mine.commit(PLACE, "k", change(2, "e2", parts={"a": b"2"}))
        loaded = await mine.load(PLACE, "k", "e2", ["a"])
    assert (loaded.version, loaded.parts["a"]) == (3, b"theirs")
    assert (await mine.load(PLACE, "k", "o", ())).said == SAID
    assert await mine.commit(PLACE, "k", change(3, "e2", parts={"a": None, "b": b"2"}))
    loaded = await mine.load(PLACE, "k", "e3", ["a", "b", "c"])
    assert (loaded.version, dict(loaded.parts)) == (4, {"b": b"2"})
    assert dict((await mine.load(PLACE, "k", "e3", None)).parts) == {"b": b"2"}
