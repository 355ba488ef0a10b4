"""A model folder on disk, for tests of what reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.adapters.contract_files import ModelFolder, read_model
from tests.support.models import write_model_folder


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    return write_model_folder(tmp_path / "models")


@pytest.fixture
def model(model_path: Path) -> ModelFolder:
    return read_model(model_path)
