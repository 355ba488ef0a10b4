"""A published network, BLAST-CT v1, comes in by its model.toml alone and reads heads."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.adapters.contract_files import read_model
from streams.adapters.importing.bringing import Wishes, bring
from streams.runtime.models.trials import checked
from tests.support.blast_ct import HERE, exported
from tests.support.brought import BENCH, TOOLS

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not (HERE and BENCH.python.is_file()), reason="BLAST-CT's weights, or torch, are not here"),
]


def test_it_is_brought_without_code_and_finds_a_planted_bleed(tmp_path: Path) -> None:
    """Its canary, and a phantom's 30 ml bleed within a factor of two: shapes, kinds, repetition and NaN hold."""
    folder = bring(exported(tmp_path), tmp_path, Wishes(), TOOLS)
    model = read_model(folder)
    assert model.contract.role == "shadow"
    canary, phantom = checked(model, BENCH, None)
    assert canary.ok, canary.says
    assert phantom.ok, phantom.says
    assert 15 < phantom.figures["mask_ml"] < 60
