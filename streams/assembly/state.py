"""What assembly remembers: the study, each series, each instance; no part grows with the study."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from streams.events.imaging import InstanceFacts, Priority, SeriesFacts, SeriesSummary, StudyFacts, WholeBy


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySoFar:
    """The study as a whole.

    Attributes:
        orders: order to its priority; the most urgent counts.
        series: UIDs of the series that have instances.
        held: instances that stand as parts.
        last_at: event time of the last instance that was new.
        released: the newest revision of which it was said that it is kept no longer, while something was open.
    """

    facts: StudyFacts | None = None
    orders: dict[str, Priority] = field(default_factory=dict)
    revision: int = 0
    series: tuple[str, ...] = ()
    held: int = 0
    first_stored_at: datetime | None = None
    last_at: datetime | None = None
    released: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What an association that is under way has brought of a series, and when last."""

    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A closed association of which instances are still to be heard: it told `count`, `missing` are to come."""

    count: int
    missing: int
    how: Literal["association-released", "folder-complete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """Images in Acquisition (0020,1002) as announced, and how many are here."""

    announced: int
    seen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSoFar:
    """One series.

    Attributes:
        opened_at: event time of the first instance since the series was last whole.
        last_at: event time of the last instance that was new.
        whole_by: None while it is open.
        grown: it has instances that no revision holds yet.
        underway: associations that have brought instances of it and are not closed.
        owed: closed associations of which instances are still to be heard.
        uncounted: some instance does not say how many images its acquisition has.
        conflicted: an instance came again with other bytes.
        foreign: some of it names another patient than the study does.
        let_go: its instances were forgotten (AssemblyPolicy.forget_s); what came since stands alone.
        summary: as in the last revision that holds it.
    """

    facts: SeriesFacts | None = None
    held: int = 0
    opened_at: datetime | None = None
    last_at: datetime | None = None
    first_stored_at: datetime | None = None
    last_stored_at: datetime | None = None
    whole_by: WholeBy | None = None
    grown: bool = False
    underway: dict[str, Brought] = field(default_factory=dict)
    owed: dict[str, Owed] = field(default_factory=dict)
    acquisitions: dict[str, Acquisition] = field(default_factory=dict)
    uncounted: bool = False
    single: bool = False
    """Its one instance is of a kind that comes alone: a localizer, a report, a multi-frame image."""
    conflicted: bool = False
    foreign: bool = False
    let_go: bool = False
    summary: SeriesSummary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldInstance:
    """One instance: the first bytes that came under its UID.

    Attributes:
        association: the last that brought it, so that one association counts it once.
        refused: digests that came later under the same UID.
    """

    series: str
    association: str
    facts: InstanceFacts
    refused: tuple[str, ...] = ()
