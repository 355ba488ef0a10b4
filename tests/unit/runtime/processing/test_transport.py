"""The transport: every private name it stands on exists, and Faust commits what the window says and nothing else."""

from __future__ import annotations

import asyncio
import importlib
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata
from faust.tables.recovery import RebalanceAgain
from faust.types import TP

from streams.adapters.memory_twins import MemoryState
from streams.ports import Change, Place
from streams.runtime.processing import resuming, transport
from streams.runtime.processing.dead_letters import DeadLetterCount, Rows, keep_row
from streams.runtime.processing.recollecting import Answers
from streams.runtime.processing.worker import ReadingLane, ReadingWiring, Site, build_reading
from tests.support.consumers import stopped_consumer
from tests.support.toy import TOPIC

NAMES = [(owner, name) for owner, names in transport.PRIVATE_NAMES.items() for name in names]


@pytest.mark.parametrize(("owner", "name"), NAMES, ids=lambda value: str(value).rpartition(":")[2])
def test_private_names_exist(owner, name):
    """A new version of Faust or aiokafka that renames one fails here, not in a hospital."""
    module, _, attribute = owner.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    assert hasattr(found, name) or name in found.__annotations__


async def nothing(_record):
    return ()


def test_a_consumer_that_is_still_starting_is_no_broken_one():
    """Until aiokafka has met the broker it has no coordinator: a slow start is waited for, not crashed."""
    crashed: list[BaseException] = []
    consumer = SimpleNamespace(crash=crashed.append)
    transport.Consumer._check(consumer, None)
    assert crashed == []


def test_settings_that_were_measured(app):
    """No web server, no topics of Faust's own, no tables' standbys, a short session, every event waited for."""
    conf = app.conf
    assert not conf.web_enabled
    assert not conf.topic_allow_declare
    assert conf.topic_disable_leader
    assert conf.table_standby_replicas == 0
    assert (conf.broker_session_timeout, conf.broker_heartbeat_interval) == (6, 1)
    assert conf.broker_max_poll_interval == 1e6
    assert conf.broker_commit_interval == 0.5
    assert conf.stream_wait_empty


def test_each_agent_listens_once(app, outside):
    """One Faust agent of concurrency 1 for each topic; a reading lane has its retry topic too."""
    assert {tuple(a.channel.topics): a.concurrency for a in app.agents.values()} == {(TOPIC,): 1, ("fb",): 1}
    lanes = (
        ReadingLane(name="reading-urgent", topic="u", retry_topic="u.retry", running=2),
        ReadingLane(name="reading-routine", topic="r", retry_topic="r.retry", running=1),
    )
    site = Site(bootstrap="127.0.0.1:1", group="g2")
    wiring = ReadingWiring(site=site, outside=outside, lanes=lanes, read=nothing, deadline_s=1.0)
    topics = {t for a in build_reading(wiring).agents.values() for t in a.channel.topics}
    assert topics == {"u", "u.retry", "r", "r.retry"}


async def test_a_slow_broker_does_not_make_a_worker_deaf(app, monkeypatch):
    """Places that are found late are found all the same; those that never are end the process, and say so."""
    recovery = app.tables.recovery
    found = asyncio.Event()

    async def find():
        await asyncio.sleep(0.02)
        found.set()

    await recovery._wait(find(), timeout=0.001)
    assert found.is_set()
    monkeypatch.setattr(resuming, "PLACE_WITHIN_S", 0.001)
    with pytest.raises(resuming.PlaceNotFound, match="not known after"):
        await recovery._wait(asyncio.sleep(60), timeout=0.001)
    recovery.signal_recovery_start.set()
    with pytest.raises(RebalanceAgain):
        await recovery._wait(asyncio.sleep(60), timeout=60)


