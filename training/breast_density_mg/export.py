"""Exports trained weights as breast_density_mg's model.onnx with a known answer, checked against torch."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from films import RUNS
from net import reader_of
from numpy.typing import NDArray
from samples import phantom_scene

from streams.reading.breast.frames import channels_of

FOLDER = Path(__file__).parents[2] / "triton_models" / "breast_density_mg"
OUTPUTS = ["DENSE", "MUSCLE", "TISSUE_LOGIT"]
OPSET = 17  # the oldest ONNX Runtime met is that of Triton's 24.10 container
IR_VERSION = 8
TOLERANCE = 1e-3


def phantoms() -> NDArray[np.uint8]:
    """The canary's question: two phantom views, `[2, 4, 256, 192]`."""
    scenes = [phantom_scene(seed) for seed in (31_000, 31_001)]
    return np.stack([channels_of(scene.grey, scene.inside, 0.0) for scene in scenes])


def export(weights: list[Path]) -> None:
    """Writes model.onnx and canary.npz; fails where torch and ONNX Runtime differ."""
    reader = reader_of(weights)
    target = FOLDER / "1" / "model.onnx"
    target.parent.mkdir(parents=True, exist_ok=True)
    sample = torch.zeros(3, 4, 256, 192, dtype=torch.uint8)
    torch.onnx.export(
        reader, (sample,), str(target), input_names=["BREAST"], output_names=OUTPUTS, opset_version=OPSET,
        dynamic_axes={name: {0: "n"} for name in ("BREAST", *OUTPUTS)},
    )  # fmt: skip
    proto = onnx.load(str(target))
    proto.ir_version = IR_VERSION
    onnx.checker.check_model(proto)
    onnx.save(proto, str(target))
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    question = phantoms()
    answer = session.run(OUTPUTS, {"BREAST": question})
    with torch.no_grad():
        wanted = [part.numpy() for part in reader(torch.from_numpy(question))]
    differ = max(float(np.abs(a - b).max()) for a, b in zip(answer, wanted, strict=True))
    if differ > TOLERANCE:
        raise SystemExit(f"ONNX Runtime and torch differ by {differ}.")
    np.savez_compressed(FOLDER / "canary.npz", BREAST=question, expected=answer[2])
    print(f"{target.stat().st_size / 1e6:.2f} MB; differs from torch by {differ:.3g}")


def main() -> None:
    """Exports the nets of all folds, whose mean speaks."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--weights", type=Path, nargs="*", default=sorted(RUNS.glob("fold?.pt")))
    export(parser.parse_args().weights)


if __name__ == "__main__":
    main()
