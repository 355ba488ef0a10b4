"""`wetread replay`: a recorded day through another policy or threshold, beside the live flow."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams.cli.tables import short
from streams.oversight.shadow import by_the_candidate
from streams.runtime.models.judging import LiveRules, judgement
from streams.runtime.record.replay import Comparison, ShadowLog, replayed
from streams.runtime.settings import load
from streams.runtime.wiring import connected

FORMATS = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("replay")(replay)


def replay(
    since: Annotated[
        datetime | None, typer.Option("--from", formats=FORMATS, help="Only studies stored since then.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=FORMATS, help="Only studies stored until then.")
    ] = None,
    policies: Annotated[
        Path | None,
        typer.Option(help="Folder of candidate policies (*.toml), with the roles of now; without: the rules of then."),
    ] = None,
    run: Annotated[str, typer.Option(help="Name of the run: its topics are shadow.<run>.*")] = "replay",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Step the recorded events again; no model is asked, only shadow topics are written. Prints what differs."""
    found = asyncio.run(_replay(since, until, policies, run))
    if as_json:
        print(json.dumps(asdict(found), indent=2))
        return
    console = Console()
    for difference in found.differences:
        console.print(
            f"[bold]{short(difference.study)}[/] {difference.what}: live {difference.live or 'none'} | "
            f"shadow {difference.shadow or 'none'}"
        )
    console.print(_totals(found, run))


async def _replay(since: datetime | None, until: datetime | None, policies: Path | None, run: str) -> Comparison:
    settings = load()
    rules, contracts = judgement(settings, policies)
    async with connected(settings) as parts:
        then = None if policies else await LiveRules(settings).recall(parts.log)
        said, found = await replayed(
            parts.log,
            rules,
            contracts,
            since=_aware(since),
            until=_aware(until),
            rules_of=by_the_candidate if then is None else partial(then.of, partition=0),
        )
        shadow = ShadowLog(parts.log, run)
        await parts.shadow_topics(shadow.prefix)
        await shadow.send(said)
    return found


def _aware(time: datetime | None) -> datetime | None:
    return time.astimezone() if time else None


def _totals(found: Comparison, run: str) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("studies compared", str(found.studies))
    table.add_row("recorded decisions", str(found.events))
    table.add_row("said again byte for byte", str(found.equal))
    table.add_row("said otherwise / missing / new", f"{found.changed} / {found.missing} / {found.new}")
    table.add_row("studies that differ", str(len({d.study for d in found.differences})))
    table.add_row("written to", f"shadow.{run}.*")
    return table
