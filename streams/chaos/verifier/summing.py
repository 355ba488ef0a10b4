"""Several runs summed into the rows of tests/chaos/README.md: kills per part, crashes per point, what was lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from streams.chaos.verifier.printing import by_point

VERDICT = "verdict.json"
NONE = "-"
QUIET = {True: "yes", False: "no", None: NONE}


def verdict(folder: Path) -> Mapping[str, Any]:
    """What the verifier has said of a history.

    Raises:
        ValueError: it was not asked yet.
    """
    path = folder / VERDICT
    if not path.is_file():
        raise ValueError(f"{folder} holds no {VERDICT}: python -m streams.chaos.verifier {folder} writes it")
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def lines(folders: Sequence[Path]) -> Iterator[str]:
    """Three tables in Markdown: a row for each run and their sum, kills per part, crashes per point.

    Times are not summed: of medians and 95th percentiles, each run has its own.
    """
    verdicts = [verdict(folder) for folder in folders]
    yield from _runs(verdicts)
    yield ""
    kills = _summed([one["figures"]["kills"] for one in verdicts])
    yield from _table("killed by SIGKILL", ("times",), sorted(kills.items()))
    yield ""
    points = by_point(_summed([one["figures"]["points"] for one in verdicts]))
    rows = [(point, before, after, before + after) for point, (before, after) in points.items()]
    yield from _table("crashed at", ("before", "after", "in all"), rows)
    yield ""
    faults = _summed([one["figures"]["faults"] for one in verdicts])
    late = _summed([one["figures"]["unrecovered"] for one in verdicts])
    rest = [(fault, n, late[fault]) for fault, n in sorted(faults.items())]
    yield from _table("fault", ("times", "not ready again in time"), rest)


def _runs(verdicts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    columns = (
        "studies", "instances", "violations", "lost", "doubled", "given up, and shown", "quiet", "answered again",
        "last image to outcome", "to alert", "bars missed",
    )  # fmt: skip
    yield from _table("run", columns, [_run(one) for one in verdicts])
    all_of = [one["figures"] for one in verdicts]
    minutes = sum(float(one.get("minutes") or 0) for one in verdicts)
    counts = [sum(f[name] for f in all_of) for name in ("studies", "acknowledged")]
    broken = sum(len(one["violations"]) for one in verdicts)
    counts += [broken, *(sum(f[name] for f in all_of) for name in ("lost", "doubled", "given_up"))]
    told = [one["quiet"] for one in verdicts if one.get("quiet") is not None]
    quiet = f"{sum(told)} of {len(told)}"
    readings = sum(f["readings"] for f in all_of)
    again = sum(f["readings"] * f["redone_percent"] for f in all_of) / readings if readings else 0.0
    cells = [*counts, quiet, f"{again:.1f} %", NONE, NONE, NONE]
    yield f"| in all: {len(verdicts)} runs, {minutes:g} minutes | {' | '.join(map(str, cells))} |"


def _name(one: Mapping[str, Any]) -> str:
    profile = f", {one['profile']}" if one.get("profile") else ""
    rate = f" at {one['rate']:g} a second" if one.get("rate") else ""
    catalogue = f" (catalogue {one['catalogue']})" if one.get("catalogue") else ""
    return f"seed {one['seed']}{profile}, {one['minutes']:g} minutes{rate}{catalogue}"


def _run(one: Mapping[str, Any]) -> tuple[object, ...]:
    figures = one["figures"]
    missed = [f"{bar['what']} ({bar['measured']:g})" for bar in one["bars"] if bar["met"] is False]
    return (
        _name(one), figures["studies"], figures["acknowledged"], len(one["violations"]), figures["lost"],
        figures["doubled"], figures["given_up"], QUIET[one.get("quiet")], f"{figures['redone_percent']:.1f} %",
        _spread(figures["to_effect"]), _spread(figures["to_alert"]), "; ".join(missed) or "none",
    )  # fmt: skip


def _spread(found: Mapping[str, Any]) -> str:
    if not found["count"]:
        return NONE
    return f"{found['median_s']:.1f} s, p95 {found['p95_s']:.1f} s, longest {found['longest_s']:.1f} s"


def _summed(counts: Sequence[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return total


def _table(first: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    yield f"| {first} | {' | '.join(columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    for cells in rows:
        yield f"| {' | '.join(map(str, cells))} |"
