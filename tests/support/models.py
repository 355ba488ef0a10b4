"""A model folder for tests, as small as the contract allows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CONTRACT = """
schema = 1
name = "m"
version = "1.0.0"
title = "A model for tests"
role = "live"

[needs]
modality = ["CT"]
body_part = "head"
orientation = "axial"
contrast = "none"
coverage_mm = 100.0
slices_min = 3
thickness_mm = [0.4, 10.0]
prefer_thickness_mm = 5.0
max_gap = 1.9

[tensors]
function = "head_slabs"
[tensors.inputs]
HEAD = { datatype = "UINT8", shape = [-1, 4, 192, 192] }
[tensors.outputs]
STUDY = { datatype = "FP32", shape = [1] }
SLICES = { datatype = "FP32", shape = [-1] }
MASK = { datatype = "FP32", shape = [-1, 96, 96] }

[answer]
function = "slices_and_mask"
study_logit = "STUDY"
slice_logit = "SLICES"
mask = "MASK"

[finding]
name = "intracranial_haemorrhage"
threshold = 0.5
code = { scheme = "SCT", value = "1386000", meaning = "Intracranial haemorrhage" }

[canary]
file = "canary.npz"
output = "STUDY"
tolerance = 0.01
"""


def write_model_folder(models: Path) -> Path:
    """The folder of a model "m" with its contract and canary."""
    folder = models / "m"
    folder.mkdir(parents=True)
    (folder / "contract.toml").write_text(CONTRACT)
    head = np.zeros((3, 4, 192, 192), np.uint8)
    np.savez(folder / "canary.npz", HEAD=head, expected=np.zeros(1, np.float32))
    return folder
