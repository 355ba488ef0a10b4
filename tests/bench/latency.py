"""Last slice stored to alert readable: with a stand-in model of a known time, and with the real one."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

from streams.adapters.dicom_scu import FileName, name_of, send
from streams.phantom.cases import WrittenCase
from streams.phantom.stamping import stamp_all
from streams.phantom.writing import write_demo
from streams.runtime.settings import Settings, default_home
from streams.runtime.wiring import dicom_address
from tests.bench import standin
from tests.bench.listening import Told, listening
from tests.bench.table import Section, ms, quantile

WARM_UP = 3
PATIENCE_S = 120.0
MODEL_S = 0.010
STAND_IN_NOTES = (
    f"Each is {standin.SLICES} slices of {standin.SIDE} x {standin.SIDE}, sent by C-STORE through the real DIMSE door,",
    "one association a second; the model is a Python backend of Triton that waits 10 ms. The clock starts when the",
    "door has synced the last slice, and ends when a plain kafka-python consumer holds the alert; the release of the",
    "association, by which the series is known to be whole, lies between. One worker, one reader; three studies",
    "before as a warm-up. Pixels are no part of the model's time: their row says how much of the limit they take.",
)
WHOLE_NOTE = (
    "one at a time, after one as a warm-up; a later revision of a study does not alert again and is not counted."
)


def files_of(paths: Iterable[Path]) -> list[FileName]:
    """What C-STORE needs to know of each file."""
    return [name for path in paths if (name := name_of(path))]


def stored(settings: Settings, files: list[FileName]) -> None:
    """One association that carries these files."""
    host, port = dicom_address(settings)
    answers = send(files, host, port, settings.ae_title)
    assert all(answer.status == 0 for answer in answers), answers


def write_study(template: standin.Template, number: int, folder: Path) -> tuple[str, list[FileName]]:
    """The number-th stand-in study on disk."""
    study, contents = template.study(number)
    home = folder / f"{number:05d}"
    home.mkdir()
    paths = [home / f"{index:03d}.dcm" for index in range(len(template.files))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return study, files_of(paths)


def every(seconds: float, jobs: Iterable[Callable[[], None]]) -> None:
    """Start a job at each beat, whether or not the one before has ended."""
    waiting, began = threading.Event(), time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        running = []
        for beat, job in enumerate(jobs):
            waiting.wait(max(0.0, began + beat * seconds - time.monotonic()))
            running.append(pool.submit(job))
        for done in running:
            done.result()


def stand_in(quick: bool) -> Section:
    """200 studies at 1 a second with a model of 10 ms on the real Triton."""
    count = 20 if quick else 200
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as name:
        folder = Path(name)
        (folder / "models").mkdir()
        standin.write_model(folder / "models", MODEL_S)
        template = standin.template()
        made = [write_study(template, number, folder) for number in range(WARM_UP + count)]
        with listening(folder / "models") as (settings, subscriber):
            for study, files in made[:WARM_UP]:
                stored(settings, files)
                subscriber.wait_for({study}, PATIENCE_S)
            measured = made[WARM_UP:]
            every(1.0, [lambda files=files: stored(settings, files) for _study, files in measured])  # type: ignore[misc]
            studies = [study for study, _files in measured]
            subscriber.wait_for(set(studies), PATIENCE_S)
            told = subscriber.told(studies)
    return Section(
        name="latency",
        title="Last slice stored to alert readable, stand-in model",
        goal="without the model's time, p50 <= 150 ms and p99 <= 1 s, at 1 study a second.",
        columns=("", "p50", "p90", "p99", "longest"),
        rows=(
            _row("without the model's time", [t.without_model for t in told]),
            _row("... of which pixels (decode, geometry, tensors)", [t.pixels for t in told]),
            _row("... of which doors, Kafka, decisions, Redis", [t.flow for t in told]),
            _row("the model server's part", [t.model for t in told]),
        ),
        notes=(f"{len(told)} of {count} studies alerted.", *STAND_IN_NOTES),
    )


def whole(quick: bool) -> Section:
    """The demo's heads with a bleed, one after the other, with the shipped model."""
    count = 3 if quick else 21
    cases = [w for w in write_demo(default_home() / "demo" / "made") if w.case.kind == "head" and w.case.expect_alert]
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as name, listening() as (settings, subscriber):
        told: list[Told] = []
        for number, case in enumerate(islice(cycle(cases), count + 1)):
            studies = _send_case(settings, case, Path(name) / str(number), f"bench-{number}")
            subscriber.wait_for(studies, PATIENCE_S)
            told += subscriber.told(sorted(studies)) if number else []
    return Section(
        name="whole",
        title="Last slice stored to alert readable, the shipped model",
        goal="p95 <= 20 s on two cores.",
        columns=("", "p50", "p95", "longest"),
        rows=(
            _row("whole", [t.whole for t in told], (0.5, 0.95, 1.0)),
            _row("the model server's part", [t.model for t in told], (0.5, 0.95, 1.0)),
            _row("pixels", [t.pixels for t in told], (0.5, 0.95, 1.0)),
            _row("the rest", [t.flow for t in told], (0.5, 0.95, 1.0)),
        ),
        notes=(f"{len(told)} of {count} phantom heads with a bleed over 5 ml alerted,", WHOLE_NOTE),
    )


def _send_case(settings: Settings, written: WrittenCase, folder: Path, run: str) -> set[str]:
    waves = [files_of(wave) for wave in stamp_all(written.waves, folder, run)]
    for wave in waves:
        stored(settings, wave)
    return {file.study for wave in waves for file in wave}


def _row(what: str, values: list[float], shares: tuple[float, ...] = (0.5, 0.9, 0.99, 1.0)) -> tuple[str, ...]:
    return (what, *(ms(quantile(values, share)) if values else "none" for share in shares))
