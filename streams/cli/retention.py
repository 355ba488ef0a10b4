"""`wetread retention`: what is kept and why, and removing what is kept no longer."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from streams.runtime.keeping.asking import swept
from streams.runtime.keeping.sweep import Sweep
from streams.runtime.settings import load

MB = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("retention")(retention)


def retention(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would leave, and why the rest stays.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Remove the objects of studies that are kept no longer (deploy/policies/retention.toml); nothing that is open."""
    found = asyncio.run(swept(load(), dry=dry_run))
    if as_json:
        print(json.dumps(_facts(found, dry=dry_run)))
    else:
        _print(found, dry=dry_run)


def _facts(found: Sweep, *, dry: bool) -> dict[str, Any]:
    leaves = found.next_leaves_at
    return {
        "dry_run": dry,
        "objects": found.objects,
        "bytes": found.size,
        "leave": found.leave,
        "leave_bytes": found.leave_size,
        "removed": found.removed,
        "stay": dict(found.stays),
        "studies": dict(found.studies),
        "next_leaves_at": leaves.isoformat() if leaves else None,
    }


def _print(found: Sweep, *, dry: bool) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_row("objects", f"{found.objects}, {found.size / MB:.0f} MB")
    leave = f"{found.leave}, {found.leave_size / MB:.0f} MB"
    table.add_row("would leave" if dry else "removed", leave if dry else f"{found.removed} of {leave}")
    for why, count in sorted(found.stays.items(), key=lambda item: -item[1]):
        table.add_row("stay", f"{count}: {why}")
    for how, count in sorted(found.studies.items()):
        table.add_row("studies", f"{count} {how}")
    if found.next_leaves_at:
        table.add_row("next study leaves", f"{found.next_leaves_at.astimezone():%Y-%m-%d %H:%M:%S}")
    Console().print(table)
