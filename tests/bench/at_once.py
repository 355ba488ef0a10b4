"""Seven stat heads at once: last slice to alert of each, and where the processors' time went."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import psutil

from streams.adapters.dicom_scu import FileName
from streams.adapters.kafka_log import KafkaLog
from streams.phantom.cases import WrittenCase
from streams.phantom.stamping import stamp_all
from streams.phantom.writing import write_demo
from streams.runtime.sending import order_for
from streams.runtime.settings import Settings, default_home
from streams.runtime.wiring import addresses
from tests.bench.latency import files_of, stored
from tests.bench.listening import Subscriber, Told, listening
from tests.bench.table import Section, ms, quantile

HEADS = 7
PATIENCE_S = 300.0
SHARES = (0.5, 0.95, 1.0)
NOTES = (
    "Heads with a bleed of the demo, ordered stat, each on an association of its own, all begun together: as many as",
    "the demo has, and more than two cores read side by side. The clock of each starts when the door has synced its",
    "last slice. `alone` is one of them with nobody else there. Processors: what each process computed between the",
    "first byte sent and the last alert, a head; other work on the machine does not change it. `sender` is this",
    "process, C-STORE and subscriber; it stands for a scanner and is no part of the product.",
)


def run(quick: bool) -> Section:
    """One head alone, then seven at once, as often as asked."""
    rounds = 1 if quick else 3
    made = write_demo(default_home() / "demo" / "made")
    cases = [w for w in made if w.case.kind == "head" and w.case.expect_alert and len(w.waves) == 1]
    alone: list[Told] = []
    crowd: list[Told] = []
    spent: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as name, listening() as (settings, subscriber):
        fresh = partial(_stamped, cases, Path(name))
        together(settings, subscriber, fresh("warm", 1))
        for number in range(rounds):
            alone += together(settings, subscriber, fresh(f"alone-{number}", 1))
            before = computed(subscriber)
            crowd += together(settings, subscriber, fresh(f"crowd-{number}", HEADS))
            spent.update(computed(subscriber) - before)
    return Section(
        name="at-once",
        title=f"{HEADS} stat heads at once",
        goal="p95 <= 20 s on two cores.",
        columns=("", "p50", "p95", "longest"),
        rows=(
            _row("alone", [t.whole for t in alone]),
            _row(f"{HEADS} at once", [t.whole for t in crowd]),
            _row("... the model server's part", [t.model for t in crowd]),
            _row("... pixels", [t.pixels for t in crowd]),
            _row("... waiting for a reader, doors, decisions", [t.flow for t in crowd]),
        ),
        notes=(
            f"{len(crowd)} of {rounds * HEADS} heads alerted. Processors, s a head: {_shared(spent, len(crowd))}.",
            *NOTES,
        ),
    )


def together(settings: Settings, subscriber: Subscriber, studies: Sequence[list[FileName]]) -> list[Told]:
    """Order each of the studies stat, send all of them at the same time, and wait for their alerts."""
    files = [file for study in studies for file in study]
    asyncio.run(_ordered(settings, files))
    with ThreadPoolExecutor(len(studies)) as pool:
        list(pool.map(partial(stored, settings), studies))
    names = {file.study for file in files}
    subscriber.wait_for(names, PATIENCE_S)
    return subscriber.told(sorted(names))


async def _ordered(settings: Settings, files: Sequence[FileName]) -> None:
    async with KafkaLog(addresses(settings).kafka) as log:
        await order_for(log, settings, files, "stat")


def _stamped(cases: Sequence[WrittenCase], folder: Path, run_name: str, count: int) -> list[list[FileName]]:
    """So many studies that were never sent: the first wave of each case, round and round."""
    return [
        files_of(stamp_all(case.waves[:1], folder / run_name / str(number), f"{run_name}-{number}")[0])
        for number, case in enumerate(islice(cycle(cases), count))
    ]


def computed(subscriber: Subscriber) -> Counter[str]:
    """Processor seconds of each part so far, in thousandths; of a reader its decoders, of Triton its models too."""
    spent = Counter(sender=round(1000 * time.process_time()))
    for name, pid in subscriber.pids().items():
        try:
            process = psutil.Process(pid)
            own = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for one in own:
            with_time = one.cpu_times()
            who = "decoders" if name.startswith("reader") and one.pid != pid else name.split("-")[0]
            spent[who] += round(1000 * (with_time.user + with_time.system))
    return spent


def _shared(spent: Counter[str], heads: int) -> str:
    return ", ".join(f"{who} {value / 1000 / max(1, heads):.2f}" for who, value in spent.most_common())


def _row(what: str, values: list[float]) -> tuple[str, ...]:
    return (what, *(ms(quantile(values, share)) if values else "none" for share in SHARES))
