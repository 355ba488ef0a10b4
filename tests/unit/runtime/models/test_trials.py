"""A model's trial: what was left out is told, it ends in time, and a part of it tells how long all takes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from streams.adapters.contract_files import ModelFolder, read_model
from streams.adapters.importing.bringing import Wishes, bring
from streams.adapters.onnx_trial import Part, told_by
from streams.errors import ModelRefused
from streams.runtime.models.trials import Bounds, Tried, checked
from tests.support import small_heads
from tests.support.brought import BENCH, SAID, TOOLS, onnx_network

needs_onnxruntime = pytest.mark.skipif(not BENCH.python.is_file(), reason="the parts are not fetched: make setup")
SLOW = """
import json, signal
for part in (1, 2):
    print(json.dumps({"part": part, "of": 9, "seconds": 3.0}), flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def one_patch_a_call(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """Of no body part that there is a phantom of, so that only what is given is read."""
    folder = tmp_path_factory.mktemp("model")
    network = onnx_network(folder / "bright.onnx", shape=(1, 1, 16, 16, 16))
    network.with_name("model.toml").write_text(SAID.replace('"head"', '"trunk"'))
    return read_model(bring(network, folder, Wishes(), TOOLS))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images") / "made"
    small_heads.written(small_heads.slices("check"), folder)
    for name in ("a.txt", "b.jpg", "c.pdf", "d.zip"):
        (folder / name).write_bytes(b"no image" * 40)
    (folder / "e.dcm").write_bytes(b"")
    return folder


def tried(model: ModelFolder, folder: Path, **bounds: object) -> tuple[dict[str, Tried], list[str]]:
    lines: list[str] = []
    told = checked(model, BENCH, folder, Bounds(**bounds), lines.append)  # type: ignore[arg-type]
    return {one.series.partition(":")[0]: one for one in told}, lines


@needs_onnxruntime
def test_files_that_are_no_dicom_are_counted_and_some_named(one_patch_a_call: ModelFolder, files: Path) -> None:
    """And some parts of the model tell how long all would take, with no answer made of them."""
    told, lines = tried(one_patch_a_call, files, parts=2)
    assert told["files"].ok
    assert told["files"].says.startswith("5 of ")
    assert "were left out: a.txt (no DICOM file" in told["files"].says
    assert told["files"].says.endswith(" and 2 more")
    series = told["series 1"]
    assert series.ok, series.says
    assert re.fullmatch(r"2 of 256 parts tried, .* s each: some \d+ s in all, no answer", series.says)
    assert series.figures == {}
    assert {"canary", "series 1: CT, 14 images"} <= set(lines)


@needs_onnxruntime
@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ((), "the folder holds no files"),
        (("a.txt",), "nothing is readable: none of the 1 files is an image in DICOM: a.txt (no DICOM file"),
    ],
)
def test_a_folder_without_images_says_so(
    one_patch_a_call: ModelFolder, tmp_path: Path, names: tuple[str, ...], sentence: str
) -> None:
    for name in names:
        (tmp_path / name).write_text("nothing" * 30)
    told, _ = tried(one_patch_a_call, tmp_path)
    assert not told["files"].ok
    assert told["files"].says.startswith(sentence)


@needs_onnxruntime
def test_what_the_time_does_not_allow_is_not_begun(one_patch_a_call: ModelFolder, files: Path) -> None:
    """Each series has its line all the same."""
    told, _ = tried(one_patch_a_call, files, seconds=0.0)
    assert {name: one.says for name, one in told.items() if not one.ok} == dict.fromkeys(
        ("canary", "series 1"), "not tried: the time is over; `--seconds` gives more"
    )


def test_a_trial_that_is_late_is_ended_and_says_how_far_it_was(tmp_path: Path) -> None:
    """And what all of it would take."""
    (tmp_path / "slow.py").write_text(SLOW)
    heard: list[Part] = []
    with pytest.raises(
        ModelRefused, match=r"took more than 5 s: 2 of 9 parts were done, 3\.0 s each, some 27 s in all"
    ):
        told_by(Path(sys.executable), tmp_path / "slow.py", ["a.onnx"], 5.0, heard.append)
    assert heard == [Part(1, 9, 3.0), Part(2, 9, 3.0)]
