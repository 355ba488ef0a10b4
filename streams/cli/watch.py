"""`wetread watch`: the worklist and the alerts, live."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import typer
from rich import get_console
from rich.console import Group
from rich.live import Live

from streams.cli import tables
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


def watch() -> None:
    """Show who is read first and why, and each alert, as it happens; Ctrl-C ends."""
    with suppress(KeyboardInterrupt):
        asyncio.run(_watch())


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