async def test_a_reading_place_that_comes_is_held_to_what_it_had(outside):
    """Before its first event; and what was looked for on the record is looked for anew when the places have gone."""
    lanes = tuple(ReadingLane(name=n, topic=n, retry_topic=f"{n}.retry", running=1) for n in ("urgent", "routine"))
    answers = Answers(topics=("said",), kinds=frozenset({"answer"}), ids=lambda request: (request,))
    site = Site(bootstrap="127.0.0.1:1", group="g3")
    wiring = ReadingWiring(site=site, outside=outside, lanes=lanes, read=nothing, deadline_s=1.0, answers=answers)
    app = build_reading(wiring)
    place, change = Place("urgent", 3), Change(version=0, event="e", parts={}, said=(), mark=0, known_mark=0)
    await MemoryState(_held=outside.state._held).commit(place, "e", change)
    assert await app.delivery.start("urgent", 3, 5) is None
    outside.state.flush()
    assert not await outside.state.holds(place)
    recollection, other = (app.delivery.lanes[n].take.__self__._recollection for n in ("urgent", "routine"))
    assert recollection is other
    record = outside.log.append("urgent", b"k", b"v", [])
    assert await recollection.of(record, "r") == ()
    outside.log.append("said", b"k", b"v", [("ce_type", b"answer"), ("ce_causationid", b"r"), ("ce_id", b"r")])
    assert await recollection.of(record, "r") == ()
    app.delivery.assigned = list
    await app.delivery.settle()
    assert len(await recollection.of(record, "r")) == 1


class Lows:
    """A delivery with fixed low ends."""

    def __init__(self, lows):
        self.lows = lows

    def committable(self):
        return self.lows


async def test_what_is_committed_is_the_low_end(app):
    """Neither more, nor again what was committed before; Faust's own acknowledgements do not count."""
    consumer = object.__new__(transport.Consumer)
    app.delivery = Lows({(TOPIC, 0): 7, (TOPIC, 1): 3, (TOPIC, 2): 9})
    consumer.app = app
    consumer._committed_offset = {TP(TOPIC, 0): 4, TP(TOPIC, 1): None, TP(TOPIC, 2): 9}
    consumer._acked = {TP(TOPIC, 0): [10, 11, 12]}
    tps = list(consumer._filter_tps_with_pending_acks())
    assert consumer._filter_committable_offsets(tps) == {TP(TOPIC, 0): 7, TP(TOPIC, 1): 3}


async def test_a_place_that_comes_brings_its_dead_letters(app, outside):
    """Of agents and of forwarders: what was counted before counts, until the places go."""
    for name in ("toy", "feedback", "another"):
        await keep_row(Place(name, 3), outside.state, "e", lambda: Rows(15))
    app.delivery.assigned = lambda: [(TOPIC, 3), ("fb", 3), ("unknown", 3)]
    dead = app.delivery.end.__self__
    assert isinstance(dead, DeadLetterCount)
    await dead.begin(outside.state)
    assert dead.in_a_row == 30
    await app.delivery.settle()
    assert (dead.in_a_row, dead.begun) == (0, False)


async def test_a_forwarders_place_that_comes_is_read_anew(app, outside):
    """What a client remembers of a place from before it went elsewhere counts no more: the row may have grown there."""
    place, change = Place("feedback", 3), Change(version=0, event="e", parts={}, said=(), mark=0, known_mark=0)
    await MemoryState(_held=outside.state._held).commit(place, "k", change)
    assert await app.delivery.start("fb", 3, 5) is None
    outside.state.flush()
    assert not await outside.state.holds(place)


async def test_starting_where_the_state_is(app, outside):
    """The lower of the group's offset and the state's mark; nothing known means the beginning."""
    delivery, place = app.delivery, Place("toy", 3)
    assert await delivery.start(TOPIC, 3, 50) == 0
    change = {"version": 0, "parts": {}, "said": (), "known_mark": 0}
    await outside.state.commit(place, "k", Change(**change, event="e", mark=20))
    assert await delivery.start(TOPIC, 3, 50) == 20
    assert await delivery.start(TOPIC, 3, 10) == 10
    assert await delivery.start(TOPIC, 3, None) is None
    assert await delivery.start("fb", 3, 50) is None
    assert await delivery.start("unknown", 0, 5) is None


