"""A model is its folder: contract.toml is read strictly, and the digest names what answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.adapters.contract_files import read_model, read_models
from streams.errors import PolicyInvalid

ROOT = Path(__file__).parents[3]


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "contract.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def test_every_shipped_model_is_sound():
    """Each model folder of ours keeps its own contract's rules."""
    for name, model in read_models(ROOT / "triton_models").items():
        assert model.contract.name == name


def test_models_are_the_folders_with_a_contract(model_path: Path):
    """Adding a model is adding a folder; a folder without a contract is none."""
    (model_path.parent / "other").mkdir()
    assert set(read_models(model_path.parent)) == {"m"}


def test_digest_is_of_contract_and_weights(model_path: Path):
    """Another word in the contract, or another weight, is another model."""
    seen = {read_model(model_path).digest}
    (model_path / "1").mkdir()
    (model_path / "1" / "model.onnx").write_bytes(b"weights")
    seen.add(read_model(model_path).digest)
    (model_path / "1" / "model.onnx").write_bytes(b"other weights")
    seen.add(read_model(model_path).digest)
    edit(model_path, "threshold = 0.5", "threshold = 0.6")
    seen.add(read_model(model_path).digest)
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "slices_min = 3",
            "slice_min = 3",
            "m/contract.toml line 14: key 'slice_min' is not known; did you mean 'slices_min'?",
        ),
        (
            "shape = [1] }",
            'shape = [1], dtype = "x" }',
            "m/contract.toml line 24: key 'dtype' is not known; did you mean 'datatype'?",
        ),
        (
            'scheme = "SCT"',
            'schema = "SCT"',
            "m/contract.toml line 37: key 'schema' is not known; did you mean 'scheme'?",
        ),
        ('name = "m"', 'name = "n"', "m/contract.toml line 3: name is 'n', but the folder is called 'm'"),
        (
            'function = "head_slabs"',
            'function = "head_slab"',
            "m/contract.toml line 20: no tensor function 'head_slab'; did you mean 'head_slabs'?",
        ),
        (
            'function = "slices_and_mask"',
            'function = "f"',
            "m/contract.toml line 29: no answer function 'f'; known are slices_and_mask",
        ),
        (
            'mask = "MASK"',
            'mask = "MAKS"',
            "m/contract.toml line 32: the model has no output 'MAKS'; did you mean 'MASK'?",
        ),
        ('output = "STUDY"', 'output = "S"', "line 41: the model has no output 'S'"),
        ('file = "canary.npz"', 'file = "no.npz"', "line 40: the canary 'no.npz' is not in the folder"),
        ("threshold = 0.5", "threshold = 50", "line 36: key 'finding.threshold' takes a probability from 0 to 1"),
        (
            "thickness_mm = [0.4, 10.0]",
            "thickness_mm = [0.4]",
            "line 15: key 'needs.thickness_mm': expected `array` of length 2, got 1",
        ),
        (
            'orientation = "axial"',
            'orientation = "sagittal"',
            "line 11: key 'needs.orientation': invalid enum value 'sagittal'",
        ),
        ('"UINT8"', '"uint8"', "line 22: no datatype 'uint8'; known are BOOL"),
        ("schema = 1", "schema = 2", "line 2: key 'schema': invalid enum value 2"),
    ],
)
def test_a_fault_names_file_line_and_key(model_path: Path, old: str, new: str, told: str):
    """Whoever adds a model learns at once what is wrong with its contract, and where."""
    edit(model_path, old, new)
    with pytest.raises(PolicyInvalid) as fault:
        read_model(model_path)
    assert told in str(fault.value)
