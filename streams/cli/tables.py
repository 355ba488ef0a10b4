"""What people see in the terminal: the worklist, the alerts, the end of each study."""

from __future__ import annotations

import re
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
    for column in ("#", "read by", "in"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("study", ratio=2)
    table.add_column("because", ratio=3)
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
    for column in ("at", "study", "finding", "score", "last slice\nto alert", "of it\nmodel"):
        table.add_column(column, no_wrap=column not in {"study", "finding"})
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
    """Each study with its outcome and reason, place, alert and score, and the time from its last slice to the alert."""
    table = Table(title="Every study, and how it ended", box=box.SIMPLE_HEAD, title_justify="left", expand=True)
    table.add_column("study", ratio=1)
    for column in ("outcome", "place", "alert", "to alert\n(model)"):
        table.add_column(column, no_wrap=True, justify="left" if column == "outcome" else "right")
    for row in rows:
        times, told, revision = row["times"], row["alerts"], row["revision"]
        name = row.get("name") or row.get("file") or short(row["study"] or "")
        scores = " ".join(f"{f['score']:.2f}" for f in row["findings"] if f["role"] == "live")
        later = f" (revision {revision})" if revision > 1 else ""
        why = f"\n{row['reason']}" if row["reason"] and row["outcome"] != "analysed" else _beside(row["findings"])
        grown = "".join(f"\n{_short(g['said'])}" for g in row.get("growth", ()) if g["compared"])
        seconds, model = times["seconds_to_alert"], times["model_seconds"]
        table.add_row(
            Text.assemble(name, later, (why, "dim"), grown),
            Text(row["outcome"], style=STYLE.get(row["outcome"], "bold red")),
            str(row["place"] or ""),
            Text(f"ALERT {scores}" if told else scores, style="bold red" if told else ""),
            f"{seconds:.2f} s ({model:.2f} s)" if seconds is not None and model is not None else "",
        )
    return table


def _beside(findings: Iterable[Mapping[str, Any]]) -> str:
    """What models measured, a line each; a shadow's word is told as such."""
    lines = []
    for finding in findings:
        shadow = f"shadow model {finding['model']}: " if finding["role"] == "shadow" else ""
        if shadow or finding["measured"]:
            score = f"{finding['name'].replace('_', ' ')} {finding['score']:.2f}"
            lines.append(f"\n{shadow}{', '.join(part for part in (score, finding['measured']) if part)}")
    return "".join(lines)


def _short(sentence: str) -> str:
    """A growth sentence without classes and reservations, which `wetread why` tells in full."""
    return re.sub(r" \((?:[^()]|\([^()]*\))*\)", "", sentence.partition("; read in spite of")[0])


def receipts(rows: Iterable[Mapping[str, Any]]) -> Table:
    """What the door has answered, study by study (rows of `send` without --wait)."""
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("study", "sent", "stored", "refused"):
        table.add_column(column)
    for row in rows:
        name = row["study"] or row["file"]
        table.add_row(name, str(row["sent"]), str(row["stored"]), "; ".join(row["refused"]))
    return table


def _study(line: StudyLine, names: Mapping[str, str]) -> str:
    if line.study in names:
        return names[line.study]
    description = line.facts.description if line.facts else ""
    return f"{short(line.study)} {description or line.modality}".strip()
