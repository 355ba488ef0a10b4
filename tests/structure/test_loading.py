"""A command or process loads what it runs: each library that it does without would cost it up to two seconds."""

from __future__ import annotations

import subprocess
import sys

import pytest

COMMANDS = "streams.cli.why streams.cli.send streams.cli.status streams.cli.dlq streams.cli.mark streams.cli.run"


@pytest.mark.parametrize(
    ("modules", "without"),
    [
        (COMMANDS, "scipy faust redis tritonclient streams.reading.functions"),
        ("streams.runtime.processes.doors", "scipy faust redis tritonclient streams.reading.functions"),
        ("streams.runtime.processes.workers", "scipy.stats pynetdicom streams.phantom onnx"),
    ],
)
def test_nothing_is_loaded_in_vain(modules: str, without: str) -> None:
    """Of a fresh interpreter that has imported these modules."""
    code = f"import sys, {', '.join(modules.split())}; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(without.split()) & set(said.stdout.split()) == set()
