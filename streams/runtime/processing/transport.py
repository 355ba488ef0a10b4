"""Faust's Kafka transport with the holes closed that lose events or leave a worker deaf.

Every private name of Faust and aiokafka that is overridden or used here is listed in PRIVATE_NAMES, and a test
asks the pinned versions for each.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from faust import App
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service
from mode.threads import MethodQueue

from streams.faults.points import Point
from streams.faults.protections import Protection
from streams.runtime.processing.delivering import Delivery
from streams.runtime.processing.resuming import TAKES, Tables
from streams.runtime.processing.standstill import Standstill

log = logging.getLogger(__name__)

PRIVATE_NAMES = {
    "faust.app.base:App": ("_new_transport", "_new_producer_transport", "_consumer_wait_empty", "_stop_consumer"),
    "faust.tables.manager:TableManager": ("_recovery", "recovery"),
    "faust.tables.recovery:Recovery": ("_wait",),
    "faust.transport.consumer:Consumer": ("_committed_offset", "_read_offset"),
    "faust.transport.drivers.aiokafka:Consumer": (
        "_commit",
        "_filter_tps_with_pending_acks",
        "_filter_committable_offsets",
        "_new_consumer_thread",
        "_should_commit",
        "commit",
        "earliest_offsets",
        "perform_seek",
        "resume_flow",
        "seek_to_committed",
        "stop_flow",
        "verify_event_path",
        "wait_empty",
    ),
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread": (
        "_consumer",
        "_ensure_consumer",
        "_method_queue",
        "_verify_aiokafka_event_path",
        "method_queue",
        "seek_to_committed",
        "seek_wait",
    ),
    "faust.transport.drivers.aiokafka:Producer": ("_settings_extra",),
    "faust.transport.drivers.aiokafka:Transport": ("Consumer", "Producer"),
    "aiokafka.consumer.group_coordinator:GroupCoordinator": ("check_errors", "fetch_committed_offsets"),
}
ASK_FOR_ERRORS_EVERY_S = 1.0
END_WITHIN_S, CRASH_WITHIN_S = 12.0, 3.0
"""From being told to stop (under the 15 s that a supervisor gives), and from an error that ends the process."""
CALLS_AT_ONCE = 6
"""Into the consumer's thread. Faust has two: while partitions change a fetch holds one of them, and what is to be
committed before they go waits behind whatever holds the other."""
STANDS_STILL_S, SAY_EVERY_S = 900.0, 120.0
"""Longer than any reading with its place behind urgent ones, and than a retry waits; and how often it is said then."""


class DeliveryApp(App):
    """A Faust app whose offsets are committed as its `delivery` says."""

    delivery: Delivery

    def __init__(self, name: str, **settings: Any) -> None:
        """Settings as Faust takes them."""
        super().__init__(name, TableManager=Tables, **settings)

    async def stop(self) -> None:
        """Stop; where Faust's own services do not come to an end, the process does."""
        self._end_within(END_WITHIN_S)
        await super().stop()

    async def crash(self, reason: BaseException) -> None:
        """Something ends this process: there is little to wait for, since what is in flight is delivered again."""
        self._end_within(CRASH_WITHIN_S)
        await super().crash(reason)

    def _end_within(self, seconds: float) -> None:
        if not Protection.WATCHDOG.on:
            return
        timer = threading.Timer(seconds, _end)
        timer.daemon = True
        timer.start()

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Transport:
        return Transport(self.conf.broker_producer, self)


def _end() -> None:
    log.error("this worker's services did not end by themselves; what was not committed is delivered again")
    os._exit(1)


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Asks for all places in one request, not for one after the other: partitions wait for it."""

    @property
    def method_queue(self) -> MethodQueue:
        """Faust's, with more hands."""
        if self._method_queue is None:
            self._method_queue = MethodQueue(CALLS_AT_ONCE, loop=self.thread_loop, beacon=self.beacon)
        return self._method_queue

    async def seek_to_committed(self) -> Mapping[TP, Any]:
        """Go to the committed offsets; None: nothing was committed, so to the beginning.

        aiokafka stays where it is then. Faust throws away what was fetched while the flow stands, and relies on being
        taken back: the first events of a partition would never be seen again while it is ours.
        """
        found: Mapping[TP, int | None] = await self.call_thread(self._seek_to_committed)
        return found

    async def _seek_to_committed(self) -> dict[TP, int | None]:
        consumer = self._ensure_consumer()
        places = consumer.assignment()
        known = await consumer._coordinator.fetch_committed_offsets(list(places))  # noqa: SLF001
        offsets = {tp: known[tp].offset if tp in known and known[tp].offset >= 0 else None for tp in places}
        for tp, offset in offsets.items():
            if offset is not None:
                consumer.seek(tp, offset)
        if anew := [tp for tp, offset in offsets.items() if offset is None]:
            await consumer.seek_to_beginning(*anew)
        return offsets


