"""One figure: what was measured on what, its value, its 95 % interval, and of how many cases."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import numpy as np

from streams.oversight.evaluation import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A row of evidence.json and of the card's table.

    Attributes:
        about: what it was measured on. what: the figure's name. stratum: "" for all cases.
        low, high: 95 % interval; None: not known.
        n: cases; hits of them, for a share. groups: patients (or synthetic subjects).
        method: how the interval was made. note: what else a reader must know, in a few words.
    """

    about: str
    what: str
    stratum: str = ""
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    n: int
    groups: int
    hits: int | None = None
    method: str = ""
    note: str = ""


def figure(
    about: str, what: str, estimate: Estimate, unit: str = "", stratum: str = "", note: str = ""
) -> Figure:  # fmt: skip
    """An estimate as a row."""
    return Figure(about=about, what=what, stratum=stratum, unit=unit, note=note, **asdict(estimate))


def plain(row: Figure) -> dict[str, Any]:
    """The row for JSON: numbers to four significant digits, absent ones left out."""
    told = {name: rounded(value) for name, value in asdict(row).items()}
    return {name: value for name, value in told.items() if value is not None and value != ""}


def rounded(value: Any) -> Any:
    """A float to four significant digits (None where it is no number); anything else as it is."""
    if not isinstance(value, float | np.floating):
        return value
    return float(f"{float(value):.4g}") + 0.0 if isfinite(value) else None
