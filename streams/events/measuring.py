"""Events of measuring: the lesions that a study showed, and how they grew since earlier studies of the same patient."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from streams.events.reading import Lesion, QualityNote, Role

Verdict = Literal["grown", "shrunk", "not-told"]
"""not-told: no change can be told; the change's `why` says what stands against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionsMeasured:
    """All lesions that a model marked in a study's revision, none included: what was looked for and not seen counts."""

    patient: str
    study: str
    revision: int
    series: str
    model: str
    model_version: str
    role: Role
    finding: str
    """What the lesions are, such as lung_nodule."""
    examined_on: date | None
    """None: the images carry no date; they are compared with nothing."""
    slice_mm: float | None
    """Distance of the slices that were read; None: not known."""
    lesions: tuple[Lesion, ...]
    quality: tuple[QualityNote, ...] = ()
    """Faults of the images that were tolerated; sizes are worth less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeClass:
    """The size band of a published scheme, in words; never a category, never advice."""

    scheme: str
    text: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A lesion against the same one in an earlier study; intervals are of 95 %."""

    study: str
    """The earlier study."""
    label: str
    """The lesion's label there."""
    examined_on: date
    days: int
    volume_mm3: float
    """Its volume there."""
    percent: float | None = None
    """Change of volume; None: the two volumes cannot be compared."""
    percent_low: float | None = None
    percent_high: float | None = None
    doubling_days: float | None = None
    """Volume doubling time (Schwartz 1961), of lesions that have grown."""
    doubling_days_low: float | None = None
    """Also where no change can be told: if it grows, it doubles no faster than this."""
    doubling_days_high: float | None = None
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionGrowth:
    """A lesion of this study and what became of it."""

    label: str
    track: str
    """Names the lesion through all studies of the patient; another one once an earlier study arrives that shows it."""
    state: Literal["baseline", "new", "followed"]
    """baseline: there is no earlier study; new: it was seen in none of those compared."""
    side: Literal["L", "R", ""] = ""
    texture: str = ""
    volume_mm3: float
    diameter_mm: float
    perpendicular_mm: float
    changes: tuple[Change, ...] = ()
    """Against the nearest earlier study that shows it, and against the first one, where that is another."""
    classes: tuple[SizeClass, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LesionUnseen:
    """A lesion of the nearest earlier study that was not marked now: gone, or missed."""

    study: str
    label: str
    examined_on: date
    side: Literal["L", "R", ""] = ""
    volume_mm3: float
    diameter_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthMeasured:
    """The lesions of a study against earlier ones; said anew, with the next edition, when that changes."""

    measurement: str
    edition: int
    """1, 2, ...: the highest of a study and model stands."""
    supersedes: str | None
    """The measurement of the edition before."""
    patient: str
    study: str
    revision: int
    model: str
    model_version: str
    role: Role
    finding: str
    examined_on: date | None
    compared: tuple[str, ...]
    """Earlier studies that it was held against, the nearest first."""
    lesions: tuple[LesionGrowth, ...]
    unseen: tuple[LesionUnseen, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader must know beside the figures."""
