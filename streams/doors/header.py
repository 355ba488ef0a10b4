"""The header of a stored object as facts for stages; what is wrong with it already, in a sentence."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from io import BytesIO

from pydicom.datadict import keyword_dict
from pydicom.uid import UID

from streams.doors.elements import DOUBLE_PIXELS, FLOAT_PIXELS, IMPLICIT, Elements, PixelPlace, read_elements
from streams.doors.part10 import DICOMDIR_CLASS, UNDEFINED, read_meta, uid_text
from streams.doors.pseudonym import Pseudonyms
from streams.doors.vocabulary import body_part, code_string, device_name, known_kernel, known_words
from streams.errors import NotDicom
from streams.events.identifiers import digest_of, is_uid
from streams.events.imaging import InstanceFacts, SeriesFacts, StudyFacts

LARGEST_IMAGE = 2_000_000_000
"""Bytes of pixels that one instance may claim."""
ALLOWED_ALLOCATED = (1, 8, 16, 32, 64)
PIXEL_CLASSES = ("Image Storage", "Film")
_TEXT = (  # noqa: SIM905  # a list of 40 words reads better so
    "StudyInstanceUID SeriesInstanceUID SOPInstanceUID SOPClassUID PatientID IssuerOfPatientID PatientAge PatientSex "
    "PatientBirthDate StudyDate AccessionNumber StudyDescription SeriesDescription ProtocolName Modality "
    "SeriesNumber InstanceNumber BodyPartExamined ConvolutionKernel ContrastBolusAgent ContrastBolusRoute "
    "ContrastBolusVolume Manufacturer ManufacturerModelName PixelSpacing GantryDetectorTilt ViewPosition "
    "ImageLaterality ImagePositionPatient ImageOrientationPatient SliceThickness ImageType AcquisitionNumber "
    "ImagesInAcquisition NumberOfFrames"
).split()
_NUMBERS = ("Rows", "Columns", "BitsAllocated", "SamplesPerPixel")
_TAGS = {name: int(keyword_dict[name]) for name in (*_TEXT, *_NUMBERS)}


@dataclass(frozen=True, slots=True)
class Header:
    """What stages may know of one stored object."""

    study: StudyFacts
    series: SeriesFacts
    instance: InstanceFacts


class _Values:
    """The values of a header by keyword, read leniently."""

    def __init__(self, elements: Elements) -> None:
        self._elements = elements

    def text(self, name: str) -> str:
        return self._elements.values.get(_TAGS[name], b"").decode("utf-8", "replace").strip(" \0")

    def uid(self, name: str) -> str:
        return uid_text(self._elements.values.get(_TAGS[name], b""))

    def numbers(self, name: str, count: int) -> tuple[float, ...] | None:
        """Decimal strings; None unless exactly `count` finite ones stand there."""
        parts = self.text(name).split("\\")
        try:
            values = tuple(float(part) for part in parts)
        except ValueError:
            return None
        return values if len(values) == count and all(math.isfinite(v) for v in values) else None

    def number(self, name: str) -> float | None:
        found = self.numbers(name, 1)
        return found[0] if found else None

    def whole(self, name: str) -> int | None:
        found = self.number(name)
        return int(found) if found is not None and abs(found) < 1 << 31 else None

    def short(self, name: str) -> int:
        value = self._elements.values.get(_TAGS[name], b"")
        if len(value) < 2:  # noqa: PLR2004  # a US is two bytes
            return 0
        return int(struct.unpack("<H" if self._elements.little_endian else ">H", value[:2])[0])

    def has(self, name: str) -> bool:
        return bool(self.text(name))


def read_header(content: bytes, pseudonyms: Pseudonyms) -> Header:
    """The facts of a stored Part 10 object; pixels are not decoded.

    Raises:
        NotDicom: no DICOM, or without valid UIDs that name its study, series and instance.
    """
    stream = BytesIO(content)
    meta = read_meta(stream)
    if meta.sop_class == DICOMDIR_CLASS:
        raise NotDicom("a DICOMDIR: it lists files and holds no image; its files are taken by themselves")
    syntax = meta.transfer_syntax or IMPLICIT
    elements = read_elements(stream, len(content), syntax, _TAGS.values())
    values = _Values(elements)
    study = _named(values, "StudyInstanceUID", "", "a Study Instance UID")
    _named(values, "SeriesInstanceUID", "", "a Series Instance UID")
    _named(values, "SOPInstanceUID", meta.sop_instance, "a SOP Instance UID")
    return Header(
        study=_study(values, study, pseudonyms),
        series=_series(values),
        instance=_instance(values, content, meta.sop_class, meta.sop_instance, syntax, elements),
    )


def _named(values: _Values, keyword: str, otherwise: str, what: str) -> str:
    uid = values.uid(keyword) or otherwise
    if not uid:
        raise NotDicom(f"DICOM without {what}")
    if not is_uid(uid):
        raise NotDicom(f"DICOM with {what} that is none (PS3.5 9.1)")
    return uid


def _study(values: _Values, study: str, pseudonyms: Pseudonyms) -> StudyFacts:
    sex = values.text("PatientSex").upper()
    return StudyFacts(
        study=study,
        patient=pseudonyms.patient(values.text("PatientID"), values.text("IssuerOfPatientID"), study),
        order=pseudonyms.order(values.text("AccessionNumber")),
        age_years=_age(values),
        sex=sex if sex in ("M", "F", "O") else None,  # type: ignore[arg-type]  # narrowed by the tuple
        description=known_words(values.text("StudyDescription")),
    )


def _age(values: _Values) -> int | None:
    """Whole years, from Patient Age (0010,1010) or from the birth date at the study's date."""
    age = values.text("PatientAge")
    if len(age) == 4 and age[:3].isdecimal() and age[3] in "DWMY":  # noqa: PLR2004  # PS3.5 6.2, AS
        return int(age[:3]) // {"Y": 1, "M": 12, "W": 52, "D": 365}[age[3]]
    born, taken = values.text("PatientBirthDate"), values.text("StudyDate")
    if len(born) == len(taken) == 8 and born.isdecimal() and taken.isdecimal():  # noqa: PLR2004  # YYYYMMDD
        years = int(taken[:4]) - int(born[:4]) - (taken[4:] < born[4:])
        return years if 0 <= years < 150 else None  # noqa: PLR2004  # nobody is older
    return None