class Consumer(driver.Consumer):
    """Commits the window's low ends, settles before a revoke, starts where Redis is, and never goes deaf."""

    app: DeliveryApp
    _heads: dict[TP, tuple[int, float, float]] | None = None
    """Of each partition: the offset that it waits for, since when, and when to say so."""
    _committed: Mapping[TP, int | None] | None = None
    """What was committed when partitions came; None: nothing yet."""
    _begins: Mapping[TP, int] | None = None
    """From where they are read."""
    _seeking: asyncio.Lock | None = None

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Told of each partition now and then: whether it is fetched, and whether what it begins with comes to an end.

        In place of Faust's own, which asks whether something came in the last five minutes: a quiet partition is none
        that hangs.
        """
        if self._heads is None:
            self._heads = {}
        hangs = self._thread._verify_aiokafka_event_path(now, tp)  # noqa: SLF001  # it tells of that itself
        head = self.app.delivery.at_head().get((tp.topic, tp.partition))
        if head is None or hangs:
            self._heads.pop(tp, None)
            return
        known, since, say_at = self._heads.get(tp, (-1, now, now))
        if known != head:
            since, say_at = now, now + STANDS_STILL_S
        elif now >= say_at:
            say_at = now + SAY_EVERY_S
            log.error("%s/%s stands still: at offset %s since %.0f s", tp.topic, tp.partition, head, now - since)
        self._heads[tp] = head, since, say_at

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        """Partitions that may have something to commit."""
        return iter(
            TP(*at) for at in self.app.delivery.committable() if topics is None or TP(*at) in topics or at[0] in topics
        )

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Never past the lowest offset in flight (Faust's own count can be: faust #606)."""
        low_ends = self.app.delivery.committable()
        offsets = {tp: low_ends[tp.topic, tp.partition] for tp in tps}
        return {tp: offset for tp, offset in offsets.items() if self._should_commit(tp, offset)}

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        with Point.OFFSET_COMMITTED:
            return bool(await super()._commit(offsets))

    async def wait_empty(self) -> None:
        """Before partitions go, and at the end: finish, then commit, while they are still ours (faust #502)."""
        await self.app.delivery.settle()
        if not await self.commit():  # another commit was under way, with the low ends from before
            await self.commit()

    async def perform_seek(self) -> None:
        """Read from where the state needs it, and commit nothing below what is committed.

        The committed offset also tells how far all is said. Were it to go back while a lost state is built anew, a
        crash in the middle would have the rest said again.

        Faust's fetcher asks for it too, whenever something came while the flow stood and was let go: it is read again
        from the same places. To take them then, perhaps after the flow goes on, would put a state that has gone back
        under events that are at work.
        """
        self._seeking = self._seeking or asyncio.Lock()
        async with self._seeking:
            if TAKES.get():
                await super().perform_seek()
                self._committed_offset.update({tp: at for tp, at in (self._committed or {}).items() if at and at > 0})
            elif self._begins:
                await self._thread.seek_wait({driver.ensure_aiokafka_TP(tp): at for tp, at in self._begins.items()})

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go to the committed offsets, or to where the state needs the record from."""
        self.stop_flow()  # an earlier round may have let events flow when this one had begun
        committed = {TP(tp.topic, tp.partition): at for tp, at in (await self._thread.seek_to_committed()).items()}
        self._committed = committed
        first = await self.earliest_offsets(*committed)
        await self.app.delivery.settle()  # nothing is applied to what is taken now
        start = self.app.delivery.start
        starts = await asyncio.gather(*(start(tp.topic, tp.partition, offset) for tp, offset in committed.items()))
        found = zip(committed.items(), starts, strict=True)
        lower = {tp: start for (tp, offset), start in found if start is not None and start != offset}
        self._begins = {tp: max(lower.get(tp, at or 0), first.get(tp, 0)) for tp, at in committed.items()}
        for tp, begins in self._begins.items():
            self.app.delivery.begin(tp.topic, tp.partition, begins, committed[tp] or 0)
        if lower:
            log.info("the state needs the record from: %s", {f"{t.topic}/{t.partition}": o for t, o in lower.items()})
            await self._thread.seek_wait({driver.ensure_aiokafka_TP(tp): at for tp, at in lower.items()})
        return {**committed, **lower}

    def resume_flow(self) -> None:
        """After the seek: events that come now belong to the new assignment.

        Faust drops what it takes for read. What was still on its way while places were taken has moved that mark, and
        what is to be read again would be dropped below it.
        """
        self._read_offset.update(self._begins or {})
        self.app.delivery.resume()
        super().resume_flow()

    @Service.task
    async def _ask_for_errors(self) -> None:
        """Crash on what aiokafka parks until somebody asks; Faust never does, and the worker would sit idle."""
        with Standstill(self.loop):
            while not self.should_stop:
                await self.sleep(ASK_FOR_ERRORS_EVERY_S)
                consumer = self._thread._consumer  # noqa: SLF001
                if consumer is not None and self._thread.thread_loop is not None:
                    self._thread.thread_loop.call_soon_threadsafe(self._check, consumer._coordinator)  # noqa: SLF001

    def _check(self, coordinator: Any) -> None:
        if coordinator is None or not Protection.WATCHDOG.on:  # None: a slow broker is still being asked for the group
            return
        try:
            coordinator.check_errors()
        except Exception as error:  # noqa: BLE001  # whatever it is, only a new start helps
            log.error("the consumer group's coordinator: %r", error)  # noqa: TRY400
            asyncio.run_coroutine_threadsafe(self.crash(error), self.loop)


class Producer(driver.Producer):
    """Acknowledged by all replicas, and idempotent; Faust itself sends nothing here."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class Transport(driver.Transport):
    """The transport of a DeliveryApp."""

    Consumer = Consumer
    Producer = Producer
