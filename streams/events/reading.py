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
class ReadingRequested:
    """A model is to read a series."""

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
    last_stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityNote:
    """A fault that was seen and tolerated; it lowers what is claimed."""

    code: str
    sentence: str


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
    quality: tuple[QualityNote, ...] = ()
    model_seconds: float
    last_stored_at: datetime
