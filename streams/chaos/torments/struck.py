"""A torment that has fallen, and what torments work with."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from streams.chaos.site import Site
from streams.chaos.studies.others import Others
from streams.chaos.torments.standin import StandIn
from streams.faults.points import Point

PATIENCE_S = 120.0


@dataclass(slots=True, kw_only=True)
class Struck:
    """A torment that has fallen.

    Attributes:
        target: process or link; pid: its process.
        seconds: how long it is meant to last; None: an instant.
        heal: takes it away.
        recovered: waits until the part is well; False: not within the patience.
        fell: when it did, where that was later than the strike: moment and monotonic seconds.
        missed: it never fell, as `recovered` has found out: nothing is written down.
    """

    target: str
    pid: int | None = None
    seconds: float | None = None
    heal: Callable[[], None] = lambda: None
    recovered: Callable[[], bool] = lambda: True
    note: str = ""
    fell: tuple[str, float] | None = None
    missed: bool = False


@dataclass(slots=True, kw_only=True)
class Tools:
    """What torments work with."""

    site: Site
    others: Others
    stand_in: StandIn
    stand_in_port: int
    chance: random.Random
    short: bool = False
    """Nothing lasts longer than 15 s."""
    among: tuple[Point, ...] = tuple(Point)
    """Points that may be crashed at."""
    points: list[tuple[str, str]] = field(default_factory=list)
    """Points and sides that are still to be crashed at, in this round."""

    def lasting(self, low: float, high: float) -> float:
        """Seconds, by chance."""
        return self.chance.uniform(low, min(high, 15.0) if self.short else high)


Strike = Callable[[Tools], Struck | None]
"""None: there was nothing to be struck."""
