"""`wetread doctor`: what is missing, and which command mends it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from streams.errors import WetreadError
from streams.runtime.models.judging import judgement
from streams.runtime.parts.fetch import ensure_parts, missing_parts
from streams.runtime.parts.record import read_record
from streams.runtime.settings import Settings, load
from streams.runtime.wiring import parts_settings

ROOM_NEEDED = 3_000_000_000
"""Bytes that the fetched parts and a day of studies want, beside the reserve of the store."""

Check = Callable[[Settings], str]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor")(doctor)


def doctor(
    mend: Annotated[bool, typer.Option("--mend", help="Fetch the parts that are missing.")] = False,
) -> None:
    """Look at this machine and this installation; one sentence for each thing that is missing. Code 0: all well."""
    settings, console = load(), Console()
    if mend:
        ensure_parts(settings.home, lambda text: console.print(text, markup=False), parts_settings(settings))
    ill = 0
    for name, check in CHECKS.items():
        try:
            found, well = check(settings), True
        except WetreadError as error:
            found, well = str(error), False
        ill += not well
        if not mend or not well:
            console.print(f"{'[green]well[/]' if well else '[bold red]ill[/] '}  {name:9} ", end="")
            console.print(found, markup=False, highlight=False)
    raise typer.Exit(1 if ill else 0)


def _python(_settings: Settings) -> str:
    return f"Python {sys.version.split()[0]}"


def _parts(settings: Settings) -> str:
    missing = missing_parts(parts_settings(settings))
    if missing:
        raise WetreadError(f"{'; '.join(missing)}: run `wetread doctor --mend` (or `make setup`)")
    return "Kafka, Redis and Triton are here"


def _rules(settings: Settings) -> str:
    policies, contracts = judgement(settings)
    names = ", ".join(c.name for c in contracts) or "no models"
    return f"policies {policies.digest[:12]}, models: {names}"


def _room(settings: Settings) -> str:
    settings.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.home).free
    if free < ROOM_NEEDED:
        raise WetreadError(
            f"only {free / 1e9:.1f} GB free for {settings.home}: free some, or set WETREAD_HOME to another disk"
        )
    return f"{free / 1e9:.0f} GB free for {settings.home}"


def _stack(settings: Settings) -> str:
    record = read_record(settings.home)
    if record.stack is None:
        return "no stack runs here (`wetread up --detach` starts one)"
    ill = [p["name"] for p in record.parts if p["state"] not in {"running", "elsewhere"}]
    if ill:
        raise WetreadError(f"not well: {', '.join(ill)}; see {settings.home / 'logs'} and `wetread status`")
    return f"{len(record.parts)} parts run"


CHECKS: dict[str, Check] = {
    "python": _python, "parts": _parts, "rules": _rules, "room": _room, "stack": _stack,
}  # fmt: skip
