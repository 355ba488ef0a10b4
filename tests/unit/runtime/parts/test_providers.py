"""The local backend's choice of an execution provider: the faster one, only among equal answers."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from streams.runtime.settings import shipped

_path = shipped("deploy") / "local" / "backends" / "onnxruntime" / "providers.py"
_spec = importlib.util.spec_from_file_location("wetread_backend_providers", _path)
assert _spec is not None
assert _spec.loader is not None
providers = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = providers  # dataclasses look their module up
_spec.loader.exec_module(providers)

FEED = {"X": np.zeros((2, 3), np.float32)}


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Scripted:
    """A session of a known speed and answer."""

    clock: Clock
    seconds: float
    answer: Sequence[np.ndarray] | Exception = (np.ones(3, np.float32),)
    names: Sequence[str] = (providers.OPENVINO, providers.CPU)
    runs: list[float] = field(default_factory=list)

    def get_providers(self) -> Sequence[str]:
        return self.names

    def run(self, _names: object, _feed: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
        self.runs.append(self.seconds)
        self.clock.now += self.seconds
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(providers.time, "process_time", made)
    return made


def made(own: Scripted, other: Scripted | Exception) -> Callable[[str], Scripted]:
    def make(provider: str) -> Scripted:
        if provider == providers.CPU:
            return own
        if isinstance(other, Exception):
            raise other
        return other

    return make


@pytest.mark.parametrize(("theirs", "taken"), [(0.5, "other"), (0.85, "other"), (0.95, "own"), (2.0, "own")])
def test_the_faster_one_answers(clock: Clock, theirs: float, taken: str):
    """OpenVINO is taken where it saves a tenth or more; each is asked once unmeasured and three times measured."""
    own, other = Scripted(clock, 1.0), Scripted(clock, theirs)
    choice = providers.choose("auto", made(own, other), FEED, 1)
    assert choice.session is {"own": own, "other": other}[taken]
    assert len(own.runs) == len(other.runs) == 4
    assert "CPU 1000.0 ms" in choice.said
    assert f"OpenVINO {theirs * 1000:.1f} ms" in choice.said


def test_a_slow_model_is_asked_less_often(clock: Clock):
    """A trial must not hold up the start by more than a few of the model's own readings."""
    own, other = Scripted(clock, 8.0), Scripted(clock, 4.0)
    assert providers.choose("auto", made(own, other), FEED, 1).session is other
    assert len(own.runs) == 2


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((np.full(3, 1.1, np.float32),), "output 0 is up to 0.1 off"),
        ((np.array([1, np.nan, 1], np.float32),), "output 0 is up to 0 off"),
        ((np.ones(4, np.float32),), "output 0 is float32[4], not float32[3]"),
        ((np.ones(3, np.float64),), "output 0 is float64[3], not float32[3]"),
        (RuntimeError("no kernel"), "OpenVINO fails: no kernel"),
    ],
)
def test_other_answers_are_not_taken_however_fast(clock: Clock, answer, told: str):
    """Equal within a thousandth, NaN where the CPU has it, the same type and shape: else the CPU answers."""
    own = Scripted(clock, 1.0)
    choice = providers.choose("auto", made(own, Scripted(clock, 0.1, answer)), FEED, 1)
    assert choice.session is own
    assert told in choice.said


def test_whole_numbers_must_be_the_same(clock: Clock):
    """A class index has no tolerance."""
    own = Scripted(clock, 1.0, (np.array([1000, 2000]),))
    choice = providers.choose("auto", made(own, Scripted(clock, 0.1, (np.array([1000, 2001]),))), FEED, 1)
    assert choice.session is own
    assert "output 0 differs" in choice.said


@pytest.mark.parametrize("other", ["no wheel", "silently without"])
def test_without_openvino_the_cpu_answers(clock: Clock, other: str):
    """A provider that cannot be made is left out by onnxruntime without a word: that is seen, and told."""
    own = Scripted(clock, 1.0)
    away = RuntimeError("no wheel") if other == "no wheel" else Scripted(clock, 0.1, names=(providers.CPU,))
    choice = providers.choose("auto", made(own, away), FEED, 1)
    assert choice.session is own
    assert choice.said.startswith("CPU (OpenVINO ")
    with pytest.raises(providers.ProviderUnusable, match="OpenVINO"):
        providers.choose("openvino", made(own, away), FEED, 1)


def test_a_forced_provider_is_not_measured(clock: Clock):
    """What config.pbtxt asks for is taken as it is; an unknown word is refused."""
    own, other = Scripted(clock, 1.0), Scripted(clock, 9.0)
    assert providers.choose("openvino", made(own, other), FEED, 1).session is other
    assert providers.choose("cpu", made(own, other), FEED, 1).session is own
    assert not own.runs + other.runs
    with pytest.raises(providers.ProviderUnusable, match="'fast'; it takes one of auto, cpu, openvino"):
        providers.choose("fast", made(own, other), FEED, 1)


def test_a_model_that_refuses_the_question_runs_all_the_same(clock: Clock):
    """A made-up question need not fit: the load goes on, without a trial."""
    own = Scripted(clock, 1.0, ValueError("Got invalid dimensions"))
    choice = providers.choose("auto", made(own, Scripted(clock, 0.1)), FEED, 1)
    assert choice.session is own
    assert "does not answer the question of the trial: Got invalid dimensions" in choice.said
    assert providers.choose("auto", made(own, Scripted(clock, 0.1)), None, 1).session is own


def test_the_question_is_the_canary_where_there_is_one(tmp_path: Path):
    """Else noise: free axes have a length, text cannot be made up."""
    model = tmp_path / "m" / "1" / "model.onnx"
    model.parent.mkdir(parents=True)
    config = {"input": [{"name": "X", "dims": ["-1", "2", "-1"]}], "max_batch_size": 0}
    noise = providers.question(config, model, {"X": np.uint8})
    assert (noise["X"].shape, noise["X"].dtype) == ((4, 2, 64), np.uint8)
    assert noise["X"].std() > 10
    batched = providers.question({**config, "max_batch_size": 8}, model, {"X": np.float32})
    assert batched["X"].shape == (1, 64, 2, 64)
    assert providers.question(config, model, {"X": np.object_}) is None
    np.savez(tmp_path / "m" / "canary.npz", X=np.ones((5, 2, 7), np.uint8), expected=np.zeros(1))
    assert providers.question(config, model, {"X": np.uint8})["X"].shape == (5, 2, 7)


def test_openvino_computes_in_full_precision_on_any_core():
    """No shorter numbers where the CPU has them, no thread tied to a core that another model needs, threads as told."""
    name, options = providers.options_of(providers.OPENVINO, 2)
    assert name == providers.OPENVINO
    told = json.loads(options["load_config"])["CPU"]
    assert told["INFERENCE_PRECISION_HINT"] == "f32"
    assert told["ENABLE_CPU_PINNING"] is False
    assert told["INFERENCE_NUM_THREADS"] == 2
    assert (
        "INFERENCE_NUM_THREADS" not in json.loads(providers.options_of(providers.OPENVINO, 0)[1]["load_config"])["CPU"]
    )
    assert providers.options_of(providers.CPU, 2) == providers.CPU
