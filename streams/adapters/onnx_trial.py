"""An ONNX model tried in a process of its own, in the environment that Triton's models run in."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streams.errors import ModelRefused, PartMissing
from streams.ports import Tensor

CHILD = Path(__file__).with_name("onnx_child.py")
"""Never imported: it runs under another interpreter."""
MEGABYTES = 8192
"""Of address space; a machine that reads for people has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a model answered, and what that took.

    Attributes:
        seconds: of each run, on one core.
        megabytes: peak memory of the process.
        repeats: whether every run answered the same bytes.
    """

    outputs: dict[str, Tensor]
    seconds: tuple[float, ...]
    megabytes: int
    repeats: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where models are tried.

    Attributes:
        python: an interpreter with onnxruntime (the parts' own: `home/parts/models/bin/python`).
        timeout_s: of all runs together.
    """

    python: Path
    timeout_s: float = 600.0
    megabytes: int = MEGABYTES

    def tried(
        self,
        model: Path,
        inputs: Mapping[str, Tensor],
        outputs: Sequence[str] = (),
        *,
        runs: int = 2,
        rows: int | None = None,
    ) -> Trial:
        """Run the model on these inputs, so many times; outputs: none for all.

        Raises:
            ModelRefused: it does not load or run, takes too long or too much memory.
            PartMissing: there is no onnxruntime here.
        """
        if not self.python.is_file():
            raise PartMissing(f"onnxruntime is not in {self.python.parent.parent}: run `wetread doctor --mend`")
        asked = {"runs": runs, "rows": rows, "outputs": list(outputs), "megabytes": self.megabytes}
        with tempfile.TemporaryDirectory(prefix="wetread-trial-") as scratch:
            taken, given = Path(scratch) / "inputs.npz", Path(scratch) / "outputs.npz"
            np.savez(taken, **dict(inputs))  # type: ignore[arg-type]  # names of tensors are never its own keywords
            told = told_by(self.python, CHILD, [model, taken, given, json.dumps(asked)], self.timeout_s)
            if "fault" in told:
                raise ModelRefused(f"{model.name} does not run: it {_lowered(told['fault'])}")
            with np.load(given, allow_pickle=False) as arrays:
                answered = {name: arrays[name] for name in arrays.files}
        return Trial(
            outputs=answered,
            seconds=tuple(told["seconds"]),
            megabytes=told["megabytes"],
            repeats=told["repeats"],
        )


def told_by(python: Path, script: Path, arguments: Sequence[object], timeout_s: float) -> dict[str, Any]:
    """The JSON object that a script of ours prints last, run by another interpreter.

    Raises:
        ModelRefused: it ends without one, or not in time.
    """
    command = [str(python), "-I", str(script), *map(str, arguments)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as late:
        raise ModelRefused(f"the trial of {arguments[0]} took more than {timeout_s:.0f} s") from late
    lines = ended.stdout.splitlines()
    if ended.returncode or not lines:
        why = f"signal {-ended.returncode}" if ended.returncode < 0 else (ended.stderr.splitlines() or ["no word"])[-1]
        raise ModelRefused(f"the trial of {Path(str(arguments[0])).name} broke: {why[:300]}")
    told: dict[str, Any] = json.loads(lines[-1])
    return told


def _lowered(words: str) -> str:
    return words if words.startswith(("needs", "does", "is")) else f"says: {words}"
