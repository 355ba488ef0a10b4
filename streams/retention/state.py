"""What retention remembers of a study: what of it is still open, or when it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A study that was routed.

    Attributes:
        revision: the newest.
        open: revisions without an outcome.
        alerts: ids of alerts that are raised and not closed.
        place: what people did with it last.
        ended_at: since when nothing of it is open; None: something is.
    """

    revision: int
    open: tuple[int, ...] = ()
    alerts: tuple[str, ...] = ()
    place: Literal["waiting", "opened", "read"] = "waiting"
    ended_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Read, each revision with its outcome, and no alert that anybody has to see."""
        return self.place == "read" and not self.open and not self.alerts
