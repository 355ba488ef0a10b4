"""`wetread status`: each part and worker, lag per topic, open studies, dead letters."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams.adapters.kafka_lag import lag, written
from streams.cli.tables import clock
from streams.errors import WetreadError
from streams.flow import DEADLETTERS, TRIAGE
from streams.runtime.inference.told import FOLDER, not_asked
from streams.runtime.parts.record import read_record
from streams.runtime.settings import Settings, load
from streams.runtime.wiring import GROUPS, addresses, waiting_studies

SHOWN = ("name", "state", "since", "pid", "address", "restarts", "note")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("status")(status)


def status(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """How everything is. Code 0 only if every part runs and answers what it is asked for this, and models are asked."""
    settings = load()
    found = asyncio.run(_status(settings))
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _print(found)
    runs = bool(found["parts"]) and all(p["state"] in {"running", "elsewhere"} for p in found["parts"])
    well = runs and "error" not in found and not found.get("not_asked")
    raise typer.Exit(0 if well else 1)


async def _status(settings: Settings) -> dict[str, Any]:
    record = read_record(settings.home)
    parts = [{name: part.get(name) for name in SHOWN} for part in record.parts]
    found: dict[str, Any] = {
        "home": str(settings.home),
        "stack": record.stack.pid if record.stack else None,
        "parts": parts,
        "not_asked": [asdict(one) for one in not_asked(settings.home / FOLDER, _readers(parts))],
    }
    if not parts:
        return found
    try:
        at = addresses(settings)
        found["lag"] = await asyncio.to_thread(lag, at.kafka, GROUPS)
        found["dead_letters"] = (await asyncio.to_thread(written, at.kafka, (DEADLETTERS,)))[DEADLETTERS]
        found["open_studies"] = await waiting_studies(at.redis, TRIAGE)
    except WetreadError as error:
        found["error"] = str(error)
    return found


def _readers(parts: list[dict[str, Any]]) -> list[str]:
    """Those that live; what a dead one told is of the past."""
    return [part["name"] for part in parts if part["name"].startswith("reader-") and part["pid"]]


def _print(found: dict[str, Any]) -> None:
    console = Console()
    if not found["parts"]:
        console.print(f"No stack has run in {found['home']}: `wetread up --detach` or `make demo`.")
        return
    table = Table(box=box.SIMPLE_HEAD, expand=True)
    for column in ("name", "state", "since", "pid", "starts"):
        table.add_column(column, no_wrap=True)
    table.add_column("address", ratio=1, overflow="fold")
    for part in found["parts"]:
        well = part["state"] in {"running", "elsewhere"}
        table.add_row(
            part["name"],
            part["state"],
            clock(datetime.fromisoformat(part["since"])),
            str(part["pid"] or ""),
            str(1 + part["restarts"]),
            " ".join(filter(None, (part["address"], part["note"]))),
            style="" if well else "bold red",
        )
    console.print(table)
    behind = {topic: lag for topic, lag in found.get("lag", {}).items() if lag}
    lines = Table.grid(padding=(0, 2))
    lines.add_row("waiting to be read", str(found.get("open_studies", "?")))
    lines.add_row("dead letters", str(found.get("dead_letters", "?")))
    told = ", ".join(f"{t}: {n}" for t, n in behind.items()) or "none"
    lines.add_row("lag", told if "lag" in found else "?")
    for one in found.get("not_asked", ()):
        since = clock(datetime.fromisoformat(one["since"]))
        told = f"{one['model']} by {one['reader']} since {since}: {one['why']}"
        lines.add_row("not asked", f"[bold red]{escape(told)}[/]")
    console.print(lines)
    if "error" in found:
        console.print(f"[bold red]{found['error']}[/]")
