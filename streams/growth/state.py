"""What growth remembers of a patient: what each study showed, and what was said of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from streams.events.reading import Lesion, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one model saw in the newest revision of one study that it read.

    Attributes:
        examined_on: None: it stands in no order with others.
        slice_mm: distance of the slices; None: not known.
        lesions: none included; of very many, the most likely.
        left_out: how many those are that were left out.
        faults: of the images, tolerated, in sentences.
    """

    study: str
    revision: int
    model: str
    model_version: str
    role: Role
    finding: str
    examined_on: date | None
    slice_mm: float | None
    lesions: tuple[Lesion, ...]
    left_out: int = 0
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The measurement that stands for a study and model.

    Attributes:
        edition: 0: nothing was said, there being nothing to say.
        content: digest of all that it said but its own name and edition.
        tracks: label of each lesion to its track.
    """

    measurement: str
    edition: int
    content: str
    tracks: dict[str, str]
