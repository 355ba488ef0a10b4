"""What trials of the real stack share: small models, events to be awaited, questions to Kafka and Triton."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from kafka import KafkaConsumer
from tritonclient.grpc import InferenceServerClient, InferInput

from streams.runtime.parts.guardian import Mark, mark_of
from streams.runtime.parts.states import State
from streams.runtime.stack.stack import Stack, StackEvent
from tests.support.tiny_onnx import model_bytes

CONFIG = """
name: "%s"
backend: "onnxruntime"
max_batch_size: 4
input [ { name: "A" data_type: TYPE_FP32 dims: [ 3 ] }, { name: "B" data_type: TYPE_FP32 dims: [ 3 ] } ]
output [ { name: "SUM" data_type: TYPE_FP32 dims: [ 3 ] }, { name: "PRODUCT" data_type: TYPE_FP32 dims: [ 3 ] } ]
instance_group [ { kind: KIND_CPU count: %d } ]
dynamic_batching { max_queue_delay_microseconds: 20000 }
parameters: { key: "intra_op_thread_count" value: { string_value: "1" } }
"""
ARITHMETIC = model_bytes([("Add", ["A", "B"], "SUM"), ("Mul", ["A", "B"], "PRODUCT")], ["A", "B"], ["SUM", "PRODUCT"])


class Heard:
    """The stack's events, to be awaited."""

    def __init__(self) -> None:
        self.events: queue.Queue[StackEvent] = queue.Queue()

    def until_back(self, name: str, patience: float = 150.0) -> StackEvent:
        """Awaits that a part runs again after it died."""
        end = time.monotonic() + patience
        while True:
            event = self.events.get(timeout=max(0.01, end - time.monotonic()))
            if event.part.name == name and event.part.state is State.RUNNING and event.part.restarts:
                return event


def write_models(folder: Path) -> Path:
    """A model that adds and multiplies, one whose file is garbage, and one half-written folder."""
    for name, instances in (("arithmetic", 1), ("broken", 1)):
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "config.pbtxt").write_text(CONFIG % (name, instances))
        (folder / name / "card.md").write_text("# not Triton's")
        (folder / name / "1" / "model.onnx").write_bytes(ARITHMETIC if name == "arithmetic" else b"no model")
    (folder / "half" / "1").mkdir(parents=True)
    return folder


def consumed(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=60_000, group_id=None
    )
    try:
        return [message.value for _, message in zip(range(count), consumer, strict=False)]
    finally:
        consumer.close()


def asked(address: str, a: list[list[float]], b: list[list[float]], model: str = "arithmetic") -> dict[str, np.ndarray]:
    client = InferenceServerClient(address)
    try:
        inputs = []
        for name, rows in (("A", a), ("B", b)):
            array = np.array(rows, np.float32)
            inputs.append(InferInput(name, list(array.shape), "FP32"))
            inputs[-1].set_data_from_numpy(array)
        answer = client.infer(model, inputs, client_timeout=10)
        return {name: answer.as_numpy(name) for name in ("SUM", "PRODUCT")}
    finally:
        client.close()


def started(home: Path, parts: Path, models: Path) -> subprocess.Popen[str]:
    """A stack in a process of its own, when its parts answer."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.runtime.stack.stack", "--home", home, "--parts", parts, "--models", models],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    seen = [next(line for line in process.stdout if line.startswith(f"{n:8} running")) for n in ("kafka", "triton")]
    assert len(seen) == 2
    process.stdout.close()  # a terminal that was closed is no reason to stop
    return process


def kill(stack: Stack, name: str) -> Mark:
    """SIGKILL to one part; what it was."""
    state = next(state for state in stack.states if state.name == name)
    assert state.pid is not None
    assert state.ticks is not None
    os.kill(state.pid, signal.SIGKILL)
    return Mark(state.pid, state.ticks)


def running_in(sessions: set[int]) -> list[int]:
    """Processes of these sessions that run; those that are dead and only wait for init do not count."""
    return [pid for pid in psutil.pids() if is_of(pid, sessions)]


def is_of(pid: int, sessions: set[int]) -> bool:
    try:
        return os.getsid(pid) in sessions and mark_of(pid) is not None
    except ProcessLookupError:
        return False


def wait_for(condition: Callable[[], bool], patience: float = 60.0) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
