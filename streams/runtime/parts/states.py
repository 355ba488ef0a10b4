"""What a part is doing, as told to those who ask."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class State(StrEnum):
    """What a part is doing."""

    STARTING = "starting"
    RUNNING = "running"
    SILENT = "silent"  # its process lives, and it does not answer
    WAITING = "waiting"  # died; is started again after a pause
    STOPPED = "stopped"
    ELSEWHERE = "elsewhere"  # not ours, and answers
    AWAY = "away"  # not ours, and does not answer


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """One line of the stack's state.

    Attributes:
        name: of the part or child.
        state: what it is doing.
        since: when that began, ISO 8601 in UTC.
        pid, ticks: its process, and when the kernel started it; None where there is none.
        address: where it answers.
        restarts: how often it was started again.
        note: what a person should know; empty where nothing.
    """

    name: str
    state: State
    since: str
    pid: int | None = None
    ticks: int | None = None
    address: str = ""
    restarts: int = 0
    note: str = ""


def moment() -> str:
    """This moment, ISO 8601 in UTC to the second."""
    return datetime.fromtimestamp(int(time.time()), UTC).isoformat()
