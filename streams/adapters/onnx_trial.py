"""An ONNX model tried in a process of its own, in the environment that Triton's models run in."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
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
        seconds: of each run, on one core; a run in several calls is timed once.
        megabytes: peak memory of the process.
        repeats: whether every run answered the same bytes; of a run in several calls the first one is repeated.
        parts, of: how many calls were made of how many; fewer: `outputs` are those of the first ones.
    """

    outputs: dict[str, Tensor]
    seconds: tuple[float, ...]
    megabytes: int
    repeats: bool
    parts: int = 1
    of: int = 1

    @property
    def whole_s(self) -> float:
        """Seconds of all calls, as the slowest run tells them."""
        return max(self.seconds) * self.of / self.parts


@dataclass(frozen=True, slots=True)
class Part:
    """One call of a trial has ended: its number, of how many, and its seconds."""

    part: int
    of: int
    seconds: float


Heard = Callable[[Part], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where models are tried.

    Attributes:
        python: an interpreter with onnxruntime (the parts' own: `home/parts/models/bin/python`).
        timeout_s: of all runs together.
        heard: is told of each call of a model that ends.
    """

    python: Path
    timeout_s: float = 600.0
    megabytes: int = MEGABYTES
    heard: Heard | None = None

    def tried(
        self,
        model: Path,
        inputs: Mapping[str, Tensor],
        outputs: Sequence[str] = (),
        *,
        runs: int = 2,
        rows: int | None = None,
        parts: int | None = None,
    ) -> Trial:
        """Run the model on these inputs, so many times.

        Args:
            model: the ONNX file.
            inputs: by name.
            outputs: names; none for all.
            runs: how often.
            rows: into one call at most; None: all in one.
            parts: calls at most; None: all.

        Raises:
            ModelRefused: it does not load or run, takes too long or too much memory.
            PartMissing: there is no onnxruntime here.
        """
        if not self.python.is_file():
            raise PartMissing(f"onnxruntime is not in {self.python.parent.parent}: run `wetread doctor --mend`")
        asked = {"runs": runs, "rows": rows, "parts": parts, "outputs": list(outputs), "megabytes": self.megabytes}
        with tempfile.TemporaryDirectory(prefix="wetread-trial-") as scratch:
            taken, given = Path(scratch) / "inputs.npz", Path(scratch) / "outputs.npz"
            np.savez(taken, **dict(inputs))  # type: ignore[arg-type]  # names of tensors are never its own keywords
            told = told_by(self.python, CHILD, [model, taken, given, json.dumps(asked)], self.timeout_s, self.heard)
            if "fault" in told:
                raise ModelRefused(f"{model.name} does not run: it {_lowered(told['fault'])}")
            with np.load(given, allow_pickle=False) as arrays:
                told |= {"outputs": {name: arrays[name] for name in arrays.files}}
        return Trial(**told | {"seconds": tuple(told["seconds"])})


def told_by(
    python: Path, script: Path, arguments: Sequence[object], timeout_s: float, heard: Heard | None = None
) -> dict[str, Any]:
    """The JSON object that a script of ours prints last, run by another interpreter.

    Raises:
        ModelRefused: it ends without one, or not in time.
    """
    command = [str(python), "-I", str(script), *map(str, arguments)]
    name, last = Path(str(arguments[0])).name, ""
    parts: list[Part] = []

    def line(said: str) -> None:
        nonlocal last
        last = said
        parts.extend(_part(said, heard))

    code, complaint = _run(command, timeout_s, line)
    if code is None:
        raise ModelRefused(f"the trial of {name} took more than {timeout_s:.0f} s{_how_far(parts)}")
    if code or not last:
        why = f"signal {-code}" if code < 0 else complaint
        raise ModelRefused(f"the trial of {name} broke: {why[:300]}")
    told: dict[str, Any] = json.loads(last)
    return told


def _run(command: Sequence[str], timeout_s: float, line: Callable[[str], None]) -> tuple[int | None, str]:
    """Its exit status, None where it was ended for the time; its last complaint. Each line it says is handed on."""
    late = threading.Event()
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,  # noqa: S603
    ):

        def stop() -> None:
            late.set()
            process.kill()

        end = threading.Timer(timeout_s, stop)
        end.start()
        try:
            for said in process.stdout or ():
                line(said)
            process.wait()
        finally:
            end.cancel()
            process.kill()
        errors.seek(0)
        complaints = errors.read().splitlines()
    return None if late.is_set() else process.returncode, (complaints or ["no word"])[-1]


def _part(line: str, heard: Heard | None) -> list[Part]:
    """The call that a line tells of, if it does."""
    told = json.loads(line) if '"part"' in line else None
    if told is None:
        return []
    part = Part(**told)
    if heard is not None:
        heard(part)
    return [part]


def _how_far(parts: Sequence[Part]) -> str:
    if not parts or parts[-1].of == 1:
        return ""
    each = sum(part.seconds for part in parts) / len(parts)
    return (
        f": {len(parts)} of {parts[-1].of} parts were done, {each:.1f} s each, some {each * parts[-1].of:.0f} s in all"
    )


def _lowered(words: str) -> str:
    return words if words.startswith(("needs", "does", "is")) else f"says: {words}"
