"""What must be reached, as numbers: the figures of a run held against them."""

from __future__ import annotations

from dataclasses import dataclass

from streams.chaos.verifier.figures import Figures

BROKER = ("kafka.", "broker.")
"""How faults of the broker are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A limit and what was measured; None: the run tells nothing of it."""

    what: str
    limit: float
    measured: float | None

    @property
    def met(self) -> bool | None:
        """None: nothing was measured."""
        return None if self.measured is None else self.measured <= self.limit


def bars(figures: Figures) -> list[Bar]:
    """In the order of their weight."""
    killed, broker = figures.silence_after_kill, [s for f, s in figures.flow.items() if f.startswith(BROKER)]
    away = max((s.longest_s for s in broker if s.longest_s is not None), default=None)
    return [
        Bar(what="acknowledged, outcomes or alerts lost", limit=0, measured=figures.lost),
        Bar(what="doubled outcomes or alerts, ids with two contents", limit=0, measured=figures.doubled),
        Bar(what="partitions silent after a worker's kill, median s", limit=6.0, measured=killed.median_s),
        Bar(what="partitions silent after a worker's kill, 95th percentile s", limit=10.0, measured=killed.p95_s),
        Bar(what="requests answered more than once, %", limit=1.0, measured=figures.redone_percent),
        Bar(what="flow back after the broker is back, longest s", limit=30.0, measured=away),
        Bar(what="poison until its dead letter, longest s", limit=5.0, measured=figures.poison.longest_s),
        Bar(what="later while all is restarted, longest s", limit=10.0, measured=figures.restart_delays.longest_s),
    ]
