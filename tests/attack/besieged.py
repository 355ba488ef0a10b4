"""A door under an attack: what a good sender waits, what the door holds, what it leaves on the disk."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.attack.wire import deliver
from tests.support.doors import slice_file

ROOT = Path(__file__).resolve().parents[2]
SIDE = 256
WARM = 20
PACE_S = 0.005
"""A scanner's own pace."""
WITHIN_STORE = re.compile(
    r"objects(/new|/lock|/[0-9a-f]{2}(/[0-9a-f]{2}(/[0-9a-f]{64})?)?)?|spool(/\d{16}\.notes|/shipped)?"
)
"""All that a door may leave in its home."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One attack: a good sender's 99th percentile in ms, at this door and at a calm one, and what it did to the door.

    Attributes:
        calm_ms: at a door beside it that nobody attacks: whatever else the machine does delays both.
        unserved: good images that were not answered with success.
        grown_mb: the most memory over what the door held before.
        threads: more than before, once the attack is over.
        astray: what was written outside the store.
    """

    name: str
    calm_ms: float
    attacked_ms: float
    unserved: int
    grown_mb: float
    threads: int
    turns: int
    astray: tuple[str, ...]


@dataclass(slots=True)
class Door:
    """A lone door, running."""

    home: Path
    process: subprocess.Popen[str]
    port: int
    sent: int = 0

    @property
    def watched(self) -> psutil.Process:
        return psutil.Process(self.process.pid)

    def served(self) -> tuple[float, bool]:
        """How many ms a good sender waits for one image to be taken, and whether it was."""
        dataset = slice_file(1, Rows=SIDE, Columns=SIDE, pixels=bytes(2 * SIDE * SIDE))
        dataset = dataset[dataset.index(b"\x08\0\x16\0") :]
        self.sent += 1
        began = time.perf_counter()
        status = deliver(self.port, dataset, f"1.2.826.7.{self.sent}")
        return (time.perf_counter() - began) * 1000, status == 0

    def astray(self) -> tuple[str, ...]:
        """Whatever lies in its home, or beside it, that is neither object nor note."""
        names = (str(path.relative_to(self.home)) for path in self.home.rglob("*"))
        beside = (f"../{path.name}" for path in self.home.parent.iterdir() if path != self.home)
        evil = (str(path) for path in (Path("/tmp/wetread-evil"), Path("/etc/cron.d/wetread-evil")) if path.exists())
        return tuple([n for n in names if not WITHIN_STORE.fullmatch(n)] + [*beside, *evil])


@contextmanager
def lone_door(folder: Path, **settings: float) -> Iterator[Door]:
    """A door in a process of its own, at home in a folder that is its own."""
    home = folder / "home"
    home.mkdir(parents=True)
    told = [f"{name}={number}" for name, number in settings.items()]
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.attack.lone_door", str(home), *told],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT,
        )  # fmt: skip
    assert process.stdin
    assert process.stdout
    try:
        yield Door(home, process, int(process.stdout.readline()))
        process.stdin.close()
        assert process.stdout.readline().startswith("True"), "the door did not ship all that it owed"
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def under(name: str, port: int) -> Iterator[list[int]]:
    """The attack, going on in a process of its own, so that a good sender here waits for the door only.

    Its turns stand in the list once it is over.
    """
    turns: list[int] = []
    with subprocess.Popen(
        [sys.executable, "-m", "tests.attack.attacks", name, str(port)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        try:
            assert process.stdout.readline() == "attacking\n"
            yield turns
            process.stdin.close()
            turns.append(int(process.stdout.readline()))
            assert process.wait(60) == 0, "the attack failed, or went where it may not"
        finally:
            process.kill()


@contextmanager
def _peak_mb(process: psutil.Process) -> Iterator[list[float]]:
    """The most memory that it had meanwhile, in the one place of the list."""
    peak, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss / 1e6)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def _p99(took: list[tuple[float, bool]]) -> float:
    return sorted(ms for ms, _ in took)[math.ceil(0.99 * len(took)) - 1]


def measured(door: Door, calm: Door, name: str, images: int, seconds: float) -> Measured:
    """One attack: good images to it and to a calm door in turns, at least so many of each, and at least so long."""
    for _ in range(WARM):
        door.served()
        calm.served()
    held, threads = door.watched.memory_info().rss / 1e6, door.watched.num_threads()
    took: dict[int, list[tuple[float, bool]]] = {door.port: [], calm.port: []}
    until = time.monotonic() + seconds
    with _peak_mb(door.watched) as peak, under(name, door.port) as turns:
        time.sleep(0.5)  # so that it is under way
        while time.monotonic() < until or len(took[door.port]) < images:
            for each in (door, calm):
                took[each.port].append(each.served())
                time.sleep(PACE_S)
    left = time.monotonic() + 15
    while door.watched.num_threads() > threads + 4 and time.monotonic() < left:
        time.sleep(0.1)  # what was begun ends in its own time
    return Measured(
        name,
        _p99(took[calm.port]),
        _p99(took[door.port]),
        sum(not taken for _, taken in took[door.port]),
        peak[0] - held,
        door.watched.num_threads() - threads,
        turns[0],
        door.astray(),
    )
