"""The stack's own processes: how they are started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.runtime.parts.settings import Addresses
from streams.runtime.parts.spawning import environment_with
from streams.runtime.settings import load
from streams.runtime.stack.services import children, compiled

AT = Addresses(kafka="k:1", redis="redis://r:1/0", triton="t:1")


@pytest.mark.parametrize("writes", [False, True], ids=["is told to keep nothing", "keeps it where it lies"])
def test_a_start_finds_what_an_earlier_one_compiled(writes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A child whose Python is told to write no bytecode writes it beside the parts; any other is left alone."""
    monkeypatch.setattr(sys, "dont_write_bytecode", not writes)
    monkeypatch.setattr(os, "access", lambda *_: True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    settings = load({"WETREAD_HOME": str(tmp_path)})
    if writes:
        assert compiled(settings) == {}
        return
    (tmp_path / "module_of_ours.py").write_text("")
    env = environment_with(children(settings, AT, 11112)[0].env)
    subprocess.run([sys.executable, "-c", "import module_of_ours"], cwd=tmp_path, env=env, check=True)
    kept = [path.name.split(".")[0] for path in (tmp_path / "parts" / "bytecode").rglob("*.pyc")]
    assert "module_of_ours" in kept


def test_what_is_installed_by_somebody_else_is_compiled_once_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where Python may not write beside the sources it would compile them at each start, and say nothing."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(os, "access", lambda *_: False)
    kept = compiled(load({"WETREAD_HOME": str(tmp_path)}))["PYTHONPYCACHEPREFIX"]
    assert Path(kept).parent == tmp_path / "parts"
