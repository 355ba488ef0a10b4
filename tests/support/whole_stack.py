"""One whole stack for the run: real parts, workers and doors in a home of its own, and what trials ask of it."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from streams.adapters.kafka_log import KafkaLog
from streams.adapters.partitioning import partition_of
from streams.flow import DEADLETTERS, PARTITIONS, RETRY, TOPICS
from streams.oversight.ledger import Ledger, StudyLine
from streams.ports import Record
from streams.runtime.record.following import Following
from streams.runtime.sending import Delivery, Offer, deliver, offer, settled
from streams.runtime.settings import Settings, default_home, load
from streams.runtime.stack import services
from streams.runtime.stack.stack import Stack
from streams.runtime.wiring import addresses
from tests.support import small_heads

PATIENCE_S = 150.0
"""Of every wait: long, since other work may share the machine; none takes so long on a quiet one."""
COMMAND_S = 2 * PATIENCE_S
EVERYTHING = (*(t.name for t in TOPICS), *RETRY.values(), DEADLETTERS)
_NUMBERS = count(1)


@dataclass(slots=True)
class WholeStack:
    """The running stack of a home, and its processes by name."""

    settings: Settings
    environment: dict[str, str]
    stack: Stack
    said: queue.Queue[str]
    scratch: Path
    names: list[str] = field(default_factory=list)

    def fresh(self, name: str) -> str:
        """A name that nothing else of this run has."""
        self.names.append(f"{name}-{next(_NUMBERS)}")
        return self.names[-1]

    def folder(self, name: str) -> Path:
        """A folder that is not there yet."""
        return self.scratch / self.fresh(name)

    def kill(self, name: str) -> None:
        """SIGKILL to a part, worker or door; call `until_back` next."""
        state = next(s for s in self.stack.states if s.name == name)
        assert state.pid is not None, f"{name} does not run: {state}"
        self.hush()
        os.kill(state.pid, signal.SIGKILL)

    def hush(self) -> None:
        """Forget what the stack has said so far."""
        while not self.said.empty():
            self.said.get_nowait()

    def until_back(self, name: str) -> None:
        """Wait until the stack says that it is ready again."""
        end = time.monotonic() + PATIENCE_S
        heard = ""
        while heard not in {f"{name} runs", f"{name} answers"}:
            line = self.said.get(timeout=max(0.01, end - time.monotonic()))
            heard = line.split(" at ")[0]

    def start_wetread(self, *arguments: object) -> subprocess.Popen[str]:
        """The command, begun; it answers on its pipes."""
        return subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", *map(str, arguments)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wetread(self, *arguments: object, code: int = 0) -> str:
        """What the command prints, its exit code checked."""
        process = self.start_wetread(*arguments)
        try:
            printed, complained = process.communicate(timeout=COMMAND_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        assert process.returncode == code, f"{arguments}: code {process.returncode}\n{complained}\n{printed}"
        return printed

    def asked(self, *arguments: object, code: int = 0) -> Any:
        """What the command prints with --json."""
        return json.loads(self.wetread(*arguments, "--json", code=code))

    @asynccontextmanager
    async def record(self) -> AsyncIterator[KafkaLog]:
        """The record."""
        async with KafkaLog(addresses(self.settings).kafka) as log:
            yield log

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Following]:
        """The ledger, kept up with the record."""
        async with self.record() as log, Following(log) as following:
            yield following


def started(home: Path) -> WholeStack:
    """A whole stack in a new home that shares the fetched parts of this checkout's own."""
    home.mkdir(parents=True, exist_ok=True)
    fetched = load().home / "parts"
    (home / "parts").symlink_to(fetched if fetched.is_dir() else default_home() / "parts")
    models = shutil.copytree(load().models, home / "shipped")  # what is trained meanwhile does not change beneath us
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WETREAD_")}  # noqa: TID251
    environment = {**inherited, "WETREAD_HOME": str(home), "WETREAD_MODELS": str(models)}
    environment["WETREAD_RETRY_S"] = "1"
    settings = load(environment)
    said: queue.Queue[str] = queue.Queue()
    running = services.start(settings, said.put)
    scratch = home / "scratch"
    scratch.mkdir()
    return WholeStack(settings, environment, running, said, scratch)


@contextmanager
def whole_stack_in(home: Path) -> Iterator[WholeStack]:
    """The stack, ended again."""
    running = started(home)
    try:
        yield running
    finally:
        running.stack.stop()


async def sent(stack: WholeStack, paths: Sequence[Path]) -> tuple[Offer, Delivery]:
    """The files through the doors: C-STORE where it can carry them, else the watched folder."""
    offered = offer(paths)
    return offered, await deliver(offered, stack.settings)


async def ended(following: Following, delivery: Delivery) -> None:
    """Wait until each study sent has its one outcome, and each other file its dead letter."""
    assert await settled(following, delivery, PATIENCE_S), "not every study has ended"


async def until(following: Following, holds: Callable[[Ledger], bool], what: str) -> None:
    """Wait until the ledger says so."""
    assert await following.until(lambda: holds(following.ledger), PATIENCE_S), f"never: {what}"


async def outcome_of(stack: WholeStack, paths: Sequence[Path]) -> StudyLine:
    """The line of the one study in these files, when it has ended."""
    async with stack.following() as following:
        offered, delivery = await sent(stack, paths)
        await ended(following, delivery)
        (study,) = offered.studies
        return following.ledger.line(study)


async def all_records(log: KafkaLog) -> list[Record]:
    """Every record of every topic of ours."""
    return [record async for record in log.read(EVERYTHING, follow=False)]


def partition(study: str) -> int:
    """The partition that a study's events are on."""
    return partition_of(study.encode(), PARTITIONS)


async def read_on(stack: WholeStack, partitions: set[int]) -> None:
    """Send a good small head to each partition and wait until all are read: nothing before them stands in the way."""
    folders = []
    for wanted in sorted(partitions):
        name = stack.fresh("good")
        while partition(small_heads.study(name).uid) != wanted:
            name = stack.fresh("good")
        folders.append(stack.scratch / name)
        small_heads.written(small_heads.slices(name), folders[-1])
    async with stack.following() as following:
        offered, delivery = await sent(stack, folders)
        await ended(following, delivery)
        found = {study: following.ledger.line(study).outcome for study in offered.studies}
    assert {o.outcome for o in found.values() if o} == {"analysed"}, found
