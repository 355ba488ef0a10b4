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

from streams.phantom.chest import Nodule, chest_with_nodules, free_places, nodule_frame
from streams.phantom.head import Scan
from streams.phantom.texture import STANDARD
from streams.reading.lung.candidates import find_candidates, pyramid_of
from streams.reading.lung.grid import axes_of
from streams.reading.lung.lungs import find_lungs
from streams.reading.lung.rays import COUNT, measures

FOLDER = Path(__file__).parents[2] / "triton_models" / "lung_nodule_ct"
OPSET = 17  # the oldest ONNX Runtime met is that of Triton's 24.10 container
IR_VERSION = 8
LIKELY, OTHERS = 4, 4  # candidates of the canary


def question(net: Reader) -> NDArray[np.float32]:
    """The canary's: candidates of a generated chest, the likeliest and some others."""
    frame = nodule_frame(2.5)
    some = tuple(Nodule(place, size) for place, size in zip(free_places(31, 2), (8.0, 14.0), strict=True))
    hu = np.rint(chest_with_nodules(31, some, frame, Scan(STANDARD, 14.0, 31))).astype(np.int16)
    axes = axes_of(hu.shape, frame.spacing, np.asarray(frame.z))
    lungs = find_lungs(hu, axes)
    assert lungs is not None
    pyramid = pyramid_of(hu, axes, lungs)
    found = measures(pyramid, lungs, find_candidates(pyramid, lungs))
    order = np.argsort(-net.logits(found))
    return found[[*order[:LIKELY], *order[LIKELY :: len(order) // OTHERS]]]


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
    asked = question(reader)
    (answer,) = session.run(["LOGIT"], {"MEASURES": asked})
    with torch.no_grad():
        wanted = reader(torch.from_numpy(asked)).numpy()
    differ = float(np.abs(answer - wanted).max())
    if differ > 1e-3:
        raise SystemExit(f"ONNX Runtime and torch differ by {differ}.")
    np.savez(FOLDER / "canary.npz", MEASURES=asked, expected=answer)
    said = " ".join(f"{v:.2f}" for v in answer)
    print(f"{target.stat().st_size / 1e3:.0f} kB; the canary says {said}; differs from torch by {differ:.3g}")


if __name__ == "__main__":
    main()