async def test_places_are_asked_for_all_at_once():
    """One request, however many come; to the beginning where nothing is committed: Faust may have fetched in vain."""
    asked, sought = [], {}
    tps = [TopicPartition(TOPIC, number) for number in range(4)]

    async def known(partitions):
        asked.append(partitions)
        return {tp: OffsetAndMetadata(offset, "") for tp, offset in zip(tps, (7, 0, -1), strict=False)}

    async def begin(*partitions):
        sought.update(dict.fromkeys(partitions, "the beginning"))

    kafka = SimpleNamespace(
        assignment=lambda: frozenset(tps),
        _coordinator=SimpleNamespace(fetch_committed_offsets=known),
        seek=sought.__setitem__,
        seek_to_beginning=begin,
    )
    thread = SimpleNamespace(_ensure_consumer=lambda: kafka)
    found = await transport.ConsumerThread._seek_to_committed(thread)
    assert [found[tp] for tp in tps] == [7, 0, None, None]
    assert [sought[tp] for tp in tps] == [7, 0, "the beginning", "the beginning"]
    assert [set(partitions) for partitions in asked] == [set(tps)]


async def test_a_commit_waits_behind_no_fetch(monkeypatch):
    """Faust's consumer thread takes two calls at once; during a rebalance they may both wait for its end."""
    thread = SimpleNamespace(_method_queue=None, thread_loop=asyncio.get_running_loop(), beacon=None)
    assert transport.ConsumerThread.method_queue.fget(thread).num_workers == transport.CALLS_AT_ONCE > 2
    monkeypatch.setattr(transport, "ConsumerThread", lambda consumer, **_: ("ours", consumer))
    consumer = object.__new__(transport.Consumer)
    consumer.loop = consumer.beacon = None
    assert consumer._new_consumer_thread() == ("ours", consumer)


async def test_a_state_built_anew_takes_back_no_commit(app, outside):
    """Read from the beginning, for the state is lost; what was committed stays, and tells that all of it is said."""
    sought = {}

    async def committed():
        return {TP(TOPIC, 0): 50, TP("fb", 0): 7, TP("fb", 1): None}

    async def seek(offsets):
        sought.update(offsets)

    async def earliest(*tps):
        return {tp: 3 if tp == TP("fb", 1) else 0 for tp in tps}

    consumer = stopped_consumer(app)
    consumer._thread = SimpleNamespace(seek_to_committed=committed, seek_wait=seek, earliest_offsets=earliest)
    consumer._read_offset, consumer._committed_offset = {}, {}
    await consumer.perform_seek()
    assert [(tp.topic, tp.partition, at) for tp, at in sought.items()] == [(TOPIC, 0, 0)]
    assert consumer._read_offset == {TP(TOPIC, 0): 0, TP("fb", 0): 7, TP("fb", 1): None}
    app.delivery = Lows({(TOPIC, 0): 20, ("fb", 0): 9})
    assert consumer._filter_committable_offsets([TP(TOPIC, 0), TP("fb", 0)]) == {TP("fb", 0): 9}
    app.delivery = Lows({(TOPIC, 0): 51})
    assert consumer._filter_committable_offsets([TP(TOPIC, 0)]) == {TP(TOPIC, 0): 51}


class Head(Lows):
    """A delivery whose partition waits for one offset."""

    def at_head(self):
        return self.lows


@pytest.fixture
def watched(app, caplog):
    """A consumer that is asked every minute for an hour whether partition 0 is well; the lines that it logs."""
    consumer = object.__new__(transport.Consumer)
    consumer.app = app
    consumer._thread = SimpleNamespace(_verify_aiokafka_event_path=lambda _now, _tp: False)

    def an_hour(heads):
        for minute in range(60):
            app.delivery = Head({(TOPIC, 0): heads(minute)} if heads(minute) is not None else {})
            consumer.verify_event_path(60.0 * minute, TP(TOPIC, 0))
        return [record.message for record in caplog.records]

    return an_hour


def test_a_quiet_partition_is_well(watched):
    """Nothing came for an hour: nothing is wrong (Faust's own check cries after five minutes)."""
    assert watched(lambda _minute: None) == []


def test_a_busy_partition_is_well(watched):
    """Each event takes some minutes, none longer than it may."""
    assert watched(lambda minute: minute // 5) == []


def test_a_partition_that_stands_still_is_told(watched):
    """One event at work for more than a quarter of an hour: said every two minutes, not every second."""
    lines = watched(lambda _minute: 17)
    assert len(lines) == 23
    assert lines[0] == f"{TOPIC}/0 stands still: at offset 17 since 900 s"
