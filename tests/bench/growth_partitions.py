"""What a study costs a flow worker with 1, 4 and 16 partitions: real Kafka, Redis and worker of each, in turns."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import redis as plain_redis

from streams.adapters.kafka_log import KafkaLog, TopicPlan
from streams.adapters.memory_reading import MemoryObjects
from streams.adapters.redis_state import RedisState, connect
from streams.flow import DEADLETTERS, FEEDBACK, addressed, agents
from streams.ports import Message, Record
from streams.runtime.processing.applying import Outside
from streams.runtime.processing.worker import FlowWiring, Site, run_flow_worker
from streams.runtime.wiring import topic_plans
from tests.bench.flow_alone import answer, arriving
from tests.bench.table import Section
from tests.support import studies
from tests.support.kafka_and_redis import RealPart, real_parts

PARTITIONS = (1, 4, 16)
HEARD = ("triage.readings.urgent", "triage.readings.routine", "triage.alerts")
PATIENCE_S = 300.0
NOTES = (
    "Three stacks of the bench's own stand side by side, each a real Kafka whose topics have so many partitions, a",
    "real Redis and one flow worker with all agents of the map. Studies of 28 slices come in bursts, in turns, and",
    "this process answers their readings; `study` is CPU of worker and Redis from the burst to its last alert, `idle`",
    "what both take of a core while nothing comes: timers are looked for ten times a second, and the store is asked",
    "once a second, for each of four places a partition. `busy` is `study` without what is idle in that time, `ratio`",
    "that against one partition, median over the rounds. Kafka's own CPU is left out.",
)


def plans(partitions: int) -> tuple[TopicPlan, ...]:
    """The map's topics, with so many partitions."""
    return tuple(replace(plan, partitions=partitions) for plan in topic_plans())


def work(kafka: str, redis: str, partitions: int, slot: str) -> None:
    """Be the worker; slot: its name in the group, as in an installation."""
    outside = Outside(
        state=RedisState(connect(redis)),
        log=KafkaLog(kafka),
        objects=MemoryObjects(),
        policy=studies.POLICIES.digest,
        deadletters=DEADLETTERS,
        addressed=addressed,
    )
    site = Site(
        bootstrap=kafka, group="bench", slot=slot, topics=plans(partitions),
        ready=lambda: print("ready", flush=True),
    )  # fmt: skip
    run_flow_worker(
        FlowWiring(
            site=site,
            outside=outside,
            agents=agents(studies.POLICIES, (studies.HEAD,)),
            forwards={FEEDBACK: "triage.feedback"},
        )
    )


@dataclass(slots=True)
class Stack:
    """One Kafka, its Redis and its worker.

    Attributes:
        alerted: studies whose alert was read.
    """

    partitions: int
    kafka: RealPart
    redis: RealPart
    worker: subprocess.Popen[str]
    log: KafkaLog = field(init=False)
    alerted: set[bytes] = field(default_factory=set)
    sent: int = 0
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def answering(self) -> None:
        """Answer readings, and note alerts, until cancelled."""
        async for record in self.log.read(HEARD, follow=True):
            await self._hear(record)

    async def _hear(self, record: Record) -> None:
        if record.topic == "triage.alerts":
            self.alerted.add(record.key or b"")
            self._moved.set()
        else:
            await self.log.send([answer(Message(record.topic, record.key or b"", record.value or b"", record.headers))])

    async def burst(self, number: int) -> tuple[float, float]:
        """So many studies at once, until each has its alert; CPU and wall seconds of each."""
        before, began = self.spent(), time.monotonic()
        names = [f"1.2.840.{10_000_000 + self.sent + each}" for each in range(number)]
        self.sent += number
        await self.log.send([message for name in names for message in arriving(name)])
        async with asyncio.timeout(PATIENCE_S):
            while len(self.alerted) < self.sent:
                self._moved.clear()
                await self._moved.wait()
        return (self.spent() - before) / number, (time.monotonic() - began) / number

    def spent(self) -> float:
        """CPU seconds of worker and Redis so far."""
        with plain_redis.Redis.from_url(self.redis.address) as client:
            told = client.info("cpu")
        return self.of_worker() + float(told["used_cpu_user"]) + float(told["used_cpu_sys"])

    def of_worker(self) -> float:
        """CPU seconds of the worker so far."""
        times = psutil.Process(self.worker.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def stack_of(partitions: int, home: Path) -> Iterator[Stack]:
    """A stack that takes events."""
    home.mkdir()
    kafka, redis = real_parts(home)
    worker: subprocess.Popen[str] | None = None
    try:
        redis.start()
        kafka.start()
        argv = [
            sys.executable,
            "-m",
            __name__,
            "--as-worker",
            kafka.address,
            redis.address,
            str(partitions),
            "worker-0",
        ]
        with (home / "worker.log").open("w") as errors:
            worker = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n", (home / "worker.log").read_text()[-2000:]
        yield Stack(partitions, kafka, redis, worker)
    finally:
        if worker is not None:
            worker.terminate()
            worker.wait(60)
        kafka.stop()
        redis.stop()


async def measure(stacks: Sequence[Stack], burst: int, rounds: int, idle_s: float) -> list[tuple[str, ...]]:
    """A row for each number of partitions."""
    for stack in stacks:
        stack.log = KafkaLog(stack.kafka.address)
    tasks = [asyncio.create_task(stack.answering()) for stack in stacks]
    costs: list[list[tuple[float, float]]] = []
    for number in range(rounds + 1):
        found = [await stack.burst(burst) for stack in stacks]
        costs += [found] if number else []  # the first warms up
    before = [stack.spent() for stack in stacks]
    began = time.monotonic()
    await asyncio.wait(tasks, timeout=idle_s)
    passed = time.monotonic() - began
    idle = [(stack.spent() - then) / passed for stack, then in zip(stacks, before, strict=True)]
    for task, stack in zip(tasks, stacks, strict=True):
        task.cancel()
        await asyncio.wait([task])
        await stack.log.close()
    return [
        (
            str(stack.partitions),
            f"{statistics.median(row[place][0] for row in costs) * 1000:.2f} ms",
            f"{statistics.median(_busy(row, idle, place) for row in costs) * 1000:.2f} ms",
            f"{statistics.median(_busy(row, idle, place) / _busy(row, idle, 0) for row in costs):.2f}",
            f"{idle[place] * 100:.1f} %",
        )
        for place, stack in enumerate(stacks)
    ]


def _busy(row: Sequence[tuple[float, float]], idle: Sequence[float], place: int) -> float:
    """CPU of a study without what would have been computed in that time for nobody."""
    spent, passed = row[place]
    return spent - idle[place] * passed


def run(quick: bool) -> Section:
    """1, 4 and 16 partitions."""
    burst, rounds, idle_s = (20, 2, 5.0) if quick else (60, 7, 20.0)
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as name, ExitStack() as stack:
        stacks = [stack.enter_context(stack_of(number, Path(name) / str(number))) for number in PARTITIONS]
        rows = asyncio.run(measure(stacks, burst, rounds, idle_s))
    return Section(
        name="growth-partitions",
        title="Cost of a study by number of partitions",
        goal="flat within 10 % from 1 to 16 partitions.",
        columns=("partitions", "study", "busy", "ratio", "idle"),
        rows=tuple(rows),
        notes=NOTES,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--as-worker", nargs=4, metavar=("KAFKA", "REDIS", "PARTITIONS", "SLOT"), required=True)
    given = parser.parse_args()
    work(given.as_worker[0], given.as_worker[1], int(given.as_worker[2]), given.as_worker[3])
