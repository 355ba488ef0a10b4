"""A stat head while two cores read chests: with the right of way, without it, and with nobody else there."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

from streams.adapters.kafka_log import KafkaLog
from streams.phantom.stamping import stamp_all
from streams.phantom.writing import write_case
from streams.runtime.sending import order_for
from streams.runtime.settings import Settings, shipped
from streams.runtime.wiring import addresses
from tests.bench.latency import files_of, stored
from tests.bench.listening import Subscriber, Told, listening
from tests.bench.models import demo_cases, painted
from tests.bench.table import Section, ms, quantile

MODEL, PART_S, CHESTS = "many_rows", 2.0, 8
PATIENCE_S = 60.0
CONTRACT = """
schema = 1
name = "many_rows"
version = "1.0.0"
title = "Keeps a core busy with a chest, part by part, and finds nothing"
role = "shadow"

[needs]
modality = ["CT"]
body_part = "chest"
slices_min = 20

[tensors]
function = "volume_patches"
rows_most = 1
options = { spacing_mm = 4.0, clip_hu = [-1000.0, 400.0], scale_to = [0.0, 1.0], patch = [25.0, 30.0, 30.0] }
inputs.X = { datatype = "FP32", shape = [-1, 1, 25, 30, 30] }
outputs.P = { datatype = "FP32", shape = [-1, 2, 25, 30, 30] }

[answer]
function = "volume_mask"
mask = "P"
options = { classes = ["background", "something"], activation = "none" }

[finding]
name = "nothing"
code = { scheme = "99WETREAD", value = "0", meaning = "Nothing" }
threshold = 0.9

[limits]
deadline_s = 300
"""
CONFIG = """
name: "many_rows"
backend: "python"
max_batch_size: 0
input [ { name: "X" data_type: TYPE_FP32 dims: [ -1, 1, 25, 30, 30 ] } ]
output [ { name: "P" data_type: TYPE_FP32 dims: [ -1, 2, 25, 30, 30 ] } ]
instance_group [ { kind: KIND_CPU count: 2 } ]
"""
CODE = '''
import time
import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    """%(seconds)s s of processor time for each row."""

    def execute(self, requests):
        answers = []
        for request in requests:
            rows = pb.get_input_tensor_by_name(request, "X").as_numpy()
            until = time.process_time() + %(seconds)s * len(rows)
            while time.process_time() < until:
                np.sort(rows, axis=None)
            found = np.zeros((len(rows), 2, *rows.shape[2:]), np.float32)
            found[:, 0] = 1
            answers.append(pb.InferenceResponse([pb.Tensor("P", found)]))
        return answers
'''
NOTES = (
    "The shipped model on a phantom head with a bleed, ordered stat, one after the other. Busy: two reading processes",
    f"with a backlog of chests for a model that computes for {PART_S:g} s a row, one row a call, so that both cores",
    "compute all the time. Without the right of way (WETREAD_YIELD_S=0) the head shares the cores with them to its",
    "end; with it, it waits for the part that is being computed, at most. Last slice stored to alert readable.",
)


@dataclass(slots=True)
class Trial:
    """A running stack, and studies to send to it."""

    settings: Settings
    subscriber: Subscriber
    folder: Path
    numbers: Iterator[int] = field(default_factory=count)

    def chests(self) -> None:
        """A backlog for both cores."""
        chest = painted_case("chest")  # painted before the stack was started
        for _ in range(CHESTS):
            self._send(chest)

    def stat_head(self) -> Told:
        """One head, to its alert."""
        studies = self._send(painted_case("head"), stat=True)
        self.subscriber.wait_for(studies, PATIENCE_S)
        (told,) = self.subscriber.told(sorted(studies))
        return told

    def _send(self, paths: list[Path], *, stat: bool = False) -> set[str]:
        number = next(self.numbers)
        (wave,) = stamp_all([paths], self.folder / str(number), f"stat-first-{id(self)}-{number}")
        files = files_of(wave)
        if stat:
            asyncio.run(self._order(files))
        stored(self.settings, files)
        return {file.study for file in files}

    async def _order(self, files: list) -> None:
        async with KafkaLog(addresses(self.settings).kafka) as log:
            await order_for(log, self.settings, files, "stat")


def painted_case(kind: str) -> list[Path]:
    """A study of the demo: a chest, or a head that is owed an alert."""
    fit = [c for c in demo_cases() if c.kind == kind and (c.quirk, c.codec) == ("none", "none")]
    case = next(c for c in reversed(fit) if kind == "chest" or c.expect_alert)
    return painted(f"case-{case.number:02d}", partial(_write, case))


def _write(case, folder: Path) -> None:
    write_case(case, folder)


@contextmanager
def trial(folder: Path, yield_s: int) -> Iterator[Trial]:
    """A stack with two readers, the shipped head model and the slow one."""
    for kind in ("head", "chest"):
        painted_case(kind)
    models = folder / "models"
    if not models.exists():
        (models / MODEL / "1").mkdir(parents=True)
        (models / MODEL / "contract.toml").write_text(CONTRACT)
        (models / MODEL / "config.pbtxt").write_text(CONFIG)
        (models / MODEL / "1" / "model.py").write_text(CODE % {"seconds": PART_S})
        (models / "ich_ct").symlink_to(shipped("triton_models") / "ich_ct")
    told = {"WETREAD_READERS": "2", "WETREAD_YIELD_S": str(yield_s)}
    with listening(models, told) as (settings, subscriber), tempfile.TemporaryDirectory(dir=folder) as files:
        yield Trial(settings, subscriber, Path(files))


def run(quick: bool) -> Section:
    """Alone and beside chests with the right of way on one stack, without it on another."""
    heads = 2 if quick else 6
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as name:
        with trial(Path(name), 20) as stack:
            stack.stat_head()
            alone = [stack.stat_head() for _ in range(heads)]
            stack.chests()
            yielding = [stack.stat_head() for _ in range(heads)]
        with trial(Path(name), 0) as stack:
            stack.stat_head()
            stack.chests()
            sharing = [stack.stat_head() for _ in range(heads)]
    return Section(
        name="stat-first",
        title="A stat head while both cores read chests",
        goal=f"it waits behind at most one part of a reading (here {PART_S:g} s).",
        columns=("", "p50", "longest", "pixels p50", "model p50", "over alone, p50"),
        rows=tuple(
            _row(what, told, alone)
            for what, told in (
                ("nobody else", alone),
                ("chests, with the right of way", yielding),
                ("chests, without it", sharing),
            )
        ),
        notes=NOTES,
    )


def _row(what: str, told: list[Told], alone: list[Told]) -> tuple[str, ...]:
    whole, longest = (quantile([t.whole for t in told], share) for share in (0.5, 1.0))
    parts = [quantile([getattr(t, part) for t in told], 0.5) for part in ("pixels", "model")]
    over = whole - quantile([t.whole for t in alone], 0.5)
    return (what, *(ms(value) for value in (whole, longest, *parts, over)))
