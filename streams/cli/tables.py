"""What people see in the terminal: the worklist, the alerts, the end of each study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from streams.oversight.ledger import Ledger, StudyLine

STYLE = {
    "analysed": "green", "ineligible": "dim", "rejected": "yellow", "failed": "red", "deadletter": "magenta",
}  # fmt: skip
PRIORITY = {"stat": "bold red", "urgent": "yellow", "routine": ""}
UID_SHOWN = 8


def short(study: str) -> str:
    """The end of a study UID: enough to tell studies apart on a screen."""
    return f"…{study[-UID_SHOWN:]}" if len(study) > UID_SHOWN else study


def clock(time: datetime | None) -> str:
    """Hours, minutes and seconds in the local time zone."""
    return time.astimezone().strftime("%H:%M:%S") if time else ""


def worklist(ledger: Ledger, names: Mapping[str, str], limit: int = 20) -> Table:
    """The studies that wait, the earliest read-by time first, each with its reason."""
    table = Table(title="Worklist: who is read first", box=box.SIMPLE_HEAD, title_justify="left", expand=True)
    for column, kind in (("#", "right"), ("read by", "left"), ("in", "right"), ("study", "left"), ("order", "left")):
        table.add_column(column, justify="right" if kind == "right" else "left", no_wrap=True)
    table.add_column("because", ratio=1)
    now = datetime.now(UTC)
    for rank, line in enumerate(ledger.worklist()[:limit], 1):
        if line.place is None:
            continue
        suspected = any(r.kind == "finding" for r in line.place.reasons)
        table.add_row(
            str(rank),
            clock(line.place.read_by),
            remaining((line.place.read_by - now).total_seconds()),
            _study(line, names),
            Text(line.place.priority, style=PRIORITY.get(line.place.priority, "")),
            Text("; ".join(r.sentence for r in line.place.reasons), style="bold red" if suspected else ""),
        )
    return table


def remaining(seconds: float) -> str:
    """A wait in the unit that people would say it in."""
    sign, whole = ("-", -seconds) if seconds < 0 else ("", seconds)
    hour, minute = 3600, 60
    if whole >= hour:
        return f"{sign}{whole / hour:.1f} h"
    return f"{sign}{whole / minute:.0f} min" if whole >= minute else f"{sign}{whole:.0f} s"


def alerts(ledger: Ledger, names: Mapping[str, str], limit: int = 8) -> Table:
    """The newest alerts first, with the time from the last slice."""
    table = Table(title="Alerts", box=box.SIMPLE_HEAD, title_justify="left", expand=True)
    for column in ("at", "study", "finding", "score", "after last slice", "of it model"):
        table.add_column(column, no_wrap=column != "finding")
    raised = [
        (line.told_at[alert.alert], line, alert) for line in ledger.lines.values() for alert in line.alerts.values()
    ]
    for told_at, line, alert in sorted(raised, key=lambda row: row[0], reverse=True)[:limit]:
        closed = alert.alert in line.alerts_closed
        table.add_row(
            clock(told_at),
            _study(line, names),
            Text(alert.finding.replace("_", " "), style="dim" if closed else "bold red"),
            f"{alert.score:.2f} ≥ {alert.threshold:.2f}",
            f"{(told_at - alert.last_stored_at).total_seconds():.2f} s",
            f"{alert.model_seconds:.2f} s",
        )
    return table


def outcomes(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Each study with its outcome and reason, place, alert and times (rows of `send --wait`)."""
    table = Table(title="Every study, and how it ended", box=box.SIMPLE_HEAD, title_justify="left", expand=True)
    for column in ("study", "rev", "outcome", "place", "alert", "score", "to alert", "model"):
        table.add_column(column, no_wrap=True, justify="left" if column in {"study", "outcome"} else "right")
    table.add_column("reason", ratio=1)
    for row in rows:
        times, told = row["times"], row["alerts"]
        table.add_row(
            row.get("name") or row.get("file") or short(row["study"] or ""),
            str(row["revision"] or ""),
            Text(row["outcome"], style=STYLE.get(row["outcome"], "bold red")),
            str(row["place"] or ""),
            Text("yes" if told else "", style="bold red"),
            ", ".join(f"{f['score']:.2f}" for f in row["findings"]),
            _seconds(times["seconds_to_alert"]),
            _seconds(times["model_seconds"]),
            row["reason"],
        )
    return table


def receipts(rows: Iterable[Mapping[str, Any]]) -> Table:
    """What the door has answered, study by study (rows of `send` without --wait)."""
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("study", "sent", "stored", "refused"):
        table.add_column(column)
    for row in rows:
        name = row["study"] or row["file"]
        table.add_row(name, str(row["sent"]), str(row["stored"]), "; ".join(row["refused"]))
    return table


def _seconds(value: float | None) -> str:
    return f"{value:.2f} s" if value is not None else ""


def _study(line: StudyLine, names: Mapping[str, str]) -> str:
    if line.study in names:
        return names[line.study]
    description = line.facts.description if line.facts else ""
    return f"{short(line.study)} {description or line.modality}".strip()
