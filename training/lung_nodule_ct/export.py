"""Exports the nets as triton_models/lung_nodule_ct/1/model.onnx with a known answer; checks both against torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from net import Reader, kept
from numpy.typing import NDArray
from scans import RUNS
from train import SHIPPED

from streams.reading.lung.features import COUNT, features
from streams.reading.lung.patches import SIDE

FOLDER = Path(__file__).parents[2] / "triton_models" / "lung_nodule_ct"
OPSET = 17  # the oldest ONNX Runtime met is that of Triton's 24.10 container
IR_VERSION = 8


def balls() -> NDArray[np.float32]:
    """The canary's question: measures of made-up lung with a ball, with a tube, with nothing."""
    z, y, x = np.mgrid[:SIDE, :SIDE, :SIDE] - SIDE / 2
    ball, tube = np.sqrt(z**2 + y**2 + x**2) < 4, np.hypot(y, x) < 3
    patches = np.stack([np.where(shape, 205, 25) for shape in (ball, tube, ball & False)])[:, None].astype(np.uint8)
    return features(patches, np.zeros(3, np.int64))


def main() -> None:
    """Writes model.onnx and canary.npz; fails where torch and ONNX Runtime differ."""
    slope, shift = json.loads((RUNS / "calibration.json").read_text())
    reader = Reader(kept(RUNS / f"net-{SHIPPED}.pt"), float(slope), float(shift)).eval()
    target = FOLDER / "1" / "model.onnx"
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        reader, (torch.zeros(5, COUNT),), str(target), input_names=["MEASURES"], output_names=["LOGIT"],
        opset_version=OPSET, dynamic_axes={"MEASURES": {0: "n"}, "LOGIT": {0: "n"}},
    )  # fmt: skip
    proto = onnx.load(str(target))
    proto.ir_version = IR_VERSION
    onnx.checker.check_model(proto)
    onnx.save(proto, str(target))
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    question = balls()
    (answer,) = session.run(["LOGIT"], {"MEASURES": question})
    with torch.no_grad():
        wanted = reader(torch.from_numpy(question)).numpy()
    differ = float(np.abs(answer - wanted).max())
    if differ > 1e-3:
        raise SystemExit(f"ONNX Runtime and torch differ by {differ}.")
    np.savez(FOLDER / "canary.npz", MEASURES=question, expected=answer)
    said = " ".join(f"{v:.2f}" for v in answer)
    print(f"{target.stat().st_size / 1e3:.0f} kB; the canary says {said}; differs from torch by {differ:.3g}")


if __name__ == "__main__":
    main()
