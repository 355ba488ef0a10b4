"""The house rules that no linter knows: sizes, names, first lines, clocks, swallowed errors."""

from __future__ import annotations

import ast
import re

from tests.structure.sources import ROOT, edge, modules, texts

LONGEST_FILE, LONGEST_FUNCTION, MOST_ARGUMENTS = 300, 40, 6
NAMES_THAT_SAY_NOTHING = {
    "utils", "util", "common", "helper", "helpers", "manager", "managers", "base", "misc", "tools", "shared",
}  # fmt: skip
UNFINISHED = re.compile(r"\b(?:[T]ODO|[F]IXME|[X]XX|[H]ACK)\b|\b[p]laceholder\b|raise [N]otImplemented", re.IGNORECASE)
CLOCKS_AND_CHANCE = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "uuid4", "uuid.uuid4", "uuid1", "time.time",
    "time.monotonic", "time.perf_counter", "random.random", "os.urandom", "secrets.token_bytes", "secrets.token_hex",
}  # fmt: skip


def test_files_stay_under_300_lines() -> None:
    """A file that grows past 300 lines has two jobs."""
    long = [
        f"{path}: {text.count(chr(10))}"
        for path, text in texts()
        if path.suffix == ".py" and path.parts[0] in {"streams", "tests", "schemas"} and text.count("\n") > LONGEST_FILE
    ]
    assert not long


def test_functions_stay_under_40_lines() -> None:
    """A function that grows past 40 lines has two jobs."""
    long = [
        f"{module.path}:{f.lineno} {f.name}: {lines}"
        for module in modules("streams", "tests", "schemas")
        for f in module.functions
        if (lines := (f.end_lineno or f.lineno) - f.lineno + 1) > LONGEST_FUNCTION
    ]
    assert not long


def test_functions_take_at_most_six_arguments() -> None:
    """A function that asks for more than six things wants a dataclass."""
    many = []
    for module in modules("streams", "tests", "schemas"):
        for f in module.functions:
            asked = [a.arg for a in (*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs)]
            if len([a for a in asked if a not in {"self", "cls"}]) > MOST_ARGUMENTS:
                many.append(f"{module.path}:{f.lineno} {f.name}: {len(asked)}")
    assert not many


def test_names_say_what_is_inside() -> None:
    """No module or folder is named for being a heap."""
    heaps = [
        str(path)
        for path, _text in texts()
        if path.parts[0] in {"streams", "tests", "schemas", "training"}
        and NAMES_THAT_SAY_NOTHING & {*path.parts[:-1], path.stem}
    ]
    assert not heaps


def test_modules_open_with_one_line_that_says_what_they_are() -> None:
    """The first line of each module is one sentence."""
    wrong = []
    for module in modules("streams", "tests", "schemas", "training"):
        path = module.path
        if not module.tree.body and path.name == "__init__.py":
            continue
        said = (ast.get_docstring(module.tree, clean=False) or "").splitlines()
        if not said or not said[0].strip() or not said[0].rstrip().endswith((".", ":", "?")):
            wrong.append(str(path))
        elif len(said) > 1 and said[1].strip():
            wrong.append(f"{path}: its first sentence runs on")
    assert not wrong


def test_nothing_is_left_to_be_done_later() -> None:
    """Text in the checkout is finished: open work stands in issues."""
    found = [
        f"{path}:{number} {line.strip()[:80]}"
        for path, text in texts()
        if path.suffix not in {".lock", ".npz", ".svg"} and path.name != "LICENSE" and UNFINISHED.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert not found


def test_no_error_is_swallowed() -> None:
    """Whoever catches everything does something about it."""
    swallowed = [
        f"{module.path}:{getattr(node, 'lineno', 0)}"
        for module in modules("streams", "schemas", "training", "deploy")
        for node in module.nodes
        if _swallows(node)
    ]
    assert not swallowed


def _swallows(node: ast.AST) -> bool:
    if isinstance(node, ast.ExceptHandler):
        everything = node.type is None or _dotted(node.type) in {"Exception", "BaseException"}
        return everything and all(isinstance(s, ast.Pass | ast.Continue | ast.Expr) and _is_idle(s) for s in node.body)
    if isinstance(node, ast.Call) and _dotted(node.func) in {"suppress", "contextlib.suppress"}:
        return any(_dotted(argument) in {"Exception", "BaseException"} for argument in node.args)
    return False


def _is_idle(statement: ast.stmt) -> bool:
    return not isinstance(statement, ast.Expr) or isinstance(statement.value, ast.Constant)


def test_only_the_edges_ask_for_time_or_chance() -> None:
    """What decides is given its `now`, so that the same record gives the same bytes."""
    asked = [
        f"{module.path}:{node.lineno} {_dotted(node)}"
        for module in modules("streams")
        if not edge(module.path)
        for node in module.nodes
        if isinstance(node, ast.Attribute | ast.Name) and _dotted(node) in CLOCKS_AND_CHANCE
    ]
    assert not asked


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}".removeprefix("datetime.datetime.").lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def test_unit_tests_mirror_the_code() -> None:
    """tests/unit/x holds the tests of streams/x."""
    folders = {module.path.parent for module in modules("tests") if module.path.parts[1] == "unit"}
    astray = [str(f) for f in folders if not (ROOT / "streams" / f.relative_to("tests/unit")).is_dir()]
    assert not astray
