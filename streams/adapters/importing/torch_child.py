"""Runs where torch is, alone: TorchScript to ONNX, with an answer of torch's own to hold it against.

Arguments: the TorchScript file, the folder to write to, and a JSON object: shape (of the example), any (axes of
any size), input, opset. Writes model.onnx and told.npz there; prints one JSON object.
"""

from __future__ import annotations

import inspect
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch


def main() -> None:
    """Convert; what goes wrong is said as {"fault": ...}."""
    source, folder, asked = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    try:
        module = torch.jit.load(source, map_location="cpu").eval().float()
    except Exception as fault:  # noqa: BLE001  # torch's errors share no class
        told({"fault": f"is no TorchScript: {words(fault)}"})
        return
    example = torch.rand(asked["shape"])
    try:
        with torch.no_grad():
            answer = module(example)
    except Exception as fault:  # noqa: BLE001
        told({"fault": f"does not take {' x '.join(map(str, asked['shape']))}: {words(fault)}"})
        return
    answers = [answer] if isinstance(answer, torch.Tensor) else list(answer) if isinstance(answer, list | tuple) else []
    if not answers or not all(isinstance(one, torch.Tensor) for one in answers):
        told({"fault": f"answers a {type(answer).__name__}; a tensor, or several, are taken"})
        return
    names = ["output"] if len(answers) == 1 else [f"output_{k}" for k in range(len(answers))]
    try:
        export(module, example, names, asked, folder / "model.onnx")
    except Exception as fault:  # noqa: BLE001
        told({"fault": f"cannot be written as ONNX: {words(fault)}"})
        return
    arrays = {name: one.numpy() for name, one in zip(names, answers, strict=True)}
    np.savez(folder / "told.npz", **{f"in:{asked['input']}": example.numpy()}, **arrays)
    told({"outputs": names, "torch": torch.__version__})


def export(
    module: torch.jit.ScriptModule, example: torch.Tensor, names: list[str], asked: dict[str, Any], path: Path
) -> None:
    """By torch's exporter of TorchScript: a program is given, there is nothing left to trace."""
    axes = {asked["input"]: {axis: f"d{axis}" for axis in asked["any"]}}
    axes |= {name: {axis: f"{name}_{axis}" for axis in asked["any"]} for name in names}
    further = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    torch.onnx.export(
        module, (example,), str(path), opset_version=asked["opset"], input_names=[asked["input"]], output_names=names,
        dynamic_axes=axes, **further,
    )  # fmt: skip


def words(fault: Exception) -> str:
    """The last line that says something, on one line."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return (lines[-1] if lines else type(fault).__name__)[:200]


def told(what: dict[str, Any]) -> None:
    """One line on the standard output."""
    print(json.dumps(what), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
