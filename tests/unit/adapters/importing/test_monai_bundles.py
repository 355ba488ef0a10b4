"""A MONAI bundle's transforms become a contract where they have an equal; each that has none is named by its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.adapters.contract_files import read_model
from streams.adapters.importing.bringing import Wishes, bring
from streams.adapters.importing.monai_bundles import read_bundle
from streams.errors import ModelRefused
from tests.support.brought import BENCH, TOOLS, bundle, bundle_config, bundle_metadata, onnx_network

needs_onnxruntime = pytest.mark.skipif(not BENCH.python.is_file(), reason="the parts are not fetched: make setup")
Config = dict[str, Any]


def test_each_transform_is_said_as_the_contract_says_it(tmp_path: Path) -> None:
    tree = read_bundle(bundle(tmp_path / "b")).tree
    assert tree["tensors"]["options"] == {
        "axes": "RAS",
        "spacing_mm": [2.0, 2.0, 2.0],
        "clip_hu": [0.0, 100.0],
        "scale_to": [0.0, 1.0],
        "patch": [16, 16, 16],
        "overlap": 0.5,
    }
    assert tree["tensors"]["rows_most"] == 4
    assert tree["answer"]["options"] == {
        "blend": "constant",
        "activation": "softmax",
        "decision": "argmax",
        "classes": ["background", "bright"],
    }
    assert tree["version"] == "0.2.0"


@needs_onnxruntime
def test_a_bundle_becomes_a_model_folder(tmp_path: Path) -> None:
    """What its makers say of it stands in the card."""
    folder = bundle(tmp_path / "bright_bundle")
    onnx_network(folder / "models" / "model.onnx")
    made = bring(folder, tmp_path, Wishes(name="bright"), TOOLS)
    contract = read_model(made).contract
    assert contract.tensors.options["axes"] == "RAS"
    assert contract.needs.body_part == "head"
    card = (made / "card.md").read_text()
    assert "intended use, by its makers: An example, not for patients" in card
    assert '"mean_dice": 0.96' in card


def spoilt(change: Callable[[Config], object]) -> Config:
    config = bundle_config()
    change(config)
    return config


def transforms(config: Config) -> list[Config]:
    listed: list[Config] = config["preprocessing"]["transforms"]
    return listed


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda c: transforms(c).insert(4, {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True}),
            r"1 of what its inference.json asks for has no equal here: NormalizeIntensity \(inference.json line 40\)",
        ),
        (
            lambda c: c["inferer"].update(padding_mode="replicate"),
            r'padding_mode = "replicate" of SlidingWindowInferer',
        ),
        (
            lambda c: c.update(pixdim="$[1.5] * 3 if @highres else [3.0] * 3"),
            r"pixdim = '\$\[1.5\].*' of Spacing \(inference.json line 3\d\), an expression: write the value",
        ),
        (
            lambda c: c.update(pixdim=[2.0, 0.0, 2.0]),
            r"Spacing \(.* line 3\d\) cannot be taken: pixdim \[2.0, 0.0, 2.0\]",
        ),
        (lambda c: c.update(pixdim=[2.0, 2.0]), "three spacings above 0 mm are taken"),
        (lambda c: transforms(c)[2].update(axcodes="XYZ"), "Orientation .* cannot be taken: axcodes 'XYZ'"),
        (lambda c: transforms(c)[4].pop("clip"), "clip is not true: values beyond the window have no limit"),
        (lambda c: c["inferer"].pop("roi_size"), r"SlidingWindowInferer \(.*\) does not say roi_size"),
        (lambda c: c.update(inferer={"_target_": "scripts.detector.RetinaNetInferer"}), "RetinaNetInferer"),
        (lambda c: c.pop("postprocessing"), "inference.json has no 'postprocessing'"),
        (lambda c: transforms(c)[3].update(_disabled_="$not @raw"), r"_disabled_ = '\$not @raw' of Spacing"),
    ],
)
def test_what_has_no_equal_is_named_with_its_line(
    tmp_path: Path, change: Callable[[Config], object], sentence: str
) -> None:
    with pytest.raises(ModelRefused, match=sentence):
        read_bundle(bundle(tmp_path / "b", spoilt(change)))


def test_what_somebody_leaves_out_stands_in_the_card(tmp_path: Path) -> None:
    config = spoilt(lambda c: transforms(c).insert(4, {"_target_": "NormalizeIntensityd", "keys": "image"}))
    mapped = read_bundle(bundle(tmp_path / "b", config), frozenset({"NormalizeIntensity"}))
    assert mapped.remarks == ["Left out at the import: NormalizeIntensity (inference.json line 40)."]


BROKEN: dict[str, tuple[dict[str, object], str]] = {
    "layout": ({"shape": ("n", 16, 16, 16, 1)}, "its channel comes last"),
    "outputs": ({"outputs": 2}, "has 2 outputs"),
    "operator": ({"operator": ("com.acme", "Sharpen")}, "uses the operator com.acme.Sharpen"),
    "large": ({"megabytes": 300}, "holds 300 MB"),
}


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_a_broken_network_in_a_bundle_gets_a_clear_sentence(tmp_path: Path, kind: str) -> None:
    spoilt_by, sentence = BROKEN[kind]
    folder = bundle(tmp_path / "b")
    onnx_network(folder / "models" / "model.onnx", **spoilt_by)  # type: ignore[arg-type]
    with pytest.raises(ModelRefused, match=sentence):
        bring(folder, tmp_path, Wishes(name="bright"), TOOLS)


def test_a_bundle_without_a_network_or_for_other_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="holds no network"):
        bring(bundle(tmp_path / "a"), tmp_path, Wishes(), TOOLS)
    metadata = bundle_metadata()
    metadata["network_data_format"]["inputs"]["image"]["modality"] = "MR"
    with pytest.raises(ModelRefused, match="the network reads MR; CT is read so far"):
        read_bundle(bundle(tmp_path / "c", metadata=metadata))
    (tmp_path / "c" / "configs" / "inference.json").write_text("{")
    with pytest.raises(ModelRefused, match=r"inference\.json cannot be read"):
        read_bundle(tmp_path / "c")
