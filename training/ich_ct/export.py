"""Exports trained weights as triton_models/ich_ct/1/model.onnx with a known answer, and checks both against torch."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from net import Context, Reader, nets_of
from numpy.typing import NDArray
from pool import RUNS
from train import FOLDS, unseen_net

FOLDER = Path(__file__).parents[2] / "triton_models" / "ich_ct"
SHIPPED = [unseen_net(fold) for fold in range(FOLDS)]
OUTPUTS = ["SLICE_LOGIT", "MASK", "STUDY_LOGIT"]
OPSET = 17  # the oldest ONNX Runtime met is that of Triton's 24.10 container
IR_VERSION = 8


def disc_head() -> NDArray[np.uint8]:
    """The canary's question: three slabs of a made-up round head with a bright disc in it, `[3, 4, 192, 192]`."""
    y, x = np.mgrid[:192, :192] - 95.5
    inside = np.hypot(y, x / 0.8) < 80
    bone = (np.hypot(y, x / 0.8) < 87) & ~inside
    grey = np.where(bone, 255, np.where(inside, 106, 0))
    blood = np.where(np.hypot(y + 10, x - 25) < 14, 175, grey)
    head = np.stack([grey, blood, grey, inside * 255]).astype(np.uint8)
    return np.stack([head, head, head])


def export(weights: list[Path]) -> None:
    """Writes model.onnx and canary.npz; fails where torch and ONNX Runtime differ."""
    reader = Reader(nets_of(weights), Context.load(RUNS / "context.json")).eval()
    target = FOLDER / "1" / "model.onnx"
    sample = torch.zeros(5, 4, 192, 192, dtype=torch.uint8)
    torch.onnx.export(
        reader, (sample,), str(target), input_names=["HEAD"], output_names=OUTPUTS, opset_version=OPSET,
        dynamic_axes={"HEAD": {0: "n"}, "SLICE_LOGIT": {0: "n"}, "MASK": {0: "n"}},
    )  # fmt: skip
    model = onnx.load(target)
    model.ir_version = min(model.ir_version, IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    question = disc_head()
    for head in (question, np.random.default_rng(1).integers(0, 255, (17, 4, 192, 192), np.uint8)):
        with torch.inference_mode():
            wanted = reader(torch.from_numpy(head))
        got = session.run(OUTPUTS, {"HEAD": head})
        apart = max(float(np.abs(g - w.numpy()).max()) for g, w in zip(got, wanted, strict=True))
        print(f"{len(head)} slabs: torch and ONNX Runtime differ by {apart:.1e}")
        if apart > 1e-3:
            raise SystemExit("The exported model answers otherwise than the trained one.")
    answer = session.run(["STUDY_LOGIT"], {"HEAD": question})[0]
    np.savez_compressed(FOLDER / "canary.npz", HEAD=question, expected=answer)
    print(f"canary's STUDY_LOGIT {float(answer[0]):.4f}, model {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, nargs="+", default=SHIPPED)
    export(parser.parse_args().weights)
