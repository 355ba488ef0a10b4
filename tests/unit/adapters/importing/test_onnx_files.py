"""An ONNX file becomes a model folder, or a sentence says what to change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams.adapters.contract_files import read_model
from streams.adapters.importing.bringing import Wishes, bring
from streams.errors import ModelRefused, PolicyInvalid, WetreadError
from tests.support.brought import BENCH, SAID, TOOLS, onnx_network

needs_onnxruntime = pytest.mark.skipif(not BENCH.python.is_file(), reason="the parts are not fetched: make setup")


def brought(network: Path, said: str = SAID, **wishes: object) -> Path:
    network.with_name("model.toml").write_text(said)
    scratch = network.parent / "scratch"
    scratch.mkdir()
    return bring(network, scratch, Wishes(**wishes), TOOLS)  # type: ignore[arg-type]


@needs_onnxruntime
def test_a_network_becomes_a_whole_folder_in_role_shadow(tmp_path: Path) -> None:
    """config, contract, card and weights; the canary holds what the network itself answered."""
    folder = brought(onnx_network(tmp_path / "Bright-Net.onnx"))
    assert folder.name == "bright_net"
    held = read_model(folder)
    assert held.contract.role == "shadow"
    assert held.contract.answer.mask == "pred"
    assert held.contract.tensors.inputs["image"].shape == (-1, 1, 16, 16, 16)
    assert "name:" not in (folder / "config.pbtxt").read_text().partition("input")[0]
    assert "no evidence" in (folder / "card.md").read_text()
    with np.load(folder / "canary.npz") as canary:
        image, expected = canary["image"], canary["expected"]
    assert np.allclose(expected[:, 1], 10 * image[:, 0] - 8, atol=1e-4)


@needs_onnxruntime
def test_a_network_for_one_patch_at_a_time_is_asked_so(tmp_path: Path) -> None:
    folder = brought(onnx_network(tmp_path / "one.onnx", shape=(1, 1, 16, 16, 16)))
    assert read_model(folder).contract.tensors.rows_most == 1


@needs_onnxruntime
def test_a_folder_made_here_can_be_brought_elsewhere(tmp_path: Path) -> None:
    """And its canary is asked again: weights that were changed since are refused."""
    folder = brought(onnx_network(tmp_path / "bright.onnx"))
    (tmp_path / "elsewhere").mkdir()
    again = bring(folder, tmp_path / "elsewhere", Wishes(), TOOLS)
    assert read_model(again).digest == read_model(folder).digest
    weights = folder / "1" / "model.onnx"
    weights.write_bytes(weights.read_bytes().replace(np.float32(-8).tobytes(), np.float32(-7).tobytes()))
    (tmp_path / "third").mkdir()
    with pytest.raises(ModelRefused, match="answers its canary wrongly: 1 off"):
        bring(folder, tmp_path / "third", Wishes(), TOOLS)


BROKEN = {
    "layout": (
        {"shape": ("n", 16, 16, 16, 1)},
        "input 'image' is any x 16 x 16 x 16 x 1: its channel comes last; export the model with the channel second",
    ),
    "flat": ({"shape": ("n", 1, 16, 16)}, "input 'image' is any x 1 x 16 x 16; volume_patches gives patches x 1"),
    "outputs": (
        {"outputs": 2},
        r"has 2 outputs \(pred, more\): say which one is the mask, as `mask = \"pred\"` under \[answer\]",
    ),
    "operator": (
        {"operator": ("com.acme", "Sharpen")},
        r"uses the operator com.acme.Sharpen \(node 'head'\), which neither ONNX Runtime nor Triton has",
    ),
    "unknown": ({"operator": ("", "Sharpen")}, "is no sound ONNX model: No Op registered for Sharpen"),
    "large": ({"megabytes": 300}, "holds 300 MB; up to 256 MB are taken: give --largest-mb"),
    "side": ({"shape": ("n", 1, 16, 16, 32)}, r"option patch gives 16 voxels along axis 3: patch takes \[16, 16, 32\]"),
    "shrinks": ({"answer": ("n", 2, 8, 16, 16)}, "a patch less what is lost leaves 16 along axis 1: option lost is"),
    "classes": ({"answer": ("n", 5, 16, 16, 16)}, "it has 5 channels, and option classes names 2"),
    "batch": ({"shape": (4, 1, 16, 16, 16)}, "it takes 4 patches at a time; export it with 1, or with any number"),
}


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_a_broken_network_gets_a_clear_sentence(tmp_path: Path, kind: str) -> None:
    spoilt, sentence = BROKEN[kind]
    with pytest.raises(ModelRefused, match=sentence):
        brought(onnx_network(tmp_path / "broken.onnx", **spoilt))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("spacing_mm = 2.0", "spacing_mm = 0", "option spacing_mm is '?0'?; it takes 3 numbers from 0.1 to 20"),
        ("spacing_mm = 2.0", "", "option spacing_mm is missing: the model's makers say it, and nothing is assumed"),
        ('body_part = "head"', "", r'model.toml beside it:\n  body_part = "head"'),
        (
            "[needs]",
            "[needs]\nbodypart = 3",
            "model.toml line 4: key 'bodypart' is not known; did you mean 'body_part'",
        ),
        ("threshold = 0.5", "threshold = 50", "takes a probability from 0 to 1"),
    ],
)
def test_what_is_said_of_a_network_is_checked(tmp_path: Path, before: str, after: str, sentence: str) -> None:
    if "probability" in sentence and not BENCH.python.is_file():
        pytest.skip("the parts are not fetched: make setup")
    with pytest.raises((ModelRefused, PolicyInvalid), match=sentence):
        brought(onnx_network(tmp_path / "bright.onnx"), SAID.replace(before, after))


@needs_onnxruntime
def test_a_network_that_answers_no_numbers_is_refused(tmp_path: Path) -> None:
    said = SAID.replace("clip_hu = [0, 100]\nscale_to = [0, 1]", "clip_hu = [0, 100]\nscale_to = [-2, -1]")
    network = onnx_network(tmp_path / "root.onnx", operator=("", "Sqrt"), answer=("n", 1, 16, 16, 16))
    said = said.replace('["background", "bright"]', '["bright"]')
    with pytest.raises(ModelRefused, match="4096 of 4096 values of 'pred' are no numbers"):
        brought(network, said)


def test_no_file_no_onnx_and_other_files_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "torn.onnx").write_bytes(b"no protobuf at all")
    (tmp_path / "model.h5").write_bytes(b"")
    for name, sentence in {
        "absent.onnx": "is not there",
        "model.h5": "is none of .onnx, .ts",
        "torn.onnx": "torn.onnx",
    }.items():
        with pytest.raises(WetreadError, match=sentence):
            bring(tmp_path / name, tmp_path, Wishes(), TOOLS)
