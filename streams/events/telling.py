"""Events of telling: places on the worklist, alerts, measurements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from streams.events.imaging import Priority
from streams.events.reading import Code, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a study has the place that it has."""

    kind: Literal["order", "finding", "override", "no-ai-result", "ineligible", "shadow"]
    sentence: str
    wait_s: int | None = None
    """The allowed wait that this reason gives, in seconds from arrival; None: it moves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceChanged:
    """The time by which a study is to be read, and why; the list is sorted by it."""

    study: str
    revision: int
    state: Literal["waiting", "opened", "read"]
    arrived_at: datetime
    read_by: datetime
    priority: Priority
    modality: str
    description: str
    reasons: tuple[Reason, ...]
    """The first decides the place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRaised:
    """A live model suspects an urgent finding: once per study, finding and model, whatever is sent again."""

    alert: str
    study: str
    revision: int
    patient: str
    finding: str
    code: Code
    model: str
    model_version: str
    score: float
    threshold: float
    read_by: datetime
    key_instances: tuple[str, ...]
    mask: str | None
    model_seconds: float
    last_stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertUpdated:
    """A later revision of the study changed the score of an alert that stands."""

    alert: str
    study: str
    revision: int
    score: float
    threshold: float
    positive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertClosed:
    """An alert has served: somebody opened or read the study."""

    alert: str
    study: str
    revision: int
    reason: Literal["opened", "read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementMade:
    """A number with its unit, keyed by patient so that a later study finds its priors."""

    patient: str
    study: str
    revision: int
    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    """The 95 % interval, where it is known."""
    model: str
    model_version: str
    role: Role
    series: str
