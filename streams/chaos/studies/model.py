"""The stand-in model: the brightest voxel is the answer, so that each study's answer is known beforehand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

NAME, FINDING = "chaos_bleed", "intracranial_haemorrhage"
VERSION, OTHER = "1.0.0", "2.0.0"
THRESHOLD = 0.5
MIDDLE, SLOPE = 1500.0, 0.01
"""The study's logit is (code - MIDDLE) * SLOPE; codes are whole Hounsfield units of the skull, so a step is 0.01."""
SLOPES = {VERSION: SLOPE, OTHER: 0.015}
"""Versions answer the same question with another number: which of them answered is told by it."""
SIDE, PIXEL_MM, STEP_MM = 64, 3.75, 7.5
LOWEST_CODE, HIGHEST_CODE = 1010, 1990
GAP = 10
"""Codes this near to the middle are not given: an answer is clearly on one side."""

CONFIG = """backend: "onnxruntime"
max_batch_size: 0
input [ { name: "HU" data_type: TYPE_FP32 dims: [ -1, 1, -1, -1, -1 ] } ]
output [ { name: "BRIGHT" data_type: TYPE_FP32 dims: [ -1, 1, -1, -1, -1 ] } ]
instance_group [ { count: 1 kind: KIND_CPU } ]
parameters: { key: "intra_op_thread_count" value: { string_value: "1" } }
parameters: { key: "execution_provider" value: { string_value: "cpu" } }
"""

CONTRACT = f"""schema = 1
name = "{NAME}"
version = "{{VERSION}}"
title = "The brightest voxel, for trials of delivery"
role = "live"

[needs]
modality = ["CT"]
body_part = "head"
orientation = "axial"
contrast = "any"
coverage_mm = 20.0
slices_min = 3
thickness_mm = [0.4, 10.0]
max_gap = 20.0

[tensors]
function = "volume_patches"

[tensors.options]
spacing_mm = [{STEP_MM}, {PIXEL_MM}, {PIXEL_MM}]
clip_hu = [-1024, 3071]
scale_to = [-1024, 3071]
patch = 0

[tensors.inputs.HU]
datatype = "FP32"
shape = [-1, 1, -1, -1, -1]

[tensors.outputs.BRIGHT]
datatype = "FP32"
shape = [-1, 1, -1, -1, -1]

[answer]
function = "volume_mask"
mask = "BRIGHT"
options = {{ activation = "sigmoid", classes = ["bright"], score = "highest", score_ml = 0.01 }}

[finding]
name = "{FINDING}"
code = {{ scheme = "99WETREAD", value = "bright", meaning = "A bright voxel" }}
threshold = {THRESHOLD}

[limits]
deadline_s = 20

[canary]
file = "canary.npz"
output = "BRIGHT"
tolerance = 0.001
"""


def logit(code: int) -> float:
    """What the model says of a volume whose brightest voxel is `code` HU; its other version: by SLOPES."""
    return (code - MIDDLE) * SLOPE


def probability(code: int) -> float:
    """The calibrated score of the same, 0 to 1."""
    return 1 / (1 + math.exp(-logit(code)))


def write_model(models: Path, version: str = VERSION) -> Path:
    """The model's folder, whole, below `models`."""
    folder, slope = models / NAME, SLOPES[version]
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "config.pbtxt").write_text(CONFIG, encoding="utf-8")
    (folder / "contract.toml").write_text(CONTRACT.replace("{VERSION}", version), encoding="utf-8")
    (folder / "card.md").write_text("# A stand-in for trials of delivery: not for patients\n", encoding="utf-8")
    (folder / "1" / "model.onnx").write_bytes(_network(slope))
    asked = np.arange(8, dtype=np.float32).reshape(1, 1, 2, 2, 2) * 100 + 1000
    np.savez(folder / "canary.npz", HU=asked, expected=((asked - MIDDLE) * slope).astype(np.float32))
    return folder


def _network(slope: float) -> bytes:
    shape: list[str | int | None] = ["n", 1, "z", "y", "x"]
    constants = [
        helper.make_tensor("middle", TensorProto.FLOAT, [], [MIDDLE]),
        helper.make_tensor("slope", TensorProto.FLOAT, [], [slope]),
    ]
    nodes = [
        helper.make_node("Sub", ["HU", "middle"], ["above"]),
        helper.make_node("Mul", ["above", "slope"], ["BRIGHT"]),
    ]
    graph = helper.make_graph(
        nodes,
        "brightest",
        [helper.make_tensor_value_info("HU", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("BRIGHT", TensorProto.FLOAT, shape)],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())
