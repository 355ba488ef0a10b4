"""What findings remembers of a study: which readings are answered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Names of the readings whose answer was taken, the newest last."""

    readings: tuple[str, ...] = ()
