"""`wetread watch`: the worklist and the alerts, live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated

import typer
from rich import get_console
from rich.console import Console, Group
from rich.live import Live

from streams.cli import tables
from streams.oversight.ledger import Ledger
from streams.runtime.record.entries import entries
from streams.runtime.record.following import Following
from streams.runtime.settings import load
from streams.runtime.wiring import connected

REDRAW_S = 1.0
"""The countdowns move by themselves; everything else is drawn as it happens."""
REST_S = 0.2
"""Between two drawings: of the hundreds of images of a study each moves the record, and drawing takes a core."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("watch")(watch)


def watch(
    once: Annotated[bool, typer.Option("--once", help="Print the whole worklist as it is now, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: print one JSON document.")] = False,
) -> None:
    """Show who is read first and why, and each alert, as it happens; Ctrl-C ends."""
    if once or as_json:
        _print(asyncio.run(_now()), as_json=as_json)
        return
    with suppress(KeyboardInterrupt):
        asyncio.run(_watch())


async def _now() -> Ledger:
    """What the record says by now; Redis is not asked."""
    ledger = Ledger()
    async with connected(load()) as parts:
        async for entry in entries(parts.log):
            ledger.take(entry.record.topic, entry.envelope, entry.record.written_at)
    return ledger


def _print(ledger: Ledger, *, as_json: bool) -> None:
    if not as_json:
        Console().print(tables.worklist(ledger, {}, len(ledger.lines)))
        return
    places = [line.place for line in ledger.worklist() if line.place]
    rows = [{"study": p.study, "read_by": p.read_by, "reasons": [r.sentence for r in p.reasons]} for p in places]
    print(json.dumps(rows, indent=2, default=str))


async def _watch() -> None:
    async with connected(load()) as parts, Following(parts.log) as following:
        with Live(screen(following, {}), auto_refresh=False, screen=False) as live:
            while True:
                await draw(live, following, {})


async def draw(live: Live, following: Following, names: Mapping[str, str]) -> None:
    """Wait for the record to move, a second at most, draw, and rest."""
    before = following.version
    await following.until(lambda: following.version != before, REDRAW_S)
    live.update(screen(following, names), refresh=True)
    await following.until(lambda: False, REST_S)


def screen(following: Following, names: Mapping[str, str]) -> Group:
    """The worklist above the alerts, one line of counts below."""
    ledger, height = following.ledger, get_console().size.height
    listed, told = max(3, (height - 14) // 3), max(2, (height - 14) // 6)  # most rows take two lines
    open_ones = sum(1 for line in ledger.lines.values() if line.outcome is None)
    counts = f"{len(ledger.lines)} studies, {open_ones} open, {len(following.dead_letters)} dead letters"
    return Group(tables.worklist(ledger, names, listed), tables.alerts(ledger, names, told), f"[dim]{counts}[/]")
