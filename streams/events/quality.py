"""Events of quality: what was measured on a series before a model was asked about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["reject", "warn", "ignore"]
"""reject: no model is asked. warn: read, and the fault stands beside every answer. ignore: not even told."""

QUALITY_CODES: dict[str, str] = {
    "acquired-twice": "",
    "air": "HU",
    "apex": "cm2",
    "back-to-front": "%",
    "body-part": "%",
    "clipped": "",
    "contrast": "%",
    "contrast-trunk": "%",
    "derived": "",
    "duplicates": "slices",
    "fov": "%",
    "gap": "%",
    "header-part": "%",
    "incomplete": "",
    "left-out": "",
    "lossy": "",
    "lung-base": "cm2",
    "metal": "%",
    "motion": "mm",
    "noise": "HU",
    "noise-head": "HU",
    "overlap": "%",
    "scale": "HU",
    "shifted": "",
    "skull-base": "cm2",
    "text": "characters",
    "tilted": "deg",
    "tissue": "HU",
    "uneven": "%",
    "upside-down": "mm",
    "vertex": "cm2",
    "windowed": "%",
    "wrapped": "%",
}
"""Every fault that policy decides about, with the unit of its threshold; empty: it is there or it is not."""

GEOMETRY = "geometry"
"""The code of what the headers alone forbid (streams.reading.geometry): always rejected, whatever policy says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with a series.

    Attributes:
        value: what was measured, in `unit`; None where there is nothing to count.
        threshold: policy's.
        sentence: for a technologist: what is wrong, and what to do.
    """

    code: str
    severity: Severity
    value: float | None
    threshold: float | None
    unit: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One thing that was measured, whether it is a fault or not."""

    code: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReported:
    """The report on a series, as one model needs it: what it shows, what was measured, what is wrong.

    Attributes:
        part: the part of the body that most slices show; empty where nothing tells.
    """

    study: str
    revision: int
    series: str
    model: str
    reading: str
    part: str = ""
    faults: tuple[Fault, ...] = ()
    measured: tuple[Measured, ...] = ()