def _series(values: _Values) -> SeriesFacts:
    spacing = values.numbers("PixelSpacing", 2)
    words = f"{values.text('SeriesDescription')} {values.text('ProtocolName')}"
    contrast = any(values.has(n) for n in ("ContrastBolusAgent", "ContrastBolusRoute", "ContrastBolusVolume"))
    return SeriesFacts(
        series=values.uid("SeriesInstanceUID"),
        modality=code_string(values.text("Modality")),
        number=values.whole("SeriesNumber"),
        body_part=body_part(values.text("BodyPartExamined")),
        description=known_words(words),
        kernel=known_kernel(values.text("ConvolutionKernel")),
        contrast=contrast,
        manufacturer=device_name(values.text("Manufacturer")),
        model=device_name(values.text("ManufacturerModelName")),
        pixel_spacing_mm=(spacing[0], spacing[1]) if spacing else None,
        tilt_deg=values.number("GantryDetectorTilt"),
        view=code_string(f"{values.text('ImageLaterality')} {values.text('ViewPosition')}".strip()),
    )


def _instance(
    values: _Values, content: bytes, sop_class: str, sop_instance: str, syntax: str, elements: Elements
) -> InstanceFacts:
    kind = [part.strip().upper() for part in values.text("ImageType").split("\\")]
    position = values.numbers("ImagePositionPatient", 3)
    orientation = values.numbers("ImageOrientationPatient", 6)
    frames = values.whole("NumberOfFrames") or 1
    named_class = values.uid("SOPClassUID") or sop_class
    return InstanceFacts(
        instance=values.uid("SOPInstanceUID") or sop_instance,
        sop_class=named_class if is_uid(named_class) else "",
        digest=digest_of(content),
        size=len(content),
        transfer_syntax=syntax,
        number=values.whole("InstanceNumber"),
        position_mm=position,  # type: ignore[arg-type]  # three numbers, as asked for
        orientation=orientation,  # type: ignore[arg-type]  # six numbers, as asked for
        thickness_mm=values.number("SliceThickness"),
        rows=values.short("Rows"),
        columns=values.short("Columns"),
        frames=frames,
        localizer="LOCALIZER" in kind,
        derived=len(kind) > 1 and kind[0] == "DERIVED" and kind[1] == "SECONDARY",
        acquisition=values.whole("AcquisitionNumber"),
        images_in_acquisition=values.whole("ImagesInAcquisition"),
        fault=_fault(values, elements, syntax, frames, named_class),
    )


def _fault(values: _Values, elements: Elements, syntax: str, frames: int, sop_class: str) -> str | None:
    """The first thing that is wrong by the header alone; None: nothing."""
    if elements.broken:
        return elements.broken
    if not UID(syntax).is_transfer_syntax:
        return f"unknown transfer syntax {syntax[:64]}"
    for name, count in (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6)):
        if values.has(name) and values.numbers(name, count) is None:
            return f"{name} is not {count} finite numbers"
    if elements.pixels is None:
        name = UID(sop_class).name if is_uid(sop_class) else ""
        return "no pixel data" if any(kind in name for kind in PIXEL_CLASSES) else None
    return _pixel_fault(values, elements.pixels, syntax, frames)


def _pixel_fault(values: _Values, pixels: PixelPlace, syntax: str, frames: int) -> str | None:
    rows, columns = values.short("Rows"), values.short("Columns")
    if not rows or not columns:
        return f"pixel data without Rows and Columns ({rows} x {columns})"
    allocated = {FLOAT_PIXELS: 32, DOUBLE_PIXELS: 64}.get(pixels.tag, values.short("BitsAllocated"))
    if allocated not in ALLOWED_ALLOCATED:
        return f"Bits Allocated is {allocated}"
    samples = values.short("SamplesPerPixel") or 1
    expected = (rows * columns * samples * max(frames, 1) * allocated + 7) // 8
    if expected > LARGEST_IMAGE:
        return f"claims {rows} x {columns} x {frames} pixels, {expected} bytes: more than one image may have"
    if pixels.length == UNDEFINED or UID(syntax).is_encapsulated:
        return None
    if pixels.available < expected or pixels.length < expected:
        there = min(pixels.available, pixels.length)
        return f"truncated: {there} of {expected} bytes of pixel data"
    return None
