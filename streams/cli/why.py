"""`wetread why`: the whole story of one study, in order, from the record."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams.errors import BrokerAway
from streams.oversight.story import StoryLine, story
from streams.ports import EventLog
from streams.runtime.record.about import about, find_study
from streams.runtime.settings import load
from streams.runtime.wiring import connected

WITHIN_S = 60.0


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("why")(why)


def why(
    study: Annotated[str, typer.Argument(help="Study Instance UID, or the end of one that is unique")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    within: Annotated[float, typer.Option(help="Seconds after which it gives up.")] = WITHIN_S,
) -> None:
    """What arrived, what was chosen and why, what each model said, each place and its reason, each alert."""
    uid, lines = asyncio.run(_story(study, within))
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


async def _story(study: str, within_s: float) -> tuple[str, tuple[StoryLine, ...]]:
    try:
        async with asyncio.timeout(within_s), connected(load()) as parts:
            return await told(parts.log, study)
    except TimeoutError as error:
        raise BrokerAway(
            f"the record was not read within {within_s:.0f} s: `wetread status` says whether Kafka answers; "
            "a whole UID is found sooner than the end of one, and --within gives more time"
        ) from error


async def told(log: EventLog, study: str) -> tuple[str, tuple[StoryLine, ...]]:
    """The study's whole UID, and its story; empty where nothing is known of it.

    Raises:
        SettingInvalid: it names no study, or several.
    """
    uid = await find_study(log, study)
    return uid, story([(entry.record.topic, entry.envelope) for entry in await about(log, uid)], uid)
