"""`wetread send`: one's own DICOM through the real doors, and what became of each study."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from streams.cli import tables
from streams.cli.mark import level
from streams.events.words import measured
from streams.oversight.growing import growth_told
from streams.oversight.ledger import Ledger, StudyLine
from streams.runtime.record.following import Following
from streams.runtime.sending import Delivery, Offer, deliver, offer, order_for, settled
from streams.runtime.settings import load
from streams.runtime.wiring import connected


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("send")(send)


def send(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files and folders, taken with all below.")],
    priority: Annotated[str | None, typer.Option(help="Place an order: stat, urgent or routine.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for each study's outcome and print it.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most.")] = 600.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Send DICOM by C-STORE (what is no DICOM goes to the watched folder). With --wait, code 0 only if all ended."""
    asked = level(priority) if priority else None
    offered = offer(paths)
    if not offered.files and not offered.others:
        raise typer.BadParameter("no file under these paths")
    rows, ended = asyncio.run(_send(offered, asked, wait, timeout))
    if as_json:
        print(json.dumps(rows, indent=2, default=str))
    else:
        Console().print(tables.outcomes(rows) if wait else tables.receipts(rows))
    raise typer.Exit(0 if ended else 1)


async def _send(offered: Offer, priority: Any, wait: bool, timeout: float) -> tuple[list[dict[str, Any]], bool]:
    settings = load()
    async with connected(settings) as parts:
        if priority:
            await order_for(parts.log, settings, offered.files, priority)
        if not wait:
            delivery = await deliver(offered, settings)
            return _receipts(offered, delivery), not delivery.refused
        async with Following(parts.log) as following:
            delivery = await deliver(offered, settings)
            ended = await settled(following, delivery, timeout)
            rows = result_rows(following, offered, delivery)
    return rows, ended and not delivery.refused


def _receipts(offered: Offer, delivery: Delivery) -> list[dict[str, Any]]:
    stored = delivery.stored
    rows: list[dict[str, Any]] = [
        {
            "study": study,
            "sent": sum(f.study == study for f in offered.files),
            "stored": len(stored.get(study, ())),
            "refused": sorted({f"{s.status:#06x} {s.comment}" if s.status is not None else s.comment
                               for s in delivery.refused if s.file.study == study}),
        }
        for study in offered.studies
    ]  # fmt: skip
    return rows + [{"study": None, "file": str(p), "sent": 1, "stored": 1, "refused": []} for p in offered.others]


def result_rows(following: Following, offered: Offer, delivery: Delivery) -> list[dict[str, Any]]:
    """A row per study, and one per file that is none, in the order in which they were sent."""
    ledger = following.ledger
    refused = {s.file.study: s.comment for s in delivery.refused}
    rows = [study_row(ledger, ledger.lines.get(s), s, refused.get(s, "")) for s in offered.studies]
    reasons = {
        value.decode(): letter.reason
        for letter in following.dead_letters
        for name, value in letter.record.headers
        if name in {"wetread-object", "wetread-instance"}
    }
    dead = {f.study: reasons[f.instance] for f in offered.files if f.instance in reasons}
    for row in rows:
        if row["outcome"] == "open" and row["study"] in dead:
            row["outcome"], row["reason"] = "deadletter", dead[row["study"]]
    for digest, path in delivery.dropped.items():
        study = ledger.studies_of_object.get(digest)
        if study:
            rows += [] if study in offered.studies else [study_row(ledger, ledger.lines[study], study, "")]
        else:
            outcome = "deadletter" if digest in reasons else "open"
            rows.append(
                {**study_row(ledger, None, None, reasons.get(digest, "")), "file": path.name, "outcome": outcome}
            )
    return rows


def study_row(ledger: Ledger, line: StudyLine | None, study: str | None, reason: str) -> dict[str, Any]:
    """One study as `send --wait --json` prints it; outcome "open": it has none yet."""
    if line is None:
        line = StudyLine(study=study or "")
    outcome = line.outcome
    return {
        "study": study,
        "outcome": outcome.outcome if outcome else "open",
        "reason": outcome.reason if outcome else reason,
        "revision": line.revision,
        "findings": [
            {"model": f.model, "name": f.name, "score": f.score, "threshold": f.threshold, "role": f.role,
             "measured": measured(f)}
            for f in line.newest_findings
        ],
        "measurements": [{"name": m.name, "value": m.value, "unit": m.unit, "low": m.low, "high": m.high,
                          "role": m.role} for m in line.measurements],
        "growth": [{"model": g.model, "edition": g.edition, "compared": g.compared, "said": growth_told(g)}
                   for g in line.growths.values()],
        "alerts": [
            {"alert": a.alert, "finding": a.finding, "score": a.score, "told_at": line.told_at[a.alert],
             "read_by": a.read_by}
            for a in line.alerts.values()
        ],
        "place": ledger.place_of(line.study),
        "read_by": line.place.read_by if line.place else None,
        "times": {
            "first_stored_at": line.first_stored_at,
            "last_stored_at": line.last_stored_at,
            "closed_at": line.closed_at,
            "seconds_to_alert": line.seconds_to_alert,
            "model_seconds": max((a.model_seconds for a in line.answers.values()), default=None),
        },
    }  # fmt: skip
