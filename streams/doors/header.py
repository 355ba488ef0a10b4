"""From the bytes of one instance to the facts that stages may know; no pixel is decoded, no name passes."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal, cast

from pydicom.uid import UID

from streams.doors import vocabulary
from streams.doors.elements import Elements, read_elements
from streams.doors.part10 import DICOMDIR_CLASS, Meta, read_meta, uid_text
from streams.doors.pixels import Shape, pixel_fault, shape_fault
from streams.doors.pseudonym import Pseudonyms
from streams.doors.values import (
    GarbledValue,
    age_years,
    decimal,
    decimals,
    first_day,
    integer,
    person_text,
    text,
    unsigned,
)
from streams.errors import NotDicom
from streams.events.identifiers import digest_of, is_uid
from streams.events.imaging import InstanceFacts, SeriesFacts, StudyFacts, ViewFacts

SOP_CLASS, SOP_INSTANCE, STUDY, SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
IMAGE_TYPE, STUDY_DATE, ACCESSION, MODALITY = 0x00080008, 0x00080020, 0x00080050, 0x00080060
MANUFACTURER, MODEL, PROTOCOL = 0x00080070, 0x00081090, 0x00181030
STUDY_TEXT, SERIES_TEXT = 0x00081030, 0x0008103E
PATIENT, ISSUER, BIRTH_DATE, SEX, AGE = 0x00100020, 0x00100021, 0x00100030, 0x00100040, 0x00101010
AGENT, AGENT_CODES, ROUTE, VOLUME = 0x00180010, 0x00180012, 0x00181040, 0x00181041
BODY_PART, THICKNESS, TILT, KERNEL, VIEW = 0x00180015, 0x00180050, 0x00181120, 0x00181210, 0x00185101
SERIES_NUMBER, ACQUISITION, INSTANCE_NUMBER = 0x00200011, 0x00200012, 0x00200013
POSITION, ORIENTATION, SIDE, IMAGE_SIDE, COUNT = 0x00200032, 0x00200037, 0x00200060, 0x00200062, 0x00201002
SAMPLES, PHOTOMETRIC, FRAMES, ROWS, COLUMNS = 0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011
SPACING, BITS, INTERCEPT, SLOPE = 0x00280030, 0x00280100, 0x00281052, 0x00281053
INTENT, IMAGER_SPACING, IMPLANT = 0x00080068, 0x00181164, 0x00281300
LOSSY, BURNT_IN = 0x00282110, 0x00280301
ACQUIRED, ACQUIRED_AT = 0x00080022, 0x0008002A

WANTED = frozenset(v for k, v in globals().items() if k.isupper() and isinstance(v, int))
_NO_CONTRAST = frozenset({"", "NONE", "NO", "N", "0", "NATIVE", "WITHOUT"})
_LOCALIZERS = frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM"})
_UNIT_SLACK = 0.02
_UID_FAMILY = "2.25."


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What one instance says of its study, its series and itself."""

    study: StudyFacts
    series: SeriesFacts
    instance: InstanceFacts


def read_header(content: bytes, pseudonyms: Pseudonyms) -> Header:
    """The facts of a DICOM file (PS3.10) in memory.

    Raises:
        NotDicom: no DICOM, or nothing that names study and series; the text says which.
    """
    return _read(BytesIO(content), len(content), digest_of(content), pseudonyms)


def read_stored(path: Path, digest: str, pseudonyms: Pseudonyms) -> Header:
    """The facts of a stored object: only its header is read.

    Raises:
        NotDicom.
    """
    with _mapped(path) as (stream, size):
        return _read(stream, size, digest, pseudonyms)


