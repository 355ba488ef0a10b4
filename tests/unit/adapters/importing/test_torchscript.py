"""TorchScript becomes ONNX where torch is, and answers there as it did."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from streams.adapters.contract_files import read_model
from streams.adapters.importing import torchscript
from streams.adapters.importing.bringing import Wishes, bring
from streams.errors import ModelRefused, PartMissing
from tests.support.brought import BENCH, SAID, TOOLS, TORCH, torch_network

needs_torch = pytest.mark.skipif(
    not (TORCH.is_file() and BENCH.python.is_file()), reason="torch is not here (make train-ich brings it)"
)


def brought(network: Path) -> Path:
    network.with_name("model.toml").write_text(SAID)
    (network.parent / "scratch").mkdir()
    return bring(network, network.parent / "scratch", Wishes(name="bright"), TOOLS)


@needs_torch
def test_it_is_converted_and_answers_as_torch_does(tmp_path: Path) -> None:
    folder = brought(torch_network(tmp_path / "net.ts"))
    assert read_model(folder).contract.tensors.inputs["image"].shape == (-1, 1, 16, 16, 16)
    assert "written as ONNX here" in (folder / "card.md").read_text()
    with np.load(folder / "canary.npz") as canary:
        assert np.allclose(canary["expected"][:, 1], 10 * canary["image"][:, 0] - 8, atol=1e-4)


@needs_torch
@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("layout", r"net.ts does not take 1 x 1 x 16 x 16 x 16: .*channels"),
        ("outputs", r"has 2 outputs \(output_0, output_1\): say which one is the mask"),
        ("operator", r"net.ts cannot be written as ONNX: .*svdvals"),
        ("large", r"net.ts holds 300 MB; up to 256 MB are taken"),
    ],
)
def test_a_broken_one_gets_a_clear_sentence(tmp_path: Path, kind: str, sentence: str) -> None:
    with pytest.raises(ModelRefused, match=sentence):
        brought(torch_network(tmp_path / "net.ts", kind))


@needs_torch
def test_weights_alone_are_no_model(tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(b"PK\x03\x04 weights of some net")
    with pytest.raises(ModelRefused, match=r"net\.pt is no TorchScript"):
        brought(tmp_path / "net.pt")


def test_a_wrong_spacing_is_told_before_torch_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "net.ts").write_bytes(b"")
    (tmp_path / "model.toml").write_text(SAID.replace("spacing_mm = 2.0", "spacing_mm = [2, 2]"))
    with pytest.raises(ModelRefused, match=r"net.ts: option spacing_mm is \[.*\]; it takes 3 numbers"):
        bring(tmp_path / "net.ts", tmp_path, Wishes(), TOOLS)


def test_without_torch_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/absent/python")
    with pytest.raises(PartMissing, match=r"pip install 'wetread\[torch\]'"):
        torchscript.torch_python(())
