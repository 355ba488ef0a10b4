"""A model folder on disk, for tests of what reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams.adapters.contract_files import ModelFolder, read_model

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


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "contract.toml").write_text(CONTRACT)
    np.savez(folder / "canary.npz", HEAD=np.zeros((3, 4, 192, 192), np.uint8), expected=np.zeros(1, np.float32))
    return folder


@pytest.fixture
def model(model_path: Path) -> ModelFolder:
    return read_model(model_path)
