"""A real Triton for tests, alone, with small models: arithmetic, a sleeper, one that can be made to die."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from streams.runtime.parts.ports import claim_ports
from streams.runtime.parts.settings import PartsSettings
from streams.runtime.parts.triton import SHARED_MEMORY, LocalTriton
from streams.runtime.settings import default_home

PYTHON_CONFIG = """
name: "%s"
backend: "python"
max_batch_size: 0
input [ { name: "A" data_type: TYPE_FP32 dims: [ -1, -1 ] } ]
output [
  { name: "SUM" data_type: TYPE_FP32 dims: [ 1 ] },
  { name: "SAME" data_type: TYPE_FP32 dims: [ -1, -1 ] },
  { name: "RECEIPT" data_type: TYPE_STRING dims: [ 1 ] }
]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""
PYTHON_MODEL = '''
import os, signal, time, zlib
import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    """Sums its input; a first value of -1 sleeps, -2 dies, -3 raises, -4 says NaN."""

    def execute(self, requests):
        answers = []
        for request in requests:
            a = pb.get_input_tensor_by_name(request, "A").as_numpy()
            wish = a.flat[0]
            receipt = f"{request.request_id()} {zlib.crc32(a):08x}".encode()
            if wish == -1:
                for _ in range(3000):
                    if request.is_cancelled():
                        break
                    time.sleep(0.01)
            if wish == -2:
                os.kill(os.getpid(), signal.SIGKILL)
            if wish == -3:
                raise ValueError("these images will not do")
            total = np.array([np.nan if wish == -4 else a.sum(dtype=np.float64)], np.float32)
            signed = pb.Tensor("RECEIPT", np.array([receipt], np.object_))
            answers.append(pb.InferenceResponse([pb.Tensor("SUM", total), pb.Tensor("SAME", a.copy()), signed]))
        return answers
'''


@dataclass(slots=True)
class RunningTriton:
    """A Triton process that a test may kill and start again."""

    part: LocalTriton
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def address(self) -> str:
        return self.part.address

    def start(self, patience_s: float = 60.0) -> None:
        """Start it and wait until its models have loaded."""
        launch = self.part.prepare()
        env = {k: v for k, v in {**os.environ, **launch.env}.items() if v}  # noqa: TID251  # as the stack does
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(launch.argv, env=env, stdout=log, stderr=log)
        end = time.monotonic() + patience_s
        while not self.part.is_ready():
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            assert time.monotonic() < end, "Triton did not become ready"
            time.sleep(0.1)

    def kill(self) -> None:
        """End it at once, as a crash would, with its models' processes: a stopped one would live on for ever."""
        if self.process is not None:
            models = psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []
            self.process.kill()
            self.process.wait()
            self.process = None
            for model in models:
                with suppress(psutil.NoSuchProcess):
                    model.kill()


def write_model(folder: Path, name: str) -> Path:
    """A model folder of the test model above."""
    (folder / name / "1").mkdir(parents=True)
    (folder / name / "config.pbtxt").write_text(PYTHON_CONFIG % name)
    (folder / name / "1" / "model.py").write_text(PYTHON_MODEL)
    return folder / name


@contextmanager
def local_triton(home: Path, models: Path) -> Iterator[RunningTriton]:
    """A Triton over the models of a folder, with the parts that this checkout has fetched."""
    settings = PartsSettings(home=home, parts=default_home() / "parts", model_folders=(models,))
    ports = claim_ports(home, ["grpc", "http", "metrics"])
    part = LocalTriton(settings, ports["grpc"], ports["http"], ports["metrics"])
    running = RunningTriton(part, home / "triton.log")
    try:
        running.start()
        yield running
    finally:
        running.kill()
        for left in SHARED_MEMORY.glob(f"{part.shared_memory_prefix}*"):  # a killed server leaves it
            left.unlink(missing_ok=True)
