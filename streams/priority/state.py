"""What priority remembers of a study."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from streams.events.imaging import Priority
from streams.events.reading import Role
from streams.events.telling import PlaceChanged


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """The study as it was routed last."""

    revision: int
    priority: Priority
    has_order: bool
    modality: str
    description: str
    arrived_at: datetime
    ineligible: str | None = None
    awaited: tuple[str, ...] = ()
    """Live readings that this revision rests on, as "model#revision"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One model's finding on one revision.

    Attributes:
        at: when its answer was heard.
        overruled: a person had said how urgent the study is, knowing of it: it no longer moves the study.
    """

    model: str
    revision: int
    role: Role
    name: str
    score: float
    positive: bool
    at: datetime
    overruled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no answer to a reading; not final: it is tried again."""

    model: str
    revision: int
    role: Role
    reason: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """All that decides the place; the place itself is computed from it (streams.priority.place).

    Attributes:
        order: priority as last said by PriorityChanged; None: as routed.
        override: what a person said, and who.
        findings, failures: by "model#revision".
        late: the time for an answer has passed (WaitingPolicy.no_ai_after_s).
        state: what people did with the study; seen: the newest revision that was there when they did.
        shown: the place as it was last said.
    """

    study: str
    routed: Routed | None = None
    order: Priority | None = None
    override: Priority | None = None
    override_by: str = ""
    findings: dict[str, Told] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    asked_at: datetime | None = None
    late: bool = False
    state: Literal["waiting", "opened", "read"] = "waiting"
    seen: int = 0
    shown: PlaceChanged | None = None
