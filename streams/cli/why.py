"""`wetread why`: the whole story of one study, in order, from the record."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams.oversight.story import StoryLine, story
from streams.runtime.record.entries import entries
from streams.runtime.settings import load
from streams.runtime.wiring import connected, find_study


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("why")(why)


def why(
    study: Annotated[str, typer.Argument(help="Study Instance UID, or the end of one that is unique")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """What arrived, what was chosen and why, what each model said, each place and its reason, each alert."""
    uid, lines = asyncio.run(_story(study))
    if as_json:
        print(json.dumps({"study": uid, "story": [asdict(line) for line in lines]}, indent=2, default=str))
        return
    table = Table(box=None, padding=(0, 1), show_header=False)
    for line in lines:
        style = {"AlertRaised": "bold red", "StudyClosed": "bold"}.get(line.what, "")
        table.add_row(
            line.at.strftime("%H:%M:%S.%f")[:-3], f"[dim]{line.topic}[/]", line.what, line.sentence, style=style
        )
    console = Console()
    console.print(f"[bold]{uid}[/] (times in UTC)")
    console.print(table)


async def _story(study: str) -> tuple[str, tuple[StoryLine, ...]]:
    async with connected(load()) as parts:
        uid = await find_study(parts.log, study)
        record = [(e.record.topic, e.envelope) async for e in entries(parts.log)]
    return uid, story(record, uid)
