"""Retention on a real Kafka and Redis, in seconds: studies that were read leave objects and state, open ones stay."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis

from streams.adapters.kafka_log import KafkaLog, create_topics
from streams.adapters.object_folder import ObjectFolder
from streams.events.envelope import from_kafka
from streams.events.watching import StudyLetGo
from streams.runtime.record.following import Following
from streams.runtime.settings import shipped
from streams.runtime.wiring import topic_plans
from tests.support.kafka_and_redis import real_parts
from tests.support.small_heads import slices, study, written

PATIENCE_S = 300.0
"""Of every wait: other work may share the machine."""
pytestmark = [pytest.mark.stack, pytest.mark.timeout(3 * PATIENCE_S)]

SECOND = 1 / 86_400
POLICY = f"""
ended_days = {8 * SECOND}
remembered_days = {8 * SECOND}
orders_days = {20 * SECOND}
sweep_hours = {3 / 3600}
shorter_than_record = true
"""
READ, OPEN = ("read-1", "read-2"), ("open-1", "open-2")


@dataclass(frozen=True, slots=True)
class Site:
    """A worker and a folder door, their home, and the commands of people."""

    home: Path
    environment: dict[str, str]

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.home / f"{'-'.join(arguments[:2])}.log").open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "streams.cli.main", *arguments], env=self.environment, stdout=out, stderr=out
            )

    async def wetread(self, *arguments: str) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "streams.cli.main", *arguments), env=self.environment, stdout=subprocess.PIPE
        )
        printed, _ = await process.communicate()
        assert process.returncode == 0, arguments
        return printed

    def send(self, name: str) -> None:
        """A chest of few images, which no model reads: its outcome needs no Triton."""
        datasets = slices(name, accession=f"ACC-{name}")
        for dataset in datasets:
            dataset.BodyPartExamined, dataset.StudyDescription, dataset.ProtocolName = "CHEST", "CT CHEST", "CHEST"
            dataset.SeriesDescription = "CHEST 7.5"
        folder = self.home / "inbox" / name
        written(datasets, folder)
        (folder / ".complete").touch()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Site, Redis, str]]:
    policies = tmp_path / "policies"
    policies.mkdir()
    for path in (shipped("deploy") / "policies").glob("*.toml"):
        (policies / path.name).write_bytes(path.read_bytes())
    (policies / "retention.toml").write_text(POLICY)
    kafka, redis = real_parts(tmp_path / "parts")
    home = tmp_path / "home"
    home.mkdir()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WETREAD_")}  # noqa: TID251
    told = {"HOME": home, "POLICIES": policies, "TRITON": "127.0.0.1:1"}
    with started(kafka), started(redis):
        create_topics(kafka.address, topic_plans())  # the record is followed before a busy machine's worker is there
        told |= {"KAFKA": kafka.address, "REDIS": redis.address}
        own = Site(home, {**inherited, **{f"WETREAD_{name}": str(value) for name, value in told.items()}})
        running = [own.start("run", "worker", "--name", "w"), own.start("run", "door-folder", "--name", "d")]
        with Redis.from_url(redis.address) as client:
            yield own, client, kafka.address
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)


@contextmanager
def started(part) -> Iterator[None]:
    try:
        part.start(PATIENCE_S)
        yield
    finally:
        part.stop()


async def until(holds: Callable[[], bool]) -> None:
    """A store and a Redis tell nothing by themselves: they are asked."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.3)


def uids(names) -> list[str]:
    return [study(name).uid for name in names]


async def test_what_was_read_leaves_and_what_is_open_stays(site, record_property):
    """Objects, state, ids of events, orders: all of the read ones, none of the open ones; and the command says so."""
    own, redis, kafka = site
    store = ObjectFolder(own.home / "objects", reserve=0)

    def keys(study_uid: str) -> int:
        return len(redis.keys(f"wetread:*:{study_uid}"))

    async with KafkaLog(kafka) as log, Following(log) as following:
        for name in (*READ, *OPEN):
            own.send(name)
        lines = [following.ledger.line(uid) for uid in uids((*READ, *OPEN))]
        assert await following.until(lambda: all(line.settled for line in lines), PATIENCE_S)
        digests = dict(following.ledger.studies_of_object)
        before = (redis.dbsize(), len(list(store.stored())))
        assert all(keys(uid) >= 4 for uid in uids((*READ, *OPEN)))
        for uid in uids(READ):
            await own.wetread("read", uid)
        gone = {d for d, s in digests.items() if s in uids(READ)}
        await until(lambda: not gone & {o.digest for o in store.stored()})
        await until(lambda: not any(map(keys, uids(READ))))
        said = [from_kafka(r.value, r.headers).data async for r in log.read(("imaging.instances",), follow=False)]
    assert sorted(e.study for e in said if isinstance(e, StudyLetGo)) == sorted(uids(READ))
    found = json.loads(await own.wetread("retention", "--dry-run", "--json"))
    assert (found["studies"], found["leave"]) == ({"let go": 2, "open": 2}, 0)
    assert {o.digest for o in store.stored()} >= digests.keys() - gone
    assert all(keys(uid) >= 4 for uid in uids(OPEN))
    after = (redis.dbsize(), len(list(store.stored())))
    record_property("keys and objects before, after", f"{before} {after}")
    print(f"keys and objects: before {before}, after {after}")
    assert after[0] < before[0]
    assert after[1] == before[1] // 2
