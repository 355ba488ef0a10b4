"""Events of reading: a model is asked, it answers or fails, a finding is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from streams.events.imaging import Priority, SeriesFacts

Role = Literal["live", "shadow"]
"""A shadow model's results are recorded and shown as such: they move nobody and alert nobody."""
Lane = Literal["urgent", "routine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesToRead:
    """A series that is read together with others."""

    series: SeriesFacts
    manifest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRequested:
    """A model is to read a series, or several as one exam."""

    reading: str
    """Names study, revision and model: asked twice, it is answered once."""
    study: str
    revision: int
    model: str
    role: Role
    lane: Lane
    priority: Priority
    series: SeriesFacts
    manifest: str
    others: tuple[SeriesToRead, ...] = ()
    """The further series of an exam of projections, such as the four of a mammography."""
    last_stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityNote:
    """A fault that was seen and tolerated; it lowers what is claimed."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number that a model gives beside its score, with its 95 % interval where that is known."""

    name: str
    value: float
    unit: str
    """UCUM, such as ml, mm or %."""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """A class of a scale and how likely it is, such as breast density B."""

    name: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """One of several places that a model marks, with its size; intervals are of 95 %."""

    label: str
    """Names it within the study's revision: n1, n2, ..., the most likely first."""
    score: float
    """Probability, 0 to 1."""
    instance: str
    """SOP Instance UID of the slice where it is largest."""
    centre_mm: tuple[float, float, float]
    """In patient coordinates (PS3.3 C.7.6.2.1.1): x to the left, y to the back, z to the head."""
    place: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """In the box of its organ, 0 to 1: from the patient's right, from the front, from the foot."""
    side: Literal["L", "R", ""] = ""
    volume_mm3: float
    volume_low_mm3: float | None = None
    volume_high_mm3: float | None = None
    diameter_mm: float
    """The longest in the plane of a slice."""
    perpendicular_mm: float
    """The longest at a right angle to it, in the same slice."""
    texture: str = ""
    """solid, part-solid or ground-glass; empty: not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingAnswered:
    """What a model said of a series, before calibration and threshold."""

    reading: str
    study: str
    revision: int
    model: str
    model_version: str
    model_digest: str
    role: Role
    series: str
    study_logit: float
    slice_logits: tuple[float, ...] = ()
    """One per slab, foot to head."""
    key_instances: tuple[str, ...] = ()
    """SOP Instance UIDs of the slices that speak most for the finding, strongest first."""
    mask: str | None = None
    """Digest of the mask object (streams.reading.masks)."""
    mask_ml: float | None = None
    lesions: tuple[Lesion, ...] | None = None
    """None: the model does not look for single ones; empty: it found none."""
    quantities: tuple[Quantity, ...] = ()
    grades: tuple[Grade, ...] = ()
    """All classes of one scale, in its order."""
    slice_mm: float | None = None
    """Distance of the slices that were read: what sizes can be told at."""
    quality: tuple[QualityNote, ...] = ()
    pixels_seconds: float
    """Fetching, decoding, geometry and tensors."""
    model_seconds: float
    """The model server's part, queueing included."""
    last_stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingFailed:
    """There is no answer of this model: shown to people as "no AI result", never as a negative."""

    reading: str
    study: str
    revision: int
    model: str
    role: Role
    series: str
    kind: Literal["quality", "failed"]
    reason: str
    final: bool
    """False: it will be tried again by itself."""
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A coded concept (PS3.3 8.8)."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingMade:
    """A calibrated answer held against its threshold."""

    study: str
    revision: int
    model: str
    model_version: str
    role: Role
    series: str
    name: str
    code: Code
    score: float
    """Calibrated probability, 0 to 1."""
    threshold: float
    positive: bool
    key_instances: tuple[str, ...] = ()
    mask: str | None = None
    measure: str | None = None
    """Name of what was measured, such as haemorrhage_volume; None where the contract reports none."""
    value: float | None = None
    unit: str = ""
    value_low: float | None = None
    value_high: float | None = None
    lesions: tuple[Lesion, ...] | None = None
    quantities: tuple[Quantity, ...] = ()
    grades: tuple[Grade, ...] = ()
    slice_mm: float | None = None
    quality: tuple[QualityNote, ...] = ()
    model_seconds: float
    last_stored_at: datetime
