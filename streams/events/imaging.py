"""Events of imaging: instances stored, orders placed, studies assembled and routed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

Priority = Literal["stat", "urgent", "routine"]
"""Requested priority, in the words of FHIR's request-priority and HL7 table 0027 (S, A, R)."""
WholeBy = Literal["association-released", "folder-complete", "count-reached", "quiet"]
"""What told us that a series is whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFacts:
    """What stages may know of a study: no name, id or birth date of the patient."""

    study: str
    patient: str
    """Keyed hash of Patient ID and its issuer; joins the studies of one patient, reveals nobody."""
    order: str | None = None
    """Keyed hash of the Accession Number (0008,0050)."""
    age_years: int | None = None
    sex: Literal["M", "F", "O"] | None = None
    description: str = ""
    """Words of Study Description that stand in a fixed vocabulary; free text stays at the door."""
    examined_on: date | None = None
    """The day of acquisition (0008,0022), (0008,002A), else of the study (0008,0020): orders a patient's studies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFacts:
    """What stages may know of a series, from the header of one of its instances."""

    series: str
    modality: str
    number: int | None = None
    body_part: str = ""
    """Body Part Examined (0018,0015), upper case."""
    description: str = ""
    kernel: str = ""
    contrast: bool = False
    """A contrast agent, or its route or volume, is named (0018,0010..)."""
    manufacturer: str = ""
    model: str = ""
    pixel_spacing_mm: tuple[float, float] | None = None
    """Row and column spacing (0028,0030)."""
    tilt_deg: float | None = None
    view: str = ""
    """View Position (0018,5101) with laterality, for mammography."""
    presentation: str = ""
    """Presentation Intent Type (0008,0068): FOR PRESENTATION, FOR PROCESSING or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewFacts:
    """What a projection image, such as a mammogram, says of itself (PS3.3 C.8.11.7)."""

    position: str
    """View Position (0018,5101), such as CC or MLO; empty: not told."""
    laterality: Literal["L", "R", "B", ""] = ""
    """Image Laterality (0020,0062)."""
    implant: bool = False
    """Breast Implant Present (0028,1300) is YES."""
    inverted: bool = False
    """MONOCHROME1: low values are shown bright (PS3.3 C.7.6.3.1.2)."""
    pixel_mm: tuple[float, float] | None = None
    """Imager Pixel Spacing (0018,1164), else Pixel Spacing (0028,0030): row and column, at the detector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceFacts:
    """What stages may know of one instance, and where its bytes are."""

    instance: str
    sop_class: str
    digest: str
    size: int
    transfer_syntax: str = ""
    number: int | None = None
    position_mm: tuple[float, float, float] | None = None
    """Image Position (Patient) (0020,0032)."""
    orientation: tuple[float, float, float, float, float, float] | None = None
    """Image Orientation (Patient) (0020,0037)."""
    thickness_mm: float | None = None
    rows: int = 0
    columns: int = 0
    frames: int = 1
    localizer: bool = False
    derived: bool = False
    """Image Type says DERIVED\\SECONDARY, as screenshots and reformats do."""
    lossy: bool | None = None
    """Lossy Image Compression (0028,2110); None: not told."""
    burnt_in: bool = False
    """Burned In Annotation (0028,0301) says YES."""
    view: ViewFacts | None = None
    """Of projection images only."""
    acquisition: int | None = None
    images_in_acquisition: int | None = None
    fault: str | None = None
    """What is wrong with it already by its header, in a sentence; None: nothing seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancesStored:
    """Some instances of one series are safely stored; grouped at the door within 100 ms."""

    facts: StudyFacts
    series: SeriesFacts
    instances: tuple[InstanceFacts, ...]
    door: str
    """dimse or folder."""
    association: str
    """Names the association (or folder set) that brought them; SeriesClosed names it again."""
    stored_at: datetime
    """When the last of them was safely stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesClosed:
    """The sender has released the association, or the folder's set is complete."""

    study: str
    association: str
    how: Literal["association-released", "folder-complete", "association-aborted"]
    counts: dict[str, int]
    """Series UID to the number of instances that this association brought of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    """A timer that a stage had set is due; its time is the time it was set for."""

    key: str
    stage: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced:
    """An order with its priority, from HL7 v2, FHIR or by file."""

    order: str
    """Keyed hash of the accession number."""
    priority: Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessionSeen:
    """A study that names this accession number has arrived."""

    order: str
    study: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMatched:
    """The order of a study is known."""

    study: str
    order: str
    priority: Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceConflicted:
    """The same SOP Instance UID came again with other bytes; the first is kept, both are stored."""

    study: str
    series: str
    instance: str
    kept: str
    refused: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSummary:
    """A series of an assembled study: its facts, its geometry as far as headers tell, its full list."""

    facts: SeriesFacts
    count: int
    manifest: str
    """Digest of the object that lists the series' instances (streams.events.manifest)."""
    whole_by: WholeBy
    localizer: bool = False
    derived: bool = False
    multiframe: bool = False
    pixels: bool = True
    views: tuple[str, ...] = ()
    """View Positions of its projection images, each once."""
    orientation: Literal["axial", "coronal", "sagittal", "mixed", "none"] = "none"
    coverage_mm: float = 0.0
    """From the first to the last position along the normal, one slice thickness added."""
    spacing_mm: float | None = None
    thickness_mm: float | None = None
    faults: tuple[str, ...] = ()
    first_stored_at: datetime
    last_stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyAssembled:
    """A study, or a later revision of it, stands as a whole."""

    facts: StudyFacts
    revision: int
    priority: Priority
    series: tuple[SeriesSummary, ...]
    changed: tuple[str, ...]
    """UIDs of the series that are new or have grown since the revision before."""
    first_stored_at: datetime
    last_stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One model and one series: read, or not, and why."""

    model: str
    series: str | None
    why: str
    read_in: int | None = None
    """The revision whose reading of this series stands; None: it is read anew, or not at all."""
    role: Literal["live", "shadow"] = "live"
    """In which role the model is asked; a declined series carries the role that it was declined in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRouted:
    """Which models read which series of the study, and why not the others."""

    facts: StudyFacts
    revision: int
    priority: Priority
    modality: str
    chosen: tuple[Choice, ...]
    declined: tuple[Choice, ...]
    first_stored_at: datetime
    last_stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyIneligible:
    """No model reads this study; people do, in its class."""

    facts: StudyFacts
    revision: int
    priority: Priority
    modality: str
    declined: tuple[Choice, ...]
    reason: str
    first_stored_at: datetime
    last_stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityChanged:
    """The order of a study became known, or changed, after the study was routed."""

    study: str
    priority: Priority
