"""Events of watching: what people did with a study, and how each study ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from streams.events.imaging import Priority

StudyOutcome = Literal["analysed", "ineligible", "rejected", "failed"]
"""The four ends of a study: read by a model, no model reads it, images will not do, something broke."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOpened:
    """Somebody has the study on the screen."""

    study: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSigned:
    """The study is read."""

    study: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityOverridden:
    """A person says how urgent the study is; it wins over order and models until it is said again."""

    study: str
    by: str
    priority: Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyClosed:
    """The one outcome of one revision of a study."""

    study: str
    revision: int
    outcome: StudyOutcome
    reason: str
    models: tuple[str, ...]
    alerts: tuple[str, ...]
    last_stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyLetGo:
    """The study had ended, and is kept no longer (RetentionPolicy): its state goes, then its objects.

    revision: the newest that it had. What comes of it from then on begins the next one.
    """

    study: str
    revision: int
    ended_at: datetime
