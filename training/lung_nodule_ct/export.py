"""Exports trained weights as triton_models/lung_nodule_ct/1/model.onnx with a known answer; checks both against torch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from net import Reader, net_of
from numpy.typing import NDArray
from scans import RUNS

FOLDER = Path(__file__).parents[2] / "triton_models" / "lung_nodule_ct"
OUTPUTS = ["LOGIT", "MASK"]
OPSET = 17  # the oldest ONNX Runtime met is that of Triton's 24.10 container
IR_VERSION = 8


def balls() -> NDArray[np.uint8]:
    """The canary's question: made-up lung with a ball, with a tube, with nothing, `[3, 1, 24, 24, 24]`."""
    z, y, x = np.mgrid[:24, :24, :24] - 12.0
    ball, tube = np.sqrt(z**2 + y**2 + x**2) < 5, np.hypot(y, x) < 3
    return np.stack([np.where(shape, 205, 25) for shape in (ball, tube, ball & False)])[:, None].astype(np.uint8)


def export(weights: list[Path], slope: float, shift: float) -> None:
    """Writes model.onnx and canary.npz; fails where torch and ONNX Runtime differ."""
    reader = Reader([net_of(path) for path in weights], slope, shift).eval()
    target = FOLDER / "1" / "model.onnx"
    target.parent.mkdir(parents=True, exist_ok=True)
    sample = torch.zeros(5, 1, 24, 24, 24, dtype=torch.uint8)
    torch.onnx.export(
        reader, (sample,), str(target), input_names=["PATCH"], output_names=OUTPUTS, opset_version=OPSET,
        dynamic_axes={"PATCH": {0: "n"}, "LOGIT": {0: "n"}, "MASK": {0: "n"}},
    )  # fmt: skip
    proto = onnx.load(str(target))
    proto.ir_version = IR_VERSION
    onnx.checker.check_model(proto)
    onnx.save(proto, str(target))
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    question = balls()
    answer = session.run(OUTPUTS, {"PATCH": question})
    with torch.no_grad():
        wanted = [part.numpy() for part in reader(torch.from_numpy(question))]
    differ = max(float(np.abs(a.astype(np.float64) - b).max()) for a, b in zip(answer, wanted, strict=True))
    if differ > 1.01:  # a mask's grey may round the other way
        raise SystemExit(f"ONNX Runtime and torch differ by {differ}.")
    np.savez(FOLDER / "canary.npz", PATCH=question, expected=answer[0])
    said = " ".join(f"{v:.2f}" for v in answer[0])
    print(f"{target.stat().st_size / 1e6:.2f} MB; the canary says {said}; differs from torch by {differ:.3g}")


def main() -> None:
    """Exports the nets of both folds, whose mean speaks."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--weights", type=Path, nargs="*", default=[RUNS / "fold0.pt", RUNS / "fold1.pt"])
    options = parser.parse_args()
    scale = RUNS / "calibration.json"
    slope, shift = json.loads(scale.read_text()) if scale.exists() else (1.0, 0.0)
    export(options.weights, float(slope), float(shift))


if __name__ == "__main__":
    main()
