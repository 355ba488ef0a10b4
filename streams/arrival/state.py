"""What arrival remembers of a study."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The study that this key stands for, and the orders that its images have named so far."""

    study: str
    orders: tuple[str, ...] = ()
