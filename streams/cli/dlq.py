"""`wetread dlq`: what was set aside, why, and sending it again."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from streams.events.envelope import header
from streams.flow import BY_NAME, DEADLETTERS, RETRY
from streams.ports import Message, Record
from streams.runtime.settings import load
from streams.runtime.wiring import accept_dead_letters, addresses, connected

SHOWN = 2000
Number = Annotated[int, typer.Argument(help="Its number in `wetread dlq list`")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    dlq = typer.Typer(no_args_is_help=True, help="Dead letters: list, show, redrive, accept.")
    dlq.command("list")(list_letters)
    dlq.command("show")(show)
    dlq.command("redrive")(redrive)
    dlq.command("accept")(accept)
    app.add_typer(dlq, name="dlq")


def list_letters(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Each dead letter with its number, source and reason."""
    rows = [_facts(record) for record in asyncio.run(_letters())]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("#", "at", "source", "offset", "bytes"):
        table.add_column(column, no_wrap=True)
    table.add_column("reason", ratio=1)
    for row in rows:
        table.add_row(*(str(row[c]) for c in ("number", "at", "source", "offset", "bytes", "reason")))
    Console().print(table)


def show(number: Number) -> None:
    """One dead letter whole: its reason, headers and original bytes."""
    record = asyncio.run(_letter(number))
    for name, text in _facts(record).items():
        print(f"{name:8} {text}")
    for name, value in record.headers:
        print(f"{name}: {value[:SHOWN].decode(errors='backslashreplace')}")
    print((record.value or b"")[:SHOWN].decode(errors="backslashreplace"))


def redrive(
    number: Annotated[int | None, typer.Argument(help="Its number; without: --all")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Send dead letters again to the topic that they came from, their original bytes and headers."""
    if number is None and not everything:
        raise typer.BadParameter("name a number, or --all")
    sent = asyncio.run(_redrive(number))
    print(f"{sent} sent again")


def accept() -> None:
    """Let workers go on that stopped at 20 dead letters in a row: the events are at fault, not this build."""
    accepted = asyncio.run(accept_dead_letters(addresses(load()).redis, datetime.now(UTC)))
    print(f"{accepted} in a row are accepted; a worker that had stopped goes on with its next start (within a minute)")


async def _letters() -> list[Record]:
    async with connected(load()) as parts:
        return [record async for record in parts.log.read((DEADLETTERS,), follow=False)]


async def _letter(number: int) -> Record:
    for record in await _letters():
        if record.offset == number:
            return record
    raise typer.BadParameter(f"there is no dead letter {number}: see `wetread dlq list`")


async def _redrive(number: int | None) -> int:
    messages = []
    for record in await _letters():
        topic = header(record.headers, "wetread-source-topic") or ""
        if (number is None or record.offset == number) and (topic in BY_NAME or topic in RETRY.values()):
            kept = [(name, value) for name, value in record.headers if not name.startswith("wetread-")]
            messages.append(Message(topic, record.key or b"", record.value or b"", kept))
    async with connected(load()) as parts:
        await parts.log.send(messages)
    return len(messages)


def _facts(record: Record) -> dict[str, Any]:
    source = header(record.headers, "wetread-source-topic") or ""
    partition = header(record.headers, "wetread-source-partition")
    return {
        "number": record.offset,
        "at": record.written_at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        "source": f"{source}/{partition}" if partition else source,
        "offset": header(record.headers, "wetread-source-offset") or "",
        "bytes": len(record.value or b""),
        "object": header(record.headers, "wetread-object") or "",
        "reason": header(record.headers, "wetread-reason") or "no reason given",
    }
