"""Bendings of a history in which what was read leaves: its last words come after it was let go."""

from __future__ import annotations

from datetime import datetime, timedelta

from streams.events.envelope import timestamp
from tests.support.history_rows import Rows, amend, body, uid

READ = uid(6)


def let_go_early(rows: Rows) -> None:
    rows.find("imaging.instances", "StudyLetGo", READ)["timestamp"] -= 250_000


def let_go_by_an_earlier_end(rows: Rows) -> None:
    row = rows.find("imaging.instances", "StudyLetGo", READ)
    ended = datetime.fromisoformat(body(row)["ended_at"])
    amend(row, ended_at=timestamp(ended - timedelta(seconds=5)))


def let_go_under_an_alert(rows: Rows) -> None:
    rows.find("triage.alerts", "AlertClosed", READ)["timestamp"] += 600_000


def let_go_without_an_outcome(rows: Rows) -> None:
    rows.find("triage.outcomes", "StudyClosed", READ)["timestamp"] += 600_000


def let_go_unread(rows: Rows) -> None:
    rows.find("triage.worklist", "PlaceChanged", READ, -1)["timestamp"] += 600_000
