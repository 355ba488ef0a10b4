"""The table of fault points is the code's: each stands where it says, once, and costs nothing while it is off."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import streams
from streams.faults import tables
from streams.faults.points import STATE, Point

ROOT = Path(streams.__file__).parent


def _functions(tree, prefix=""):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{node.name}", node


def _point(node):
    """The name of X in Point.X."""
    is_point = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Point"
    return node.attr if is_point and node.attr in Point.__members__ else None


def _stands(function):
    """Each point of a function, with the sides that are asked there."""
    for node in ast.walk(function):
        if isinstance(node, ast.With):
            for item in node.items:
                if name := _point(item.context_expr):
                    yield name, "before"
                    yield name, "after"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _point(node.func.value):
            yield _point(node.func.value), node.func.attr


@pytest.fixture(scope="module")
def standing():
    """Point to (file and function, side), over all of streams/."""
    found = defaultdict(list)
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text()
        if path.parent.name == "faults" or "faults.points" not in text:
            continue
        for name, function in _functions(ast.parse(text)):
            for point, side in _stands(function):
                found[point].append((path.relative_to(ROOT).as_posix(), name, side))
    return found


@pytest.mark.parametrize("point", list(Point), ids=lambda p: p.title)
def test_a_point_stands_where_the_table_says_and_nowhere_else(point, standing):
    """Before and after once each, in the function named; two functions: before in the first, after in the second."""
    file, _, functions = point.where.partition(" ")
    first, _, second = functions.partition(", ")
    assert standing[point.name] == [(file, first, "before"), (file, second or first, "after")]


def test_the_page_is_the_code():
    """`make faults` writes it."""
    page = tables.PAGE.read_text()
    assert tables.page(page) == page


def test_off_a_point_does_nothing_and_what_raises_inside_passes():
    with pytest.raises(KeyError), Point.OUTBOX_SENT:
        raise KeyError


def test_what_raises_inside_reaches_no_after(monkeypatch):
    """An effect that failed was not done: nobody crashes behind it."""
    reached = []
    monkeypatch.setattr(STATE, "reached", lambda point, side: reached.append((point, side)))
    with pytest.raises(KeyError), Point.OUTBOX_SENT:
        raise KeyError
    with Point.OUTBOX_SENT:
        pass
    assert reached == [(Point.OUTBOX_SENT, side) for side in ("before", "before", "after")]
