"""Seconds and memory of one reading by each model folder, alone on the machine's cores: no broker, no flow."""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import psutil

from streams.adapters.contract_files import ModelFolder, read_models
from streams.adapters.dicom_pixels import DicomPixels
from streams.adapters.object_folder import ObjectFolder
from streams.adapters.policy_files import read_policies
from streams.adapters.triton_server import TritonServer
from streams.contract import Needs
from streams.events.manifest import Manifest, encode_manifest
from streams.events.reading import ReadingAnswered, ReadingRequested, SeriesToRead
from streams.phantom.cases import Case, demo_cases
from streams.phantom.chest import Nodule, chest_with_nodules, free_places, nodule_frame
from streams.phantom.dicom import Series, ct_slices, save
from streams.phantom.head import Scan
from streams.phantom.scanning import SYNTAXES, study_of
from streams.phantom.texture import SOFT
from streams.phantom.writing import generator_digest, write_case
from streams.runtime.inference.preparing import Preparing
from streams.runtime.inference.reader import Reader
from streams.runtime.inference.reports import Reports
from streams.runtime.parts.digests import is_whole, make_whole
from streams.runtime.settings import default_home, shipped
from tests.bench.table import Section
from tests.support.local_triton import RunningTriton, local_triton
from tests.support.reading_files import FoundSeries, series_in

