"""The workers: Faust agents of the flow, and of the reading lanes, under the delivery rule."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

import faust

from streams.adapters.kafka_log import TopicPlan, create_topics
from streams.errors import Stop
from streams.events.codec import type_name
from streams.events.envelope import from_kafka, to_kafka
from streams.ports import DueTimer, Message, Record
from streams.runtime.processing import taking, ticker
from streams.runtime.processing.applying import Applier, Outside
from streams.runtime.processing.dead_letters import DeadLetterCount
from streams.runtime.processing.delivering import Delivery, Lane
from streams.runtime.processing.failures import FIRST_DELAY_S
from streams.runtime.processing.handling import Handle, Handling, Manner
from streams.runtime.processing.recalling import Recalling
from streams.runtime.processing.recollecting import Answers, Recollection
from streams.runtime.processing.taking import Sooner, Take, record_of
from streams.runtime.processing.transport import DeliveryApp
from streams.runtime.processing.window import Window
from streams.stage import Agent

log = logging.getLogger(__name__)

FLOW_RUNNING, FLOW_HELD = 32, 1000
READ_HELD = 64
RETRIES_WAITING = 256
PROOF_WITHIN_S = 30.0
"""How long a worker with a full row of dead letters waits for an event that it can handle, before it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a worker stands.

    Attributes:
        bootstrap: Kafka's address.
        group: consumer group; all workers of one kind share it.
        slot: a name of this process that is stable over restarts and unique in the group (static membership: a
            quick restart moves no partition); None: an ordinary member.
        topics: created at the start where they do not exist.
        ready: called once partitions have been assigned and events are taken.
        close: awaited when everything is sent: closes what `outside` holds open.
        options: further Faust settings.
    """

    bootstrap: str
    group: str
    slot: str | None = None
    topics: tuple[TopicPlan, ...] = ()
    ready: Callable[[], None] | None = None
    close: Callable[[], Awaitable[None]] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowWiring:
    """A worker of agents that decide.

    Attributes:
        forwards: forwarder's name to the topic whose events it addresses anew (the map's "feedback").
        carried: by that topic, the event types that it carries.
        rules: an agent, by its name, under the policies of now; None: as it stands in agents.
        recalling: under which rules the record was decided; None: they never change.
    """

    site: Site
    outside: Outside
    agents: tuple[Agent, ...]
    forwards: Mapping[str, str] = field(default_factory=dict)
    carried: Mapping[str, Sequence[type]] = field(default_factory=dict)
    rules: Callable[[str], tuple[Agent, str]] | None = None
    recalling: Recalling | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingLane:
    """One topic of readings, the most urgent lane first in its wiring.

    Attributes:
        name: agent of its places: answers are remembered under it.
        retry_topic: where a reading goes that could not be made now.
        running: readings at once in this process.
    """

    name: str
    topic: str
    retry_topic: str
    running: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingWiring:
    """A worker of readings.

    Attributes:
        read: what makes a reading's answer; TryAgain puts it off, SetAside sets it aside, cancelling ends it.
            `failures.attempt_of(record.headers)` tells how often it was put off before.
        deadline_s: how long one reading may take.
        tries: tries in a row before it is put off.
        answers: how answers are found on the record, where the state store has lost them; None: they are not sought.
        first_delay_s: how long what is put off waits the first time.
        sooner: returns when something that was put off need not wait for its time.
    """

    site: Site
    outside: Outside
    lanes: tuple[ReadingLane, ...]
    read: Handle
    deadline_s: float
    tries: int = 2
    answers: Answers | None = None
    first_delay_s: float = FIRST_DELAY_S
    sooner: Sooner = taking.in_time


def run_flow_worker(wiring: FlowWiring) -> NoReturn:
    """Run until SIGTERM (exit code 0) or until something ends the process (another one)."""
    _run(build_flow(wiring), wiring.site)


def run_reading_worker(wiring: ReadingWiring) -> NoReturn:
    """Run until SIGTERM (exit code 0) or until something ends the process (another one)."""
    _run(build_reading(wiring), wiring.site)


def build_flow(wiring: FlowWiring) -> DeliveryApp:
    """The app of the flow's agents: one window, and one Faust agent, for each."""
    app, delivery = _app(wiring.site)
    dead = DeadLetterCount(places=delivery.counted, patience_s=PROOF_WITHIN_S)
    delivery.end = dead.end
    for agent in wiring.agents:
        rules = partial(wiring.rules, agent.name) if wiring.rules else None
        applier = Applier(agent, wiring.outside, dead, rules, wiring.recalling)
        lane = Lane(window=_window(app, FLOW_RUNNING, FLOW_HELD), applier=applier)
        delivery.lanes[agent.topic] = lane
        _listen(app, agent.name, agent.topic, lane, taking.applying(applier))
    for name, topic in wiring.forwards.items():
        manner = Manner(hears=frozenset(map(type_name, wiring.carried.get(topic, ()))))
        handling = Handling(name, forwarder(name, wiring.outside), wiring.outside, manner, dead)
        lane = Lane(window=_window(app, FLOW_RUNNING, FLOW_HELD), counted_as=name, take=handling.take)
        delivery.lanes[topic] = lane
        _listen(app, name, topic, lane, taking.in_order(handling))

    async def fire(due: Sequence[DueTimer]) -> None:
        await ticker.say(due, wiring.outside)

    _tick(app, ticker.Ticker(outside=wiring.outside, places=delivery.places, firing=delivery.caught_up, fire=fire))
    return app


