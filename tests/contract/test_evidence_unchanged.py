"""`make evidence` computes anew what something has changed for, and only that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from training.evidence.unchanged import NOTE, is_unchanged, write_down

SINGLE = (
    "streams/oversight/evaluation.py",
    "streams/contract.py",
    "streams/adapters/contract_files.py",
    "training/requirements.txt",
)
FILES = (
    *SINGLE,
    "triton_models/m/card.md",
    "triton_models/m/1/model.onnx",
    "training/m/cases.py",
    "training/m/runs/fold0.pt",
    "training/evidence/roc.py",
    "streams/reading/lung/sizes.py",
    "streams/phantom/head.py",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in (*FILES, "data/one.dcm", "triton_models/other/card.md", "streams/cli/main.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("as it was")
    return tmp_path


def test_what_was_never_computed_is_computed(checkout: Path) -> None:
    assert not is_unchanged(checkout, checkout / "data", "m")


@pytest.mark.parametrize("name", [*FILES, "data/one.dcm", "data/new.dcm", "training/m/runs/fold1.pt"])
def test_any_change_of_what_the_figures_come_from_is_seen(checkout: Path, name: str) -> None:
    """Code, weights, card, kept results, data: changed, or come since."""
    data = checkout / "data"
    write_down(checkout, data, "m")
    assert is_unchanged(checkout, data, "m")
    (checkout / name).write_text("otherwise!")
    assert not is_unchanged(checkout, data, "m")


def test_other_changes_are_none(checkout: Path) -> None:
    """Another model, the command line, a file of code that was only touched."""
    write_down(checkout, checkout / "data", "m")
    assert (checkout / "training/m" / NOTE).is_file()
    for name in ("triton_models/other/card.md", "streams/cli/main.py"):
        (checkout / name).write_text("otherwise!")
    os.utime(checkout / "streams/phantom/head.py", (1, 1))
    assert is_unchanged(checkout, checkout / "data", "m")
