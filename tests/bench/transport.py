"""CPU per event of the transport: python -m tests.bench.transport [--events N] [--rounds N].

One run compares, on one topic of a real Kafka: (bare) a Faust agent that does nothing, with Faust's own settings;
(window) our transport and window around nothing; (step) the whole guaranteed step of the toy agent, its state in
Redis and one event said for each event heard; and, for the step's measure, (send) a bare Faust agent that decodes
each event and awaits one send. Each runs in a process of its own, in turn, round by round; medians are told.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faust

from streams.adapters.kafka_log import KafkaLog, TopicPlan, create_topics
from streams.adapters.memory_reading import MemoryObjects
from streams.adapters.redis_state import RedisState, connect
from streams.events.envelope import from_kafka, to_kafka
from streams.ports import Message, Record
from streams.runtime.processing import worker
from streams.runtime.processing.applying import Outside
from streams.runtime.processing.handling import Handling
from streams.runtime.processing.worker import FlowWiring, Site, build_flow
from tests.support.kafka_and_redis import real_parts
from tests.support.toy import DEAD, SAID, TOPIC, addressed, opened, toy_agent

KEYS, FILLER = 500, "x" * 700
WAYS = ("bare", "window", "send", "step")


class Meter:
    """CPU time of this process from event `warm` on to the last."""

    def __init__(self, events: int) -> None:
        """A fifth of the events warm up."""
        self.events, self.warm, self.seen, self.begun = events, events // 5, 0, 0.0

    def tick(self) -> None:
        """One event is done; after the last the figure is printed and the process ends."""
        self.seen += 1
        if self.seen == self.warm:
            self.begun = time.process_time()
        if self.seen == self.events:
            spent = time.process_time() - self.begun
            sys.stdout.write(f"us per event: {spent / (self.events - self.warm) * 1e6}\n")
            sys.stdout.flush()
            os._exit(0)


def bare(bootstrap: str, meter: Meter, log: KafkaLog | None) -> faust.App:
    """A Faust agent as its manual has it."""
    app = faust.App(
        f"bare-{os.getpid()}",
        broker=f"kafka://{bootstrap}",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
    )
    topic = app.topic(TOPIC, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

    async def listen(stream: Any) -> None:
        async for event in stream.events():
            if log is not None:
                envelope = from_kafka(event.message.value, list(event.message.headers))
                await log.send([Message(SAID, *to_kafka(envelope))])
            meter.tick()

    app.agent(topic)(listen)
    return app


def ours(bootstrap: str, redis_url: str, meter: Meter, *, whole: bool) -> faust.App:
    """Our worker; the applier's or the handler's end is where an event is done."""
    outside = Outside(
        state=RedisState(connect(redis_url), prefix=f"bench{os.getpid()}:"),
        log=KafkaLog(bootstrap),
        objects=MemoryObjects(),
        policy="bench",
        deadletters=DEAD,
        addressed=addressed,
    )
    site = Site(bootstrap=bootstrap, group=f"ours-{os.getpid()}")
    if not whole:
        worker.Handling = Nothing(meter)  # type: ignore[misc,assignment]
        return build_flow(FlowWiring(site=site, outside=outside, agents=(), forwards={"nothing": TOPIC}))
    real = worker.Applier.apply

    async def apply(self: Any, record: Record, low_end: Callable[[], int]) -> None:
        await real(self, record, low_end)
        meter.tick()

    worker.Applier.apply = apply  # type: ignore[method-assign]
    return build_flow(FlowWiring(site=site, outside=outside, agents=(toy_agent(),)))


class Nothing:
    """Stands where a handling stands, and does nothing."""

    def __init__(self, meter: Meter) -> None:
        """Counts."""
        self._meter = meter

    def __call__(self, *_: object) -> Handling:
        """A handling."""
        return self  # type: ignore[return-value]

    async def take(self, _partition: int) -> None:
        """Nothing."""

    async def apply(self, _record: Record) -> None:
        """Nothing."""
        self._meter.tick()


def run_one(way: str, bootstrap: str, redis_url: str, events: int) -> None:
    """One way in this process; ends it."""
    meter = Meter(events)
    makes: dict[str, Callable[[], faust.App]] = {
        "bare": lambda: bare(bootstrap, meter, None),
        "send": lambda: bare(bootstrap, meter, KafkaLog(bootstrap)),
        "window": lambda: ours(bootstrap, redis_url, meter, whole=False),
        "step": lambda: ours(bootstrap, redis_url, meter, whole=True),
    }
    faust.Worker(makes[way](), override_logging=False, redirect_stdouts=False, quiet=True).execute_from_commandline()


async def fill(bootstrap: str, events: int) -> None:
    """Events of about 1 KB over so many keys."""
    async with KafkaLog(bootstrap) as log:
        for start in range(0, events, 500):
            messages = [opened(f"1.2.{n % KEYS}", f"{n} {FILLER}") for n in range(start, min(start + 500, events))]
            await log.send(messages)


def measure(kafka: str, redis: str, events: int, rounds: int) -> dict[str, list[float]]:
    """Microseconds of CPU per event, by way, for each round."""
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            command = [sys.executable, "-m", "tests.bench.transport", "--as", way, kafka, redis, str(events)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                raise RuntimeError(f"{way}: {done.stderr[-2000:]}")
            found[way].append(float(done.stdout.rpartition("us per event: ")[2]))
    return found


def table(events: int = 20_000, rounds: int = 3) -> str:
    """The comparison as a Markdown table, measured now."""
    with tempfile.TemporaryDirectory() as home:
        kafka, redis = real_parts(Path(home))
        try:
            redis.start()
            kafka.start()
            create_topics(kafka.address, [TopicPlan(name=n, partitions=8) for n in (TOPIC, SAID, DEAD)])
            asyncio.run(fill(kafka.address, events))
            found = measure(kafka.address, redis.address, events, rounds)
        finally:
            kafka.stop()
            redis.stop()
    medians = {way: statistics.median(values) for way, values in found.items()}
    titles = {
        "bare": "bare Faust agent that does nothing",
        "window": "our transport and window around nothing",
        "send": "bare Faust agent that decodes, encodes and awaits one send",
        "step": "the whole guaranteed step: Redis, decision, one event said",
    }
    rows = [
        f"| {titles[w]} | {m:.0f} | {m / medians['bare']:.2f} | {m / medians['send']:.2f} |" for w, m in medians.items()
    ]
    head = "| CPU per event, 1 KB | us | against bare | against bare with a send |\n|---|---|---|---|"
    return "\n".join([head, *rows])


def main() -> None:
    """Measure and print; or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.transport", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--as", dest="one", nargs=4, metavar=("WAY", "KAFKA", "REDIS", "EVENTS"), help="used by itself")
    given = parser.parse_args()
    if given.one:
        way, kafka, redis, events = given.one
        run_one(way, kafka, redis, int(events))
    sys.stdout.write(table(given.events, given.rounds) + "\n")


if __name__ == "__main__":
    main()