def build_reading(wiring: ReadingWiring) -> DeliveryApp:
    """The app of the reading lanes: a lane starts nothing while a more urgent one has readings waiting."""
    app, delivery = _app(wiring.site)
    dead = DeadLetterCount(places=delivery.counted, patience_s=PROOF_WITHIN_S)
    recollection = Recollection(wiring.outside.log, wiring.answers) if wiring.answers else None

    def end() -> None:
        dead.end()
        if recollection is not None:
            recollection.end()

    delivery.end = end
    before: Lane | None = None
    for lane in wiring.lanes:
        manner = Manner(
            tries=wiring.tries,
            retry_topic=lane.retry_topic,
            deadline_s=wiring.deadline_s,
            remembers=True,
            first_delay_s=wiring.first_delay_s,
        )
        handling = Handling(lane.name, wiring.read, wiring.outside, manner, dead, recollection)
        own = Lane(window=_window(app, lane.running, READ_HELD), settle_s=0.0, place=lane.name, take=handling.take)
        if before is not None:
            own.window.yields_to(before.window)
        again = Lane(window=_window(app, RETRIES_WAITING, RETRIES_WAITING), settle_s=0.0, counted_as=lane.name)
        delivery.lanes |= {lane.topic: own, lane.retry_topic: again}
        _listen(app, lane.name, lane.topic, own, taking.side_by_side(handling))
        _listen(
            app, f"{lane.name}-retry", lane.retry_topic, again, taking.waiting(handling, lane.running, wiring.sooner)
        )
        before = own

    async def fire(due: Sequence[DueTimer]) -> None:
        await ticker.forget(due, wiring.outside)

    _tick(app, ticker.Ticker(outside=wiring.outside, places=delivery.places, firing=delivery.places, fire=fire))
    return app


def forwarder(name: str, outside: Outside) -> Handle:
    """Sends an event on, under its own id, to the topics that the map gives it from here."""

    async def handle(record: Record) -> Sequence[Message]:
        envelope = from_kafka(record.value, record.headers)
        return [Message(topic, *to_kafka(e)) for topic, e in outside.addressed(envelope, name)]

    return handle


def _app(site: Site) -> tuple[DeliveryApp, Delivery]:
    settings: dict[str, Any] = {
        "broker": f"kafka://{site.bootstrap}",
        "consumer_group_instance_id": site.slot,
        "store": "memory://",
        "web_enabled": False,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "table_standby_replicas": 0,
        "broker_session_timeout": 6.0,
        "broker_heartbeat_interval": 1.0,
        "broker_rebalance_timeout": 20.0,
        "broker_request_timeout": 20.0,
        "broker_max_poll_interval": 1e6,
        "broker_commit_interval": 0.5,
        "stream_wait_empty": True,
        "stream_buffer_maxsize": 256,
        "consumer_auto_offset_reset": "earliest",
        "producer_linger_ms": 0,
        "producer_request_timeout": 20.0,
    }
    app = DeliveryApp(site.group, **{**settings, **site.options})
    delivery = Delivery(lambda: [(tp.topic, tp.partition) for tp in app.consumer.assignment()], ready=site.ready)
    app.delivery = delivery

    @app.on_before_shutdown.connect
    async def close(*_: object, **__: object) -> None:
        if site.close is not None:
            await site.close()

    return app, delivery


def _window(app: DeliveryApp, running: int, held: int) -> Window:
    async def crash(error: BaseException) -> None:
        log.error("this worker ends: %s", error, exc_info=None if isinstance(error, Stop) else error)
        await app.crash(error)

    return Window(running=running, held=held, on_fatal=crash)


def _listen(app: DeliveryApp, name: str, topic: str, lane: Lane, take: Take) -> None:
    channel = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

    async def listen(stream: Any) -> None:
        async for event in stream.noack().events():
            record = record_of(event.message)
            key, work = take(record)
            await lane.window.submit((record.topic, record.partition), record.offset, key, work)

    app.agent(channel, name=name, concurrency=1)(listen)


def _tick(app: DeliveryApp, own: ticker.Ticker) -> None:
    @app.task  # type: ignore[untyped-decorator]
    async def tick() -> None:
        try:
            await own.run()
        except Exception as error:  # noqa: BLE001  # whatever it was, the process ends
            log.error("this worker ends: %s", error)  # noqa: TRY400  # its sentence says all
            await app.crash(error)


def _run(app: DeliveryApp, site: Site) -> NoReturn:
    create_topics(site.bootstrap, site.topics)
    worker = faust.Worker(app, loglevel=None, override_logging=False, redirect_stdouts=False, quiet=True)
    worker.execute_from_commandline()
    raise SystemExit(0)
