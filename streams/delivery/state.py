"""What delivery remembers of a study: its facts, its revisions, how each reading ended, its alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from streams.events.imaging import Priority
from streams.events.reading import FindingMade, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The study as it was routed last."""

    study: str
    patient: str
    priority: Priority
    arrived_at: datetime
    revision: int
    examined_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A revision: the readings that it rests on ("model#revision"), and whether its outcome is said."""

    revision: int
    models: tuple[str, ...]
    readings: tuple[str, ...]
    last_stored_at: datetime
    closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a reading ended.

    Attributes:
        sentence: for the outcome of the revisions that rest on it.
        alert: id of the alert that stands for it.
        held: a finding that came before the study was routed; it is told then.
    """

    how: Literal["answered", "quality", "failed", "held"]
    role: Role
    sentence: str = ""
    alert: str | None = None
    held: FindingMade | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An alert, or what is known of a finding that may become one.

    Attributes:
        state: quiet (never raised), raised, closed.
        alert: its id, of the newest if it was raised more than once.
        revision, score, threshold, positive: of the newest revision that is answered.
        seen: the newest revision that was there when somebody opened or read the study after it was raised.
    """

    state: Literal["quiet", "raised", "closed"]
    alert: str | None
    revision: int
    score: float
    threshold: float
    positive: bool
    seen: int = 0
