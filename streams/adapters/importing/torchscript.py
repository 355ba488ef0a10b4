"""TorchScript becomes ONNX on this machine, and the two are held against each other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streams.adapters.importing.onnx_files import LARGEST_MB
from streams.adapters.onnx_trial import Bench, told_by
from streams.errors import ModelRefused, PartMissing
from streams.ports import Tensor

CHILD = Path(__file__).with_name("torch_child.py")
"""Never imported: it runs under an interpreter that has torch."""
OPSET = 17
INPUT = "image"
CLOSE = 1e-3
"""How far ONNX Runtime may be from torch, as a share of the answer's largest value."""
LONGEST_S = 900.0


def torch_python(candidates: Sequence[Path] = ()) -> Path:
    """An interpreter that has torch: this one, or one of those given.

    Raises:
        PartMissing: says how to get torch.
    """
    for python in (Path(sys.executable), *candidates):
        asked = [str(python), "-I", "-c", "import importlib.util as u; raise SystemExit(not u.find_spec('torch'))"]
        if python.is_file() and subprocess.run(asked, check=False).returncode == 0:  # noqa: S603
            return python
    raise PartMissing(
        "TorchScript needs torch, which is not installed here: `pip install 'wetread[torch]'` brings it "
        "(some 200 MB from the CPU index of pytorch.org, 2 GB else); or export the model to ONNX where it was made"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Converter:
    """Where TorchScript is converted, and the result tried.

    Attributes:
        python: an interpreter with torch.
        bench: where the ONNX model is run.
        largest_mb: a larger file is not opened.
    """

    python: Path
    bench: Bench
    largest_mb: int = LARGEST_MB

    def to_onnx(self, script: Path, shape: Sequence[int], free: Sequence[int], folder: Path) -> float:
        """Write `folder/model.onnx`; returns how far it is from torch's own answer (share of the largest value).

        Args:
            script: the TorchScript file.
            shape: of an example input.
            free: its axes that may have any size.
            folder: must exist.

        Raises:
            ModelRefused: it is none, does not take the shape, cannot be written as ONNX, or answers otherwise there.
        """
        megabytes = script.stat().st_size / 1e6
        if megabytes > self.largest_mb:
            raise ModelRefused(
                f"{script.name} holds {megabytes:.0f} MB; up to {self.largest_mb} MB are taken: "
                "give --largest-mb if this machine has the memory and the time"
            )
        asked = {"shape": list(shape), "any": list(free), "input": INPUT, "opset": OPSET}
        told = told_by(self.python, CHILD, [script, folder, json.dumps(asked)], LONGEST_S)
        if "fault" in told:
            raise ModelRefused(f"{script.name} {told['fault']}")
        with np.load(folder / "told.npz", allow_pickle=False) as arrays:
            image, answers = arrays[f"in:{INPUT}"], {name: arrays[name] for name in told["outputs"]}
        (folder / "told.npz").unlink()
        trial = self.bench.tried(folder / "model.onnx", {INPUT: image}, told["outputs"], runs=1)
        worst = max(_off(script.name, answers[name], trial.outputs[name]) for name in answers)
        if not worst <= CLOSE:
            raise ModelRefused(
                f"{script.name} answers otherwise as ONNX: {worst:.2g} of its largest value off, {CLOSE:g} is tolerated"
            )
        return worst


def _off(name: str, torch: Tensor, onnx: Tensor) -> float:
    if onnx.shape != torch.shape:
        raise ModelRefused(f"{name} answers {torch.shape} in torch and {onnx.shape} as ONNX")
    return float(np.abs(onnx - torch).max()) / max(float(np.abs(torch).max()), 1e-6)