@contextmanager
def _mapped(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The file as a stream whose read() never reserves more than there is."""
    with path.open("rb") as file:
        size = path.stat().st_size
        if not size:
            yield BytesIO(), 0
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield cast("BinaryIO", mapped), size


def _read(stream: BinaryIO, size: int, digest: str, pseudonyms: Pseudonyms) -> Header:
    meta = read_meta(stream)
    if meta.sop_class == DICOMDIR_CLASS:
        raise NotDicom("a DICOMDIR: a directory of other files, no image")
    elements = read_elements(stream, size, meta.transfer_syntax, WANTED)
    study = _uid(elements, STUDY, "Study Instance UID (0020,000D)")
    series = _uid(elements, SERIES, "Series Instance UID (0020,000E)")
    return Header(
        study=_study_facts(elements, study, pseudonyms),
        series=_series_facts(elements, series),
        instance=_instance_facts(elements, meta, stream, (digest, size)),
    )


def _uid(elements: Elements, tag: int, name: str) -> str:
    value = uid_text(elements.values.get(tag, b""))
    if not value:
        raise NotDicom(f"no {name}" + (f": {elements.broken}" if elements.broken else ""))
    if not is_uid(value):
        raise NotDicom(f"its {name} is no UID (PS3.5 9.1)")
    return value


def _study_facts(elements: Elements, study: str, pseudonyms: Pseudonyms) -> StudyFacts:
    sex = text(elements, SEX).upper()
    return StudyFacts(
        study=study,
        patient=pseudonyms.patient(person_text(elements, PATIENT), person_text(elements, ISSUER), study),
        order=pseudonyms.order(person_text(elements, ACCESSION)),
        age_years=age_years(text(elements, AGE), text(elements, BIRTH_DATE), text(elements, STUDY_DATE)),
        sex=cast("Literal['M', 'F', 'O']", sex) if sex in ("M", "F", "O") else None,
        description=vocabulary.known_words(text(elements, STUDY_TEXT)),
        examined_on=first_day(text(elements, tag) for tag in (ACQUIRED, ACQUIRED_AT, STUDY_DATE)),
    )


def _series_facts(elements: Elements, series: str) -> SeriesFacts:
    spacing = _quiet(elements, SPACING, 2)
    tilt = _quiet(elements, TILT, 1)
    side = (text(elements, IMAGE_SIDE) or text(elements, SIDE)).upper()
    view = vocabulary.code_string(text(elements, VIEW))
    return SeriesFacts(
        series=series,
        modality=vocabulary.code_string(text(elements, MODALITY)),
        number=integer(elements, SERIES_NUMBER),
        body_part=vocabulary.body_part(text(elements, BODY_PART)),
        description=vocabulary.known_words(f"{text(elements, SERIES_TEXT)} {text(elements, PROTOCOL)}"),
        kernel=vocabulary.known_kernel(text(elements, KERNEL)),
        contrast=AGENT_CODES in elements.sequences
        or any(text(elements, tag).upper() not in _NO_CONTRAST for tag in (AGENT, AGENT_CODES, ROUTE, VOLUME)),
        manufacturer=vocabulary.device_name(text(elements, MANUFACTURER)),
        model=vocabulary.device_name(text(elements, MODEL)),
        pixel_spacing_mm=(spacing[0], spacing[1]) if spacing else None,
        tilt_deg=tilt[0] if tilt else None,
        view=(side if side in ("L", "R", "B") and view else "") + view,
        presentation=vocabulary.code_string(text(elements, INTENT)),
    )


def _view_facts(elements: Elements) -> ViewFacts | None:
    """Of an image that names a view (Mammography Image and DX Positioning modules, PS3.3 C.8.11)."""
    position = vocabulary.code_string(text(elements, VIEW))
    if not position and text(elements, MODALITY).strip().upper() != "MG":
        return None
    side = (text(elements, IMAGE_SIDE) or text(elements, SIDE)).upper()
    spacing = _quiet(elements, IMAGER_SPACING, 2) or _quiet(elements, SPACING, 2)
    return ViewFacts(
        position=position,
        laterality=cast("Literal['L', 'R', 'B']", side) if side in ("L", "R", "B") else "",
        implant=text(elements, IMPLANT).upper() == "YES",
        inverted=text(elements, PHOTOMETRIC).upper() == "MONOCHROME1",
        pixel_mm=(spacing[0], spacing[1]) if spacing and min(spacing) > 0 else None,
    )


def _instance_facts(elements: Elements, meta: Meta, stream: BinaryIO, stored: tuple[str, int]) -> InstanceFacts:
    digest, size = stored
    instance = uid_text(elements.values.get(SOP_INSTANCE, b"")) or meta.sop_instance
    named = is_uid(instance)
    sop_class = uid_text(elements.values.get(SOP_CLASS, b"")) or meta.sop_class
    position, orientation = _quiet(elements, POSITION, 3), _quiet(elements, ORIENTATION, 6)
    thickness = _quiet(elements, THICKNESS, 1)
    image_type = [part.strip() for part in text(elements, IMAGE_TYPE).upper().split("\\")]
    fault = None if named else "no SOP Instance UID (0008,0018)" if not instance else "its SOP Instance UID is no UID"
    return InstanceFacts(
        # an instance without a name of its own is named by its bytes, so that its study still hears of it
        instance=instance if named else f"{_UID_FAMILY}{int(digest[:32], 16)}",
        sop_class=sop_class if is_uid(sop_class) else "",
        digest=digest,
        size=size,
        transfer_syntax=meta.transfer_syntax if is_uid(meta.transfer_syntax) else "",
        number=integer(elements, INSTANCE_NUMBER),
        position_mm=cast("tuple[float, float, float] | None", position),
        orientation=cast("tuple[float, float, float, float, float, float] | None", orientation),
        thickness_mm=thickness[0] if thickness and thickness[0] > 0 else None,
        rows=unsigned(elements, ROWS, 0),
        columns=unsigned(elements, COLUMNS, 0),
        frames=max(integer(elements, FRAMES) or 1, 0),
        localizer=bool(_LOCALIZERS.intersection(image_type)),
        derived=image_type[:2] == ["DERIVED", "SECONDARY"],
        lossy={"01": True, "00": False}.get(text(elements, LOSSY)),
        burnt_in=text(elements, BURNT_IN).upper() == "YES",
        view=_view_facts(elements),
        acquisition=integer(elements, ACQUISITION),
        images_in_acquisition=integer(elements, COUNT),
        fault=fault or _fault(elements, meta, sop_class, stream),
    )


def _fault(elements: Elements, meta: Meta, sop_class: str, stream: BinaryIO) -> str | None:
    """The first thing that the header shows to be wrong, as a sentence."""
    if not meta.transfer_syntax:
        return "no Transfer Syntax UID (0002,0010)"
    syntax = UID(meta.transfer_syntax if is_uid(meta.transfer_syntax) else "")  # pydicom logs what is none
    if not syntax.is_transfer_syntax:
        return f"unknown transfer syntax {meta.transfer_syntax[:64]!r}"
    if elements.broken:
        return elements.broken
    if elements.pixels is None:
        return "no pixels, though its SOP class has them" if _has_pixels(sop_class) else None
    frames = integer(elements, FRAMES)
    shape = Shape(
        rows=unsigned(elements, ROWS, 0),
        columns=unsigned(elements, COLUMNS, 0),
        frames=1 if frames is None else frames,
        samples=unsigned(elements, SAMPLES, 1),
        bits=unsigned(elements, BITS, 16),
        photometric=text(elements, PHOTOMETRIC),
    )
    return (
        shape_fault(shape)
        or pixel_fault(stream, shape, elements.pixels, compressed=syntax.is_encapsulated)
        or _geometry_fault(elements)
    )


def _geometry_fault(elements: Elements) -> str | None:
    """What is no number, or no geometry, in the Image Plane module (PS3.3 C.7.6.2.1.1)."""
    try:
        decimals(elements, POSITION, 3, "Image Position (0020,0032)")
        orientation = decimals(elements, ORIENTATION, 6, "Image Orientation (0020,0037)")
        spacing = decimals(elements, SPACING, 2, "Pixel Spacing (0028,0030)")
        for tag, name in _SINGLES:
            decimal(elements, tag, name)
    except GarbledValue as error:
        return str(error)
    if orientation and not _is_frame(orientation):
        return "Image Orientation (0020,0037) is not two unit vectors at a right angle"
    if spacing and min(spacing) <= 0:
        return "Pixel Spacing (0028,0030) is not positive"
    return None


_SINGLES = (
    (THICKNESS, "Slice Thickness (0018,0050)"),
    (TILT, "Gantry/Detector Tilt (0018,1120)"),
    (INTERCEPT, "Rescale Intercept (0028,1052)"),
    (SLOPE, "Rescale Slope (0028,1053)"),
)


def _is_frame(six: tuple[float, ...]) -> bool:
    row, column = six[:3], six[3:]
    lengths = (sum(x * x for x in row), sum(x * x for x in column))
    across = sum(a * b for a, b in zip(row, column, strict=True))
    return all(abs(length - 1) <= 2 * _UNIT_SLACK for length in lengths) and abs(across) <= _UNIT_SLACK


def _quiet(elements: Elements, tag: int, count: int) -> tuple[float, ...] | None:
    """Decimals, None where they are garbled: the fault says so."""
    try:
        return decimals(elements, tag, count, "")
    except GarbledValue:
        return None


def _has_pixels(sop_class: str) -> bool:
    """By the class's keyword: all image classes of PS3.4 B.5 carry "Image" in theirs."""
    keyword = UID(sop_class).keyword if is_uid(sop_class) else ""
    return "Image" in keyword and keyword.endswith(("Storage", "StorageTrial", "StorageRetired"))
