"""The verdict for people: a table of checks, a table of figures, the violations; and for machines as JSON."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams.chaos.verifier.bars import Bar, bars
from streams.chaos.verifier.figures import Figures, Spread
from streams.chaos.verifier.history import History
from streams.chaos.verifier.verdict import CHECKS, LAWS
from streams.chaos.verifier.violations import Violation

SHOWN = 20


def document(history: History, found: Sequence[Violation], figures: Figures) -> dict[str, Any]:
    """The whole verdict, for verdict.json."""
    return {
        "kept": not found,
        "seed": history.plan.get("seed"),
        "minutes": history.plan.get("minutes"),
        "rate": history.plan.get("rate"),
        "profile": history.plan.get("profile"),
        "catalogue": history.plan.get("catalogue"),
        "quiet": history.run.get("quiet_at") is not None,
        "protections_off": history.plan.get("protections_off", []),
        "checks": dict.fromkeys(CHECKS, 0) | Counter(violation.check for violation in found),
        "violations": [asdict(violation) for violation in found],
        "figures": figures.plain(),
        "bars": [{**asdict(bar), "met": bar.met} for bar in bars(figures)],
    }


def show(console: Console, history: History, found: Sequence[Violation], figures: Figures) -> None:
    """All of it; the longest tables first, what is broken last, where the eye is."""
    console.print(_faults(figures))
    console.print(_figures(figures))
    if figures.growth:
        console.print(_growth(figures))
    if any(figures.points.values()):
        console.print(_points(figures))
    console.print(_bars(bars(figures)))
    console.print(_checks(found))
    for violation in found[:SHOWN]:
        where = f" [dim]({', '.join(violation.events)})[/]" if violation.events else ""
        study = f"study {violation.study}: " if violation.study else ""
        console.print(f"[bold red]{violation.check}[/] {escape(study + violation.sentence)}{where}", soft_wrap=True)
    if len(found) > SHOWN:
        console.print(f"... and {len(found) - SHOWN} more, in verdict.json")
    console.print(_last_word(history, found), soft_wrap=True)


def _last_word(history: History, found: Sequence[Violation]) -> str:
    seed = f"seed {history.plan.get('seed')}, {history.plan.get('minutes')} minutes"
    if not found:
        return f"[bold green]The promise held[/] ({seed}): {len(history.record.all)} records, {len(CHECKS)} checks."
    study = next((violation.study for violation in found if violation.study), None)
    hint = f"\nOne study's story: {story_command(history.folder, study)}" if study else ""
    count = "1 violation" if len(found) == 1 else f"{len(found)} violations"
    return f"[bold red]{count}[/] ({seed}); the history is kept in {escape(str(history.folder))}{hint}"


def story_command(folder: Path, study: str) -> str:
    """What to type to see the study's story."""
    return shlex.join([sys.executable, "-m", "streams.chaos.verifier", "story", str(folder), study])


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _checks(found: Sequence[Violation]) -> Table:
    counts = Counter(violation.check for violation in found)
    table = _table("promises", "check", "broken")
    table.add_column("what is held")
    for name, law in LAWS.items():
        style = "bold red" if counts[name] else ""
        table.add_row(name, str(counts[name]), law, style=style)
    return table


def _faults(figures: Figures) -> Table:
    table = _table(
        "faults", "fault", "times", "not ready again", "ready after median s", "p95 s", "flow after median s", "p95 s"
    )
    for fault, times in figures.faults.items():
        ready, flow = figures.recovery[fault], figures.flow[fault]
        row = (times, figures.unrecovered.get(fault, 0), ready.median_s, ready.p95_s, flow.median_s, flow.p95_s)
        table.add_row(fault, *map(_number, row))
    return table


def by_point(points: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Fault point to how often a process was crashed before and after it."""
    names = dict.fromkeys(name.rpartition(".")[0] for name in sorted(points))
    return {name: (points.get(f"{name}.before", 0), points.get(f"{name}.after", 0)) for name in names}


def _points(figures: Figures) -> Table:
    table = _table("crashes at fault points", "point", "before", "after")
    for point, (before, after) in by_point(figures.points).items():
        table.add_row(point, str(before), str(after))
    return table


def _growth(figures: Figures) -> Table:
    table = _table(
        "growth while studies were sent", "of", "an hour", "error", "level", "an hour, %", "samples", "lives"
    )
    for name, found in figures.growth.items():
        share = 100 * found.per_hour / found.level if found.level else None
        cells = (found.per_hour, found.error, found.level, None if share is None else round(share, 1))
        table.add_row(name, *map(_number, cells), str(found.samples), str(found.lives))
    return table


def _figures(figures: Figures) -> Table:
    table = _table("figures", "figure", "value")
    kills = ", ".join(f"{part} {times}" for part, times in sorted(figures.kills.items())) or "none"
    crashed_at = sum(any(sides) for sides in by_point(figures.points).values())
    rows: list[tuple[str, object]] = [
        ("studies", figures.studies),
        ("instances acknowledged", figures.acknowledged),
        ("kill -9 per part", kills),
        ("crashes at fault points", f"{sum(figures.points.values())} at {crashed_at} points"),
        ("lost", figures.lost),
        ("doubled effects", figures.doubled),
        ("given up, and shown so", figures.given_up),
        ("let go by policy", figures.let_go),
        ("requests, of these answered more than once", f"{figures.readings}, {figures.redone_percent} %"),
        ("readings asked for in both lanes", f"{figures.hastened_percent} %"),
        ("records that repeat an event", f"{figures.repeated_percent} %"),
        ("last image to outcome", _spread(figures.to_effect)),
        ("last image to alert", _spread(figures.to_alert)),
        ("last image to outcome where nothing fell", _spread(figures.calm)),
        ("later than that median while all is restarted", _spread(figures.restart_delays)),
        ("longest silence of a partition", _spread(figures.silence_longest)),
        ("poison until its dead letter", _spread(figures.poison)),
        ("partitions silent after a worker's kill", _spread(figures.silence_after_kill)),
    ]
    for what, value in rows:
        table.add_row(what, str(value))
    return table


def _bars(held: Sequence[Bar]) -> Table:
    table = _table("bars", "bar", "limit", "measured", "")
    words = {True: "[green]met[/]", False: "[bold red]missed[/]", None: "[dim]not measured[/]"}
    for bar in held:
        table.add_row(bar.what, _number(bar.limit), _number(bar.measured), words[bar.met])
    return table


def _spread(found: Spread) -> str:
    if not found.count:
        return "none"
    return f"median {found.median_s} s, p95 {found.p95_s} s, longest {found.longest_s} s ({found.count})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
