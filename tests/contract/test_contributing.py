"""CONTRIBUTING.md adds a model in 15 lines: these lines, run as they stand."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from streams.adapters.model_store import ModelStore
from tests.support.brought import BENCH, onnx_network

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 15


@pytest.mark.timeout(900)
@pytest.mark.skipif(not BENCH.python.is_file(), reason="the parts are not fetched: make setup")
def test_a_model_is_added_by_the_lines_that_contributing_shows(tmp_path: Path) -> None:
    """The TOML and the commands are at most 15 lines; after them the model stands there, checked, in role shadow."""
    section = (ROOT / "CONTRIBUTING.md").read_text().partition("## A model in 15 lines")[2]
    said, commands = re.findall(r"```(?:toml|sh)\n(.*?)```", section, flags=re.DOTALL)[:2]
    assert len((said + commands).splitlines()) <= MOST_LINES
    (tmp_path / "model.toml").write_text(said)
    onnx_network(tmp_path / "bright.onnx")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "parts").symlink_to(BENCH.python.parents[2])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WETREAD_")}  # noqa: TID251
    for line in commands.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "wetread"
        command = [sys.executable, "-m", "streams.cli.main", *arguments]
        environment = {**kept, "WETREAD_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    store = ModelStore(tmp_path / "home" / "models", ROOT / "triton_models")
    assert store.serving().roles == {"bright": "shadow"}
    assert store.models()["bright"].contract.finding.name == "bright_thing"