LONG_CHEST = 300
CHOSEN = re.compile(r'"(\w+) runs by ([^"]+)"')
MIB = 1 << 20
NOTES = (
    "A phantom that the model's contract takes is read from stored files to the answer: decoding, geometry, quality,",
    "tensors (pixels), Triton (model), meaning and mask (the rest). Median of the runs after one as a warm-up.",
    "`processors` is the time that reader, decoders and model computed, which other work on the machine leaves alone.",
    "Peak memory is resident, of the reader with its decoders, and of the model's process in Triton. `runs by` is what",
    "the backend chose when it loaded the model, with the processor times by which it chose.",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A phantom study to be read, as series in a store."""

    name: str
    series: tuple[FoundSeries, ...]

    @property
    def images(self) -> int:
        """Of all its series."""
        return sum(len(series.instances) for series in self.series)

    def request(self, objects: ObjectFolder, model: str) -> ReadingRequested:
        """The reading; an exam of several series names the others too."""
        first, *others = self.series
        asked = []
        for other in others:
            listed = Manifest(study=other.study, series=other.facts.series, instances=tuple(other.instances.values()))
            asked.append(SeriesToRead(series=other.facts, manifest=objects.put(encode_manifest(listed))))
        return replace(first.request(objects, model), others=tuple(asked))


def samples(needs: Needs, objects: ObjectFolder) -> list[Sample]:
    """The phantoms for such a model: of its body part, thin and thick, few slices and many."""
    kind = "mammogram" if needs.views else needs.body_part
    found: dict[int, Sample] = {}
    for case in fitting(kind):
        groups = series_in(painted(f"case-{case.number:02d}", partial(_write, case)), objects)
        parts = [tuple(groups)] if needs.views else [(g,) for g in groups if len(g.instances) >= needs.slices_min]
        for part in parts:
            sample = Sample(kind, part)
            found.setdefault(sample.images, sample)
    if kind == "chest":
        sample = Sample(kind, tuple(series_in(painted("long-chest", long_chest), objects)))
        found[sample.images] = sample
    return [found[images] for images in sorted(found)]


def fitting(kind: str) -> list[Case]:
    """The demo's last plain study of this kind, and its thin and thick one."""
    cases = [case for case in demo_cases() if case.kind == kind and case.codec == "none"]
    plain = [case for case in cases if case.quirk == "none"]
    return [*plain[-1:], *(case for case in cases if case.quirk == "thin and thick")]


def painted(what: str, paint: Callable[[Path], None]) -> list[Path]:
    """The files of a phantom, made once for each state of what paints them, and in a process of its own.

    A painter takes hundreds of megabytes, which must not count as the reader's.
    """
    home = default_home() / "bench" / what
    if not is_whole(home, generator_digest()):
        shutil.rmtree(home, ignore_errors=True)
        print(f"  painting {what}", flush=True)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as elsewhere:
            make_whole(home, generator_digest(), lambda folder: elsewhere.submit(paint, folder).result())
    return sorted(home.glob("*.dcm"))


def _write(case: Case, folder: Path) -> None:
    write_case(case, folder)


def long_chest(folder: Path) -> None:
    """A chest in thin slices, as a scanner makes it for nodules."""
    case = Case(1, "chest", "chest", "routine", 701, "siemens", nodules_mm=(8.0,))
    frame = nodule_frame(200.0 / LONG_CHEST)
    nodules = [Nodule(place, 8.0) for place in free_places(case.person, 1)]
    chest = chest_with_nodules(case.person, nodules, frame, Scan(SOFT, 14.0, case.seed))
    series = Series(2, "CHEST 0.67 LUNG", "Br64", "CHEST ROUTINE")
    for number, dataset in enumerate(ct_slices(study_of(case), series, chest, frame)):
        save(dataset, folder / f"{number:04d}.dcm", SYNTAXES["none"])


@contextmanager
def triton_with(models: Path) -> Iterator[RunningTriton]:
    """A Triton of our own over these folders."""
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as home, local_triton(Path(home), models) as running:
        yield running


def whole_folders(models: Path) -> Mapping[str, ModelFolder]:
    """The folders that have all that a model is made of; half-made ones are left out."""
    return {} if not models.is_dir() else read_models(models)


def providers(running: RunningTriton) -> dict[str, str]:
    """What each model runs by, as its backend said in the log."""
    return dict(CHOSEN.findall(running.log.read_text()))


def per_model(quick: bool) -> Section:
    """Each folder of triton_models with each phantom that its contract takes."""
    models = shipped("triton_models")
    with triton_with(models) as running:
        rows = asyncio.run(_rows(running, whole_folders(models), 1 if quick else 5))
    return Section(
        name="models",
        title="A reading by each model",
        goal="head <= 8 s, chest of 300 slices <= 25 s on two cores.",
        columns=(
            "model",
            "phantom",
            "images",
            "whole",
            "pixels",
            "model's part",
            "processors",
            "reader",
            "in Triton",
            "runs by",
        ),
        rows=tuple(rows),
        notes=NOTES,
    )


async def _rows(running: RunningTriton, models: Mapping[str, ModelFolder], runs: int) -> list[tuple[str, ...]]:
    rows = []
    by = providers(running)
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as folder:
        objects = ObjectFolder(Path(folder) / "objects", reserve=0)
        for name, model in models.items():
            for sample in samples(model.contract.needs, objects):
                told = await _read(running, models, objects, (name, sample), runs)
                rows.append((name, sample.name, str(sample.images), *told, by.get(name, "")))
                print("  " + " | ".join(rows[-1]), flush=True)
    return rows


async def _read(
    running: RunningTriton,
    models: Mapping[str, ModelFolder],
    objects: ObjectFolder,
    asked: tuple[str, Sample],
    runs: int,
) -> tuple[str, ...]:
    """Whole, pixels, model, processors in seconds; reader's and model's peak memory."""
    name, sample = asked
    assert running.process is not None
    request = sample.request(objects, name)
    stub = stub_of(running.process.pid, name)
    taken: list[Run] = []
    async with DicomPixels(objects) as pixels, TritonServer(running.address, models) as server:
        preparing = Preparing(objects, pixels, Reports(read_policies(shipped("deploy/policies"), models).quality))
        reader = Reader(objects, preparing, server, models, time.monotonic)
        for _ in range(runs + 1):
            us = [psutil.Process(), *psutil.Process().children(recursive=False)]
            ours = [p for p in us if p.pid != running.process.pid]
            for process in (*ours, stub):
                forget_peak(process.pid)
            before, began = processor([*ours, stub]), time.monotonic()
            said = await reader.read(request)
            assert isinstance(said, ReadingAnswered), said
            whole = time.monotonic() - began
            memory = (sum(peak(p.pid) for p in ours), peak(stub.pid))
            taken.append(Run(whole, processor([*ours, stub]) - before, said, memory))
    return described(taken[1:])


@dataclass(frozen=True, slots=True)
class Run:
    """One reading: seconds on the clock and of processors, the answer, peak memory of reader and model."""

    whole: float
    processors: float
    said: ReadingAnswered
    memory: tuple[int, int]


def described(runs: list[Run]) -> tuple[str, ...]:
    """The cells of a row."""
    return (
        f"{median(run.whole for run in runs):.2f} s",
        f"{median(run.said.pixels_seconds for run in runs):.2f} s",
        f"{median(run.said.model_seconds for run in runs):.2f} s",
        f"{median(run.processors for run in runs):.2f} s",
        *(f"{max(run.memory[side] for run in runs) / MIB:.0f} MB" for side in (0, 1)),
    )


def processor(processes: list[psutil.Process]) -> float:
    """Seconds of processors that these have taken so far."""
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


def stub_of(triton: int, model: str) -> psutil.Process:
    """The process in which Triton runs this model's code (the first of its instances)."""
    for process in psutil.Process(triton).children(recursive=True):
        line = " ".join(process.cmdline())
        if "triton_python_backend_stub" in line and f"/{model}/" in line and process.name() != "bash":
            return process
    raise LookupError(f"Triton has no process for {model}")


def forget_peak(pid: int) -> None:
    """Let the kernel count the peak of resident memory anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> int:
    """Highest resident memory since then, bytes; 0 for a process that has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")), 0)
