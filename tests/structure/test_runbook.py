"""deploy/RUNBOOK.md does not go stale: its sentences stand in the code, its commands exist, no alarm is missing."""

from __future__ import annotations

import ast
import configparser
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from streams.chaos.torments.catalogue import ALL, USUAL
from streams.cli import main
from streams.cli.up import PATIENCE_S
from tests.structure.sources import ROOT, modules

TEXT = (ROOT / "deploy" / "RUNBOOK.md").read_text(encoding="utf-8")
SPANS = [span for line in TEXT.splitlines() for span in re.findall(r"`([^`]+)`", line)]
QUOTED = sorted({span[1:-1] for span in SPANS if span.startswith('"') and span.endswith('"')})
BLOCKS = [
    line for block in re.findall(r"^```\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]
COMMANDS = sorted({re.split(r"\s{2,}", said)[0] for said in (*SPANS, *BLOCKS) if said.startswith("wetread ")})
MEANT = {"STUDY": "1.2.3", "NAME": "ich_ct", "N": "7", "FILE.csv": __file__, "FOLDER": str(ROOT), "DIR": str(ROOT)}
"""What stands for the words in capitals."""
LEVELS = {"warning", "error", "exception", "critical"}
VARIES = re.compile(r"%(?:\.\d+)?[sdrfg]")


def _said(node: ast.expr) -> str:
    """A string of the code as the book quotes it: an ellipsis for each thing that differs."""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            p.value if isinstance(p, ast.Constant) and isinstance(p.value, str) else "…" for p in node.values
        )
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@cache
def _sentences() -> str:
    """Every string of the product, a line each."""
    nodes = (n for module in modules("streams") for n in module.nodes if isinstance(n, ast.Constant | ast.JoinedStr))
    return "\n".join(VARIES.sub("…", _said(node)) for node in nodes)


def _told() -> dict[str, Path]:
    """What processes log at WARNING and above, as the book quotes it; chaos runs apart."""
    return {
        VARIES.sub("…", _said(node.args[0])): module.path
        for module in modules("streams")
        for node in module.nodes
        if "chaos" not in module.path.parts
        and isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LEVELS
        and ast.unparse(node.func.value) == "log"
    }


@cache
def _root() -> Any:
    main._register(None)
    return typer.main.get_command(main.app)


@pytest.mark.parametrize("quoted", QUOTED)
def test_each_quoted_sentence_stands_in_the_code(quoted: str) -> None:
    """Who searches the book for what the log says finds it, letter by letter."""
    assert quoted in _sentences()


def test_each_line_of_a_log_is_in_the_book() -> None:
    """Whatever a process logs at WARNING or above: the book says what to do, or that it needs nothing."""
    assert {line: path for line, path in _told().items() if line not in QUOTED} == {}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_one(command: str) -> None:
    """The command line takes it as it stands, with something real for the words in capitals."""
    words = [MEANT.get(word, word) for word in shlex.split(command)[1:]]
    found, context = _root(), None
    while True:
        context = found.make_context(found.name or "wetread", words, parent=context)
        if not hasattr(found, "commands"):
            return
        words = [*context._protected_args, *context.args]
        found = found.commands[words.pop(0)]


def test_each_alarm_leads_somewhere() -> None:
    """The rules of alerts.yaml, all of them and no others, have a row."""
    rules = yaml.safe_load((ROOT / "deploy" / "observability" / "alerts.yaml").read_text())
    alarms = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert set(re.findall(r"^\| alarm \| (\w+) \|", TEXT, re.MULTILINE)) == alarms


def test_each_fault_has_a_section() -> None:
    """What chaos breaks is in the book, and what the book names as chaos exists."""
    named = {
        name
        for line in re.findall(r"Chaos:\s(.+?)\.(?=\s|$)", TEXT, re.DOTALL)
        for name in re.findall(r"`([^`]+)`", line)
    }
    assert named <= set(ALL)
    assert set(USUAL) <= named


def test_each_link_leads_somewhere() -> None:
    """To a section of the book, or to a file beside it."""
    sections = {
        re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-")
        for h in re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert target[1:] in sections if target.startswith("#") else (ROOT / "deploy" / target).exists(), target


def test_the_unit_starts_the_stack() -> None:
    """What systemd runs is a command of ours, and the stack has its time to end before it is killed."""
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # its keys are told by their case
    unit.read(ROOT / "deploy" / "local" / "wetread.service")
    program, *words = unit["Service"]["ExecStart"].split()
    assert (Path(program).name, words) == ("wetread", ["up"])
    assert int(unit["Service"]["TimeoutStopSec"]) > PATIENCE_S


def test_it_can_be_read_at_night() -> None:
    """Under 340 lines."""
    assert TEXT.count("\n") < 340
