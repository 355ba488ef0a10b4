"""BLAST-CT v1 as somebody would bring it: its published weights exported to ONNX where torch is, and its model.toml."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.brought import TORCH

BESIDE = Path(__file__).resolve().parents[3] / "shared"
WEIGHTS = BESIDE / "data" / "blast_ct_v1" / "weights" / "model_1.pt"
NETWORK = BESIDE / "reference" / "prototypes" / "ich" / "deepmedic.py"
HERE = all(path.is_file() for path in (TORCH, WEIGHTS, NETWORK))

EXPORT = """
import sys, torch
sys.path.insert(0, sys.argv[1])
from deepmedic import Prob, load
torch.set_num_threads(1)
net = Prob(load(sys.argv[2])).eval()
axes = {0: "n", 2: "z", 3: "y", 4: "x"}
torch.onnx.export(net, (torch.rand(1, 1, 95, 95, 95),), sys.argv[3], opset_version=17, input_names=["image"],
                  output_names=["pred"], dynamic_axes={"image": axes, "pred": {k: v + "o" for k, v in axes.items()}})
"""

SAID = """
title = "Bleeds and oedema, BLAST-CT v1"
[needs]
body_part = "head"
contrast = "none"
coverage_mm = 90.0
[tensors]
rows_most = 1
[tensors.options]
spacing_mm = 2.0
clip_hu = [-15, 100]
scale_to = [-1, 1]
patch = [125, 0, 0]
multiple = 15
lost = 40
region = "skull"
[answer]
mask_threshold = 0.3
[answer.options]
activation = "none"
classes = ["background", "iph", "eah", "oedema", "ivh"]
positive = ["iph", "eah", "ivh"]
score = "volume"
[finding]
name = "intracranial_haemorrhage"
threshold = 0.5
code = { scheme = "SCT", value = "1386000", meaning = "Intracranial hemorrhage" }
[limits]
deadline_s = 300
"""
"""What its makers say: 1 or 2 mm, -15 to 100 HU as -1 to 1, 40 voxels lost on each side, answers of 15 k voxels."""


def exported(folder: Path) -> Path:
    """blast_ct.onnx in the folder, with model.toml beside it."""
    target = folder / "blast_ct.onnx"
    arguments = [str(TORCH), "-c", EXPORT, str(NETWORK.parent), str(WEIGHTS), str(target)]
    subprocess.run(arguments, check=True, capture_output=True, timeout=280)
    (folder / "model.toml").write_text(SAID)
    return target
