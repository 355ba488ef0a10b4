"""`wetread models`: which models are there, what each reads, and whether it answers its canary."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from streams.contract import Contract
from streams.errors import WetreadError
from streams.runtime.judging import judgement, model_server
from streams.runtime.settings import load


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("models")(models)


def models(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Each model folder: version, role, what it needs, its threshold, and its state on the model server."""
    rows = asyncio.run(_rows())
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("model", "version", "role", "reads", "finding", "threshold", "state"):
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(row[c]) for c in ("model", "version", "role", "reads", "finding", "threshold", "state")))
    Console().print(table)


async def _rows() -> list[dict[str, Any]]:
    settings = load()
    policies, contracts = judgement(settings)
    rows = []
    async with model_server(settings) as server:
        for contract in contracts:
            try:
                await server.ready(contract)
                state = "ready: answered its canary"
            except WetreadError as error:
                state = str(error)
            rows.append(_row(contract, policies.routing.roles, policies.routing.thresholds, state))
    return rows


def _row(contract: Contract, roles: dict[str, str], thresholds: dict[str, float], state: str) -> dict[str, Any]:
    needs = contract.needs
    return {
        "model": contract.name,
        "version": contract.version,
        "title": contract.title,
        "role": roles.get(contract.name, contract.role),
        "reads": f"{'/'.join(needs.modality)} {needs.body_part}, {needs.orientation}, {needs.coverage_mm:.0f} mm",
        "finding": contract.finding.name,
        "threshold": thresholds.get(contract.name, contract.finding.threshold),
        "state": state,
    }
