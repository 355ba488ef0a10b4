# ruff: noqa: INP001  # Triton loads it by its path
"""Chooses onnxruntime's execution provider on a CPU: by measurement, and only among equal answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

CPU, OPENVINO = "CPUExecutionProvider", "OpenVINOExecutionProvider"
WANTED = ("auto", "cpu", "openvino")
RUNS = 3
LONG_S = 3.0
"""A model that takes longer for the question is asked it once by each."""
GAIN = 0.9
"""OpenVINO is taken below this share of the time: a smaller gain may be the moment's alone."""
TOLERANCE = 1e-3
"""Floating outputs agree within this, absolute and relative; whole numbers must be equal."""
FREE_AXIS, FREE_ROWS = 64, 4
CANARY = "canary.npz"

Feed = Mapping[str, np.ndarray]


class Session(Protocol):
    """The part of onnxruntime's session that is used here."""

    def get_providers(self) -> Sequence[str]:
        """What really runs it; a provider that could not be made is missing."""

    def run(self, names: object, feed: Feed) -> Sequence[Any]:
        """All outputs."""


@dataclass(frozen=True)
class Choice:
    """The session to be used, and how it came to be, in words for the log."""

    session: Session
    said: str


class ProviderUnusable(ValueError):
    """The provider that a model's config.pbtxt asks for cannot run it; the message is for people."""


def choose(wanted: str, make: Callable[[str], Session], feed: Feed | None, threads: int) -> Choice:
    """A session for a model.

    Args:
        wanted: auto, cpu or openvino: the parameter `execution_provider` of config.pbtxt.
        make: makes a session by the provider's name; raises what onnxruntime raises.
        feed: the question by which the two are compared; None: nothing can be asked, so the CPU's own stays.
        threads: of one call; one thread is timed by its processor time, which other work on the machine leaves alone.

    Raises:
        ProviderUnusable: `wanted` is unknown, or OpenVINO is asked for and cannot run the model.
    """
    if wanted not in WANTED:
        raise ProviderUnusable(f"execution_provider is {wanted!r}; it takes one of {', '.join(WANTED)}")
    if wanted == "openvino":
        return Choice(_openvino(make), "OpenVINO, as config.pbtxt asks")
    own = make(CPU)
    if wanted == "cpu":
        return Choice(own, "CPU, as config.pbtxt asks")
    if feed is None:
        return Choice(own, "CPU, since there is no canary and no question could be made up")
    try:
        other = _openvino(make)
    except ProviderUnusable as fault:
        return Choice(own, f"CPU ({fault})")
    return _faster(own, other, feed, time.process_time if threads == 1 else time.perf_counter)


def _openvino(make: Callable[[str], Session]) -> Session:
    try:
        session = make(OPENVINO)
    except Exception as fault:  # onnxruntime's errors share no class
        raise ProviderUnusable(f"OpenVINO cannot load it: {_short(fault)}") from fault
    if OPENVINO not in session.get_providers():
        raise ProviderUnusable("OpenVINO is not in this onnxruntime")
    return session


def _faster(own: Session, other: Session, feed: Feed, clock: Callable[[], float]) -> Choice:
    """Each answers once unmeasured (it compiles and takes its memory), then both in turns; the best time counts."""
    try:
        first, expected = _timed(own, feed, clock)
    except Exception as fault:  # noqa: BLE001  # a made-up question need not fit every model
        return Choice(own, f"CPU, since it does not answer the question of the trial: {_short(fault)}")
    try:
        _, answers = _timed(other, feed, clock)
        off = _difference(expected, answers)
        if off is not None:
            return Choice(own, f"CPU, since OpenVINO answers otherwise: {off}")
        times = [(_timed(own, feed, clock)[0], _timed(other, feed, clock)[0]) for _ in range(_runs(first))]
    except Exception as fault:  # noqa: BLE001
        return Choice(own, f"CPU, since OpenVINO fails: {_short(fault)}")
    ours, theirs = (min(column) for column in zip(*times, strict=True))
    said = f"CPU {ours * 1000:.1f} ms, OpenVINO {theirs * 1000:.1f} ms, equal answers"
    return Choice(other, f"OpenVINO: {said}") if theirs < GAIN * ours else Choice(own, f"CPU: {said}")


def _runs(first: float) -> int:
    return RUNS if first < LONG_S else 1


def _timed(session: Session, feed: Feed, clock: Callable[[], float]) -> tuple[float, Sequence[Any]]:
    began = clock()
    answers = session.run(None, feed)
    return clock() - began, answers


def _difference(expected: Sequence[Any], answers: Sequence[Any]) -> str | None:
    """What differs, in words; None: nothing that matters."""
    for number, (one, other) in enumerate(zip(expected, answers, strict=True)):
        a, b = np.asarray(one), np.asarray(other)
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"output {number} is {b.dtype}{list(b.shape)}, not {a.dtype}{list(a.shape)}"
        if a.dtype.kind == "f" and not np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            return f"output {number} is up to {np.nanmax(np.abs(a.astype(np.float64) - b)):.3g} off"
        if a.dtype.kind != "f" and not np.array_equal(a, b):
            return f"output {number} differs"
    return None


def question(config: dict, model: Path, types: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """The model's canary where it lies beside its versions, else noise of the shapes that config.pbtxt gives.

    types: numpy type by input name. None: an input that noise cannot stand for (text).
    """
    names = [i["name"] for i in config["input"]]
    canary = model.resolve().parent.parent / CANARY
    if canary.is_file():
        with np.load(canary, allow_pickle=False) as arrays:
            if set(names) <= set(arrays.files):
                return {name: arrays[name] for name in names}
    chance = np.random.default_rng(0)
    batch = [1] if config.get("max_batch_size", 0) > 0 else []
    feed = {}
    for one in config["input"]:
        dims = [int(d) for d in one["dims"]]
        free = iter([FREE_ROWS] if not batch else [])
        shape = batch + [d if d > 0 else next(free, FREE_AXIS) for d in dims]
        kind = np.dtype(types[one["name"]])
        if kind.kind not in "fiu":
            return None
        feed[one["name"]] = (chance.random(shape) * (1 if kind.kind == "f" else 100)).astype(kind)
    return feed


def options_of(provider: str, threads: int) -> object:
    """The provider as onnxruntime takes it.

    OpenVINO in full precision, also where the CPU has shorter numbers, and tied to no core: several models share them.
    """
    if provider != OPENVINO:
        return provider
    exact: dict[str, object] = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
    if threads:
        exact["INFERENCE_NUM_THREADS"] = threads
    return (OPENVINO, {"device_type": "CPU", "load_config": json.dumps({"CPU": exact})})


def _short(fault: Exception) -> str:
    return " ".join(str(fault).split())[:200]
