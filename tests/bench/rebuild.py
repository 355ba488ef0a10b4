"""How long a Redis that lost everything takes to hold the same again: real Kafka, Redis and flow workers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import redis as plain_redis

from streams.adapters.kafka_log import KafkaLog
from tests.bench import growth_partitions
from tests.bench.growth_partitions import Stack, stack_of
from tests.bench.table import Section

PARTITIONS, AT_ONCE = 8, 100
WORKERS = (1, 2)
PATIENCE_S, LOOK_EVERY_S, STILL_S = 600.0, 0.2, 3.0
PER = 10_000
States = dict[bytes, dict[bytes, bytes]]


def held(address: str) -> States:
    """Every state, part by part; not what was said last, nor how often it was written."""
    with plain_redis.Redis.from_url(address) as client:
        said: Any = client
        names = sorted(said.scan_iter(match="*:state:*", count=1000))
        pipe = said.pipeline(transaction=False)
        for name in names:
            pipe.hgetall(name)
        found = pipe.execute()
    return {n: {k: v for k, v in f.items() if not k.startswith(b"#")} for n, f in zip(names, found, strict=True)}


def keys(address: str) -> int:
    """How many keys there are: cheap enough to be asked again and again, but timers and lists come and go."""
    with plain_redis.Redis.from_url(address) as client:
        return int(client.dbsize())


async def fill(stack: Stack, number: int) -> None:
    """So many studies, read and alerted, and then nothing more."""
    stack.log = KafkaLog(stack.kafka.address)
    answering = asyncio.create_task(stack.answering())
    for _ in range(number // AT_ONCE):
        await stack.burst(AT_ONCE)
    await asyncio.wait([answering], timeout=STILL_S)
    answering.cancel()
    await asyncio.wait([answering])
    await stack.log.close()


def rebuilt(stack: Stack, workers: list[subprocess.Popen[str]], number: int, home: Path) -> tuple[float, ...]:
    """Empty Redis under these workers, and start others: seconds until they end, to the first key, to all."""
    before = held(stack.redis.address)
    with plain_redis.Redis.from_url(stack.redis.address) as client:
        client.flushall()
    began = time.monotonic()
    for worker in workers:
        worker.wait(PATIENCE_S)
    ended = time.monotonic() - began
    address = (stack.kafka.address, stack.redis.address, str(PARTITIONS))
    argv = [sys.executable, "-m", growth_partitions.__name__, "--as-worker", *address]
    with (home / "workers.log").open("a") as log:
        workers[:] = [
            subprocess.Popen([*argv, f"worker-{each}"], stdout=log, stderr=log, text=True) for each in range(number)
        ]
    first: float | None = None
    while time.monotonic() - began < PATIENCE_S:
        there = keys(stack.redis.address)
        if first is None and there:
            first = time.monotonic() - began
        if there >= len(before) and held(stack.redis.address) == before:
            return ended, first or 0.0, time.monotonic() - began
        time.sleep(LOOK_EVERY_S)  # Redis tells nobody what it holds
    raise TimeoutError(f"Redis does not hold the same after {PATIENCE_S:.0f} s; see {home}")


def run(quick: bool) -> Section:
    """2,000 studies, by one worker and by two."""
    studies = 200 if quick else 2_000
    rows = []
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as name, stack_of(PARTITIONS, Path(name) / "s") as stack:
        asyncio.run(fill(stack, studies))
        workers, held_before = [stack.worker], keys(stack.redis.address)
        try:
            for number in WORKERS:
                times = _, first, equal = rebuilt(stack, workers, number, Path(name))
                whole = first + (equal - first) * PER / studies
                rows.append((str(number), *(f"{seconds:.1f} s" for seconds in times), f"{whole:.0f} s"))
        finally:
            for worker in workers:
                worker.terminate()
                worker.wait(60)
    return Section(
        name="rebuild",
        title="A Redis that lost everything",
        goal="the same state again within 30 s for 10,000 studies.",
        columns=(
            "workers",
            "until they ended",
            "until the first key",
            "until the same state",
            "that for 10,000 studies",
        ),
        rows=tuple(rows),
        notes=(
            f"{studies:,} studies of 28 slices, read and alerted ({held_before:,} keys), on 8 partitions of a real",
            "Kafka; FLUSHALL under running workers, which see it and end themselves; others are started at once, and",
            "read the record from its beginning. Equal: each part of each state, byte for byte. The last column counts",
            "the time from the first key on as often as there are studies more.",
        ),
    )
