"""The clinical knobs, as frozen dataclasses; their values stand in deploy/policies/*.toml, none in code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from streams.events.imaging import Priority
from streams.events.quality import Severity
from streams.events.reading import Lane

RECORD_DAYS = 30
"""How long the record is kept, but for what says otherwise (streams.flow.Topic)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssemblyPolicy:
    """assembly.toml: when a series counts as whole.

    quiet_s: silence that is taken for the end where nothing else tells.
    longest_s: after this time since its first instance a series is taken as it is.
    forget_s: how long a study stays open for late images after its last one.
    """

    quiet_s: float
    longest_s: float
    forget_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingPolicy:
    """routing.toml: lanes by priority, the priority of a study without an order, a model's role.

    roles overrides the role in a model's contract: live, shadow or off.
    body_parts: rule name to the words of Body Part Examined and descriptions that stand for it.
    thresholds overrides a model's threshold.
    """

    unordered: Priority
    lanes: dict[Priority, Lane]
    body_parts: dict[str, tuple[str, ...]]
    roles: dict[str, str]
    thresholds: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPolicy:
    """waiting.toml: allowed waits from arrival, in seconds, by priority and by finding.

    no_ai_after_s: when a study still without its answers is shown as "no AI result yet".
    """

    by_priority: dict[Priority, int]
    by_finding: dict[str, int]
    no_ai_after_s: float

    def read_by(self, arrived_at: datetime, priority: Priority, findings: Iterable[str]) -> datetime:
        """arrived_at + the shortest wait that priority and findings give (earliest deadline first)."""
        waits = [self.by_priority[priority]]
        waits += [self.by_finding[name] for name in findings if name in self.by_finding]
        return arrived_at + timedelta(seconds=min(waits))


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPolicy:
    """alerts.toml: the findings that alert somebody."""

    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityPolicy:
    """quality.toml: what follows from each fault of a series (codes: streams.events.quality.QUALITY_CODES).

    severity: by code: reject, warn or ignore.
    threshold: by code, in the code's unit; codes without a unit have none.
    withholds: codes with which a measurement is not reported, though the finding is.
    """

    severity: dict[str, Severity]
    threshold: dict[str, float]
    withholds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """retention.toml: how long what has ended is kept; 0 is for ever, and what is open is kept in any case.

    ended_days: images and state of a study after its end: read, each revision with its outcome, no alert standing.
    remembered_days: after that, how many revisions it had and which alerts, so that late images get other names.
    orders_days: an order after it was last placed or named.
    sweep_hours: how often what has left is looked for in the object store.
    shorter_than_record: that ended_days may be less than the record's own days is meant.
    """

    ended_days: float = 0
    remembered_days: float = 0
    orders_days: float = 0
    sweep_hours: float = 24
    shorter_than_record: bool = False

    def leaves_at(self, ended_at: datetime) -> datetime | None:
        """When a study that ended then leaves; None: never."""
        return _after(ended_at, self.ended_days)

    def forgotten_at(self, left_at: datetime) -> datetime | None:
        """When nothing is known any more of a study that left then; None: never."""
        return _after(left_at, self.remembered_days)

    def order_leaves_at(self, named_at: datetime) -> datetime | None:
        """When an order leaves that was last heard of then; None: never."""
        return _after(named_at, self.orders_days)


def _after(time: datetime, days: float) -> datetime | None:
    return time + timedelta(days=days) if days else None


FOR_EVER = RetentionPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """All of them, with the digest that every event said under them carries."""

    assembly: AssemblyPolicy
    routing: RoutingPolicy
    waiting: WaitingPolicy
    alerts: AlertPolicy
    quality: QualityPolicy
    digest: str
    retention: RetentionPolicy = FOR_EVER
