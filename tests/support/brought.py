"""Models as people bring them: small networks in ONNX, TorchScript and a MONAI-style bundle, right or spoilt."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streams.adapters.importing.bringing import Tools
from streams.adapters.onnx_trial import Bench
from streams.runtime.settings import default_home

PATCH = 16
BENCH = Bench(python=default_home() / "parts" / "models" / "bin" / "python", timeout_s=120.0)
TORCH = default_home() / "train-venv" / "bin" / "python"
"""Has torch on a machine that has trained."""
TOOLS = Tools(bench=BENCH, torch=(TORCH,))

SAID = """
title = "Bright things in the head"
[needs]
body_part = "head"
[tensors.options]
spacing_mm = 2.0
clip_hu = [0, 100]
scale_to = [0, 1]
patch = 16
[answer.options]
activation = "softmax"
classes = ["background", "bright"]
[finding]
name = "bright_thing"
threshold = 0.5
code = { scheme = "99WETREAD", value = "bright", meaning = "A bright thing" }
"""


def onnx_network(
    path: Path,
    *,
    shape: Sequence[int | str] = ("n", 1, PATCH, PATCH, PATCH),
    outputs: int = 1,
    operator: tuple[str, str] | None = None,
    megabytes: int = 0,
    answer: Sequence[int | str] | None = None,
) -> Path:
    """Two channels by a 1x1x1 convolution: 10 x - 8 and its negative; so what is above 0.8 is bright."""
    weights = numpy_helper.from_array(np.array([-10, 10], np.float32).reshape(2, 1, 1, 1, 1), "W")
    bias = numpy_helper.from_array(np.array([8, -8], np.float32), "B")
    nodes = [helper.make_node("Conv", ["image", "W", "B"], ["pred"], name="head", kernel_shape=[1, 1, 1])]
    said = answer or [shape[0], 2, *shape[2:]]
    given = [helper.make_tensor_value_info("pred", TensorProto.FLOAT, said)]
    if operator:
        domain, kind = operator
        nodes = [helper.make_node(kind, ["image"], ["pred"], name="head", domain=domain)]
    if outputs > 1:
        nodes.append(helper.make_node("Abs", ["pred"], ["more"], name="tail"))
        given.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, said))
    held = [] if operator else [weights, bias]
    if megabytes:
        held.append(numpy_helper.from_array(np.zeros(megabytes * 250_000, np.float32), "ballast"))
    graph = helper.make_graph(
        nodes, "bright", [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)], given, held
    )
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(operator[0], 1)] if operator and operator[0] else [])
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return path


TORCH_NETWORK = """
import sys, torch
class Net(torch.nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.conv = torch.nn.Conv3d(1, 2, 1)
        with torch.no_grad():
            self.conv.weight[:] = torch.tensor([-10., 10.]).reshape(2, 1, 1, 1, 1)
            self.conv.bias[:] = torch.tensor([8., -8.])
        self.last = kind == "layout"
        self.two = kind == "outputs"
        self.ballast = torch.nn.Parameter(torch.zeros(75_000_000 if kind == "large" else 1))
    def forward(self, x):
        if self.last:
            x = x.permute(0, 4, 1, 2, 3)
        return self.conv(x)
class Two(Net):
    def forward(self, x):
        y = self.conv(x)
        return y, y.abs()
class Odd(Net):
    def forward(self, x):
        return self.conv(x) + torch.linalg.svdvals(x.reshape(-1, 16, 16)).sum()
kind = sys.argv[2]
net = {"outputs": Two, "operator": Odd}.get(kind, Net)(kind)
torch.jit.script(net.eval()).save(sys.argv[1])
"""


def torch_network(path: Path, kind: str = "sound") -> Path:
    """The same network as TorchScript, written where torch is; kinds: sound, layout, outputs, operator, large."""
    maker = path.with_name("maker.py")  # torch reads the source of what it turns into a script
    maker.write_text(TORCH_NETWORK)
    subprocess.run([TORCH, maker, path, kind], check=True, capture_output=True, timeout=120)
    return path


def bundle_config() -> dict[str, Any]:
    """An inference.json as MONAI's bundles have it."""
    keys = {"keys": "image"}
    return {
        "imports": ["$import glob"],
        "bundle_root": ".",
        "pixdim": [2.0, 2.0, 2.0],
        "network_def": {"_target_": "UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 2},
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", **keys},
                {"_target_": "EnsureChannelFirstd", **keys},
                {"_target_": "Orientationd", **keys, "axcodes": "RAS"},
                {"_target_": "Spacingd", **keys, "pixdim": "@pixdim", "mode": "bilinear"},
                {
                    "_target_": "ScaleIntensityRanged", **keys,
                    "a_min": 0, "a_max": 100, "b_min": 0, "b_max": 1, "clip": True,
                },
                {"_target_": "EnsureTyped", **keys},
            ],
        },
        "inferer": {
            "_target_": "SlidingWindowInferer", "roi_size": [PATCH, PATCH, PATCH], "sw_batch_size": 4, "overlap": 0.5,
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "image"},
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {"_target_": "SaveImaged", "keys": "pred"},
            ],
        },
    }  # fmt: skip


def bundle_metadata() -> dict[str, Any]:
    """A metadata.json as MONAI's bundles have it."""
    image = {"modality": "CT", "num_channels": 1, "spatial_shape": [PATCH] * 3, "dtype": "float32"}
    pred = {"num_channels": 2, "channel_def": {"0": "background", "1": "bright"}}
    return {
        "version": "0.2.0",
        "task": "Bright things",
        "intended_use": "An example, not for patients",
        "eval_metrics": {"mean_dice": 0.96},
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": pred}},
    }


BUNDLE_SAID = SAID.partition("[tensors.options]")[0] + "[finding]" + SAID.partition("[finding]")[2]
"""What a bundle does not tell."""


def bundle(folder: Path, config: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None) -> Path:
    """A bundle without its network, model.toml beside it."""
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps(config or bundle_config(), indent=4))
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata or bundle_metadata(), indent=4))
    (folder / "model.toml").write_text(BUNDLE_SAID)
    return folder
