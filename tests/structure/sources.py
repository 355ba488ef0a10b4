"""The project's own files, listed once: what git would commit, and Python sources as syntax trees."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EDGES = ("adapters", "doors", "runtime", "cli", "web", "faults", "chaos")
"""Packages below streams/ that may ask for the time or for chance."""


@cache
def committed() -> tuple[Path, ...]:
    """Files that git holds or would take in, relative to the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True, text=True, cwd=ROOT, check=True,
    ).stdout  # fmt: skip
    return tuple(sorted(p for p in map(Path, filter(None, listed.split("\0"))) if (ROOT / p).is_file()))


@cache
def texts() -> tuple[tuple[Path, str], ...]:
    """Those of them that are text, with their content."""
    found = []
    for path in committed():
        content = (ROOT / path).read_bytes()
        if b"\0" not in content[:4096]:
            found.append((path, content.decode(errors="replace")))
    return tuple(found)


@dataclass(frozen=True)
class Module:
    """A Python file: its syntax tree, and all nodes of it."""

    path: Path
    tree: ast.Module
    nodes: tuple[ast.AST, ...]

    @property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method."""
        return [node for node in self.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@cache
def _every_module() -> tuple[Module, ...]:
    parsed = ((path, ast.parse(text)) for path, text in texts() if path.suffix == ".py")
    return tuple(Module(path, tree, tuple(ast.walk(tree))) for path, tree in parsed)


def modules(*tops: str) -> tuple[Module, ...]:
    """The Python files below these folders."""
    return tuple(module for module in _every_module() if module.path.parts[0] in tops)


def edge(path: Path) -> bool:
    """Whether a file below streams/ may have effects."""
    return path.parts[0] == "streams" and path.parts[1] in EDGES
