"""One study's story: what was sent, what was answered, what was broken meanwhile, and every event of it, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams.chaos.verifier.history import Event, History
from streams.chaos.verifier.violations import Violation

LONGEST = 160
MARGIN = timedelta(seconds=10)
LEFT_OUT = frozenset({"study", "facts", "patient"})
"""Fields that are the same in all lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What happened, when, and where it stands."""

    at: datetime
    where: str
    what: str
    said: str


def named(history: History, text: str) -> str:
    """The one study whose UID is, or ends in, text.

    Raises:
        ValueError: none, or several.
    """
    known = {*history.studies, *history.record.studies}
    found = [text] if text in known else sorted(study for study in known if study.endswith(text))
    if len(found) != 1:
        raise ValueError(f"{text!r} names {len(found)} studies of this history; give more of its UID")
    return found[0]


def lines(history: History, study: str) -> list[Line]:
    """By the time at which each was seen."""
    events = [_event(e) for e in history.record.all if study in (e.study, e.key)]
    return sorted([*events, *_sent(history, study), *_torments(history, events)], key=lambda line: line.at)


def show(console: Console, history: History, study: str, found: Sequence[Violation]) -> None:
    """The story as a table, and what is broken in it."""
    sent = history.studies.get(study)
    console.print(f"[bold]{study}[/] (times in UTC, of events as the broker took them)")
    if sent is not None:
        answer = {True: "positive", False: "negative", None: "no answer"}[sent.positive]
        kinds = ", ".join(sorted(sent.kinds)) or "plain"
        console.print(f"sent as {kinds}: {len(sent.instances)} images; right is {sent.outcome}, {answer}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("at", "what", "said", "where"):
        table.add_column(column, overflow="fold")
    for line in lines(history, study):
        table.add_row(line.at.strftime("%H:%M:%S.%f")[:-3], line.what, escape(line.said), f"[dim]{line.where}[/]")
    console.print(table)
    for violation in found:
        if violation.study == study:
            console.print(f"[bold red]{violation.check}[/] {escape(violation.sentence)}", soft_wrap=True)


def _event(event: Event) -> Line:
    shown = {name: value for name, value in event.body.items() if name not in LEFT_OUT}
    said = json.dumps(shown, separators=(",", ":"))
    said = said if len(said) <= LONGEST else f"{said[:LONGEST]}..."
    return Line(at=event.at, where=event.where, what=event.type or "?", said=said)


def _sent(history: History, study: str) -> Iterator[Line]:
    for ack in history.acks:
        if ack.study == study:
            status = "no answer" if ack.status is None else f"status 0x{ack.status:04X}"
            yield Line(at=ack.at, where="acks", what="C-STORE", said=f"…{ack.instance[-8:]} {status}")
    for other in history.others:
        if other.said.get("study") == study:
            said = json.dumps({name: value for name, value in other.said.items() if name != "study"})
            yield Line(at=other.at, where="others", what=other.what, said=said)


def _torments(history: History, events: Sequence[Line]) -> Iterator[Line]:
    """Those that fell while the study was under way."""
    if not events:
        return
    begun, ended = min(e.at for e in events) - MARGIN, max(e.at for e in events) + MARGIN
    for torment in history.torments:
        over = torment.recovered_at or torment.ended_at
        if torment.at <= ended and over >= begun:
            lasted = f"{(torment.ended_at - torment.at).total_seconds():.1f} s"
            ready = f"ready {torment.recovered_at:%H:%M:%S}" if torment.recovered_at else "not ready again"
            said = f"{torment.target}: {lasted}, {ready}"
            yield Line(at=torment.at, where=f"torments {torment.number}", what=torment.fault.upper(), said=said)
