"""A call of a model through Triton against the same session in process: what the way there and back costs."""

from __future__ import annotations

import asyncio
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from streams.adapters.contract_files import ModelFolder
from streams.adapters.dicom_pixels import DicomPixels
from streams.adapters.object_folder import ObjectFolder
from streams.adapters.triton_server import TritonServer
from streams.ports import Tensor
from streams.reading.functions import rows
from streams.runtime.inference.preparing import Preparing
from streams.runtime.settings import default_home, shipped
from tests.bench.models import Sample, providers, samples, triton_with, whole_folders
from tests.bench.table import Section, ms
from tests.support.local_triton import RunningTriton

THREADS = re.compile(r'intra_op_thread_count"\s+value:\s*\{\s*string_value:\s*"(\d+)"')
NOTES = (
    "The tensors of a phantom (as many rows as the contract lets into one call) go to Triton as the reader sends them,",
    "by shared memory on this host, and to a session with the same provider and threads in a process of its own, one",
    "after the other in turns. The ratio is of the medians; `least` is of the fastest call of each, which other work",
    "on the machine disturbs least. The way there and back costs milliseconds that do not grow with the model.",
)


@dataclass(frozen=True, slots=True)
class Alone:
    """The session in a process of its own."""

    process: subprocess.Popen[str]

    def call(self) -> float:
        """Seconds of one call."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def against_a_session(quick: bool) -> Section:
    """Each folder of triton_models, with the largest phantom that its contract takes."""
    models = shipped("triton_models")
    with triton_with(models) as running, tempfile.TemporaryDirectory(prefix="wetread-bench-") as folder:
        found = asyncio.run(_rows(running, whole_folders(models), Path(folder), 4 if quick else 30))
    return Section(
        name="calls",
        title="A call through Triton against the same session in process",
        goal="<= 1.02 by shared memory.",
        columns=("model", "input", "through Triton", "in process", "ratio", "least"),
        rows=tuple(found),
        notes=NOTES,
    )


async def _rows(
    running: RunningTriton, models: Mapping[str, ModelFolder], folder: Path, calls: int
) -> list[tuple[str, ...]]:
    objects = ObjectFolder(folder / "objects", reserve=0)
    by = providers(running)
    found = []
    for name, model in models.items():
        fitting = samples(model.contract.needs, objects)
        if not fitting:
            continue
        inputs = await _inputs(objects, model, fitting[-1])
        alone = _alone(model, inputs, "openvino" if by.get(name, "").startswith("OpenVINO") else "cpu", folder)
        try:
            async with TritonServer(running.address, models) as server:
                pairs = [await _pair(server, model, inputs, alone) for _ in range(calls + 1)][1:]
        finally:
            alone.process.kill()
            alone.process.wait()
        size = sum(tensor.nbytes for tensor in inputs.values()) / 1e6
        triton, session = ([pair[side] for pair in pairs] for side in (0, 1))
        ratio, least = median(triton) / median(session), min(triton) / min(session)
        row = (name, f"{rows(inputs)} rows, {size:.1f} MB", ms(median(triton)), ms(median(session)))
        found.append((*row, f"{ratio:.3f}", f"{least:.3f}"))
        print("  " + " | ".join(found[-1]), flush=True)
    return found


async def _inputs(objects: ObjectFolder, model: ModelFolder, sample: Sample) -> dict[str, Tensor]:
    async with DicomPixels(objects) as pixels:
        ready = await Preparing(objects, pixels).ready(sample.request(objects, model.contract.name), model.contract)
    most = model.contract.tensors.rows_most
    return {name: tensor[:most] for name, tensor in ready.prepared.inputs.items()}


async def _pair(
    server: TritonServer, model: ModelFolder, inputs: Mapping[str, Tensor], alone: Alone
) -> tuple[float, float]:
    began = time.perf_counter()
    await server.infer(
        model.contract.name,
        inputs,
        outputs=tuple(model.contract.tensors.outputs),
        request_id="bench",
        deadline_s=120.0,
    )
    triton = time.perf_counter() - began
    return triton, await asyncio.to_thread(alone.call)


def _alone(model: ModelFolder, inputs: Mapping[str, Tensor], provider: str, folder: Path) -> Alone:
    kept = folder / f"{model.contract.name}.npz"
    np.savez(kept, **{name: np.ascontiguousarray(tensor) for name, tensor in inputs.items()})
    threads = THREADS.search((model.path / "config.pbtxt").read_text())
    process = subprocess.Popen(
        [
            str(default_home() / "parts" / "models" / "bin" / "python"),
            str(Path(__file__).with_name("alone.py")),
            str(shipped("deploy") / "local" / "backends" / "onnxruntime"),
            str(model.path / "1" / "model.onnx"),
            str(kept),
            provider,
            threads.group(1) if threads else "0",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return Alone(process)
