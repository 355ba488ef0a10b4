"""Bytes of small heads: a header that was encoded once, names and pixels put into it; thousands in a second."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from streams.chaos.studies.model import PIXEL_MM, SIDE, STEP_MM
from streams.phantom.dicom import Series, Study, ct_slices
from streams.phantom.lattice import Frame
from streams.phantom.vendors import PHILIPS

SLICES = 8
SOP_CLASS, SYNTAX = str(CTImageStorage), str(ExplicitVRLittleEndian)
UID_LENGTH = 64
_STUDY, _SERIES, _INSTANCE, _FRAME = (f"1.2.826.0.1.3680043.8.498.{digit * 38}" for digit in "1234")
_NAME, _PATIENT, _BORN, _ACCESSION = "CANARY^NAMENAME", "CHAOSPATIENT", "19010101", "ACCESSIONNUM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Whose study it is; each of a fixed length: name 15 characters, id 12, birth date 8, accession number 12."""

    name: str
    patient_id: str
    birth_date: str
    accession: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """UIDs of one instance, 64 characters each."""

    study: str
    series: str
    instance: str


@dataclass(frozen=True, slots=True)
class _Slice:
    """A slice's encoded data set before its pixels, the pixels in HU, and where the skull is."""

    head: bytes
    stored: NDArray[np.uint16]
    skull: NDArray[np.bool_]


def data_set(number: int, names: Names, who: Who, code: int, *, part: str = "HEAD") -> bytes:
    """The encoded data set (Explicit VR Little Endian) of slice `number` (from 1); its skull has `code` HU."""
    made = _slices(part)[number - 1]
    pixels = made.stored.copy()
    pixels[made.skull] = code - PHILIPS.intercept
    return _named(made.head, names, who) + pixels.tobytes()


def cut_short(content: bytes) -> bytes:
    """The same data set with half of its pixels: its header says so, no decoder is asked."""
    half = SIDE * SIDE  # bytes: half of 16 bits each
    head, length = content[: -2 * half - 4], half.to_bytes(4, "little")
    return head + length + content[-half:]


def _named(head: bytes, names: Names, who: Who) -> bytes:
    for placed, said in (
        (_STUDY, names.study),
        (_SERIES, names.series),
        (_INSTANCE, names.instance),
        (_NAME, who.name),
        (_PATIENT, who.patient_id),
        (_BORN, who.birth_date),
        (_ACCESSION, who.accession.ljust(len(_ACCESSION))),
    ):
        assert len(said) == len(placed), (placed, said)
        head = head.replace(placed.encode(), said.encode())
    return head


@cache
def _slices(part: str) -> tuple[_Slice, ...]:
    hu, skull = _head()
    frame = Frame(z=tuple(STEP_MM * n for n in range(SLICES)), thickness=STEP_MM, pixel=PIXEL_MM, size=SIDE)
    study = Study(
        uid=_STUDY, patient_name=_NAME, patient_id=_PATIENT, birth_date=_BORN, sex="F", age="075Y",
        accession=_ACCESSION, date="20260302", time="081500", description=f"CT {part} W/O CONTRAST",
        body_part=part, vendor=PHILIPS,
    )  # fmt: skip
    sets = ct_slices(study, Series(2, f"{part} 7.5", PHILIPS.kernel, f"ROUTINE {part}"), hu, frame)
    return tuple(_encoded(ds, where) for ds, where in zip(sets, skull, strict=True))


def _encoded(ds: Dataset, skull: NDArray[np.bool_]) -> _Slice:
    ds.SeriesInstanceUID, ds.SOPInstanceUID, ds.FrameOfReferenceUID = _SERIES, _INSTANCE, _FRAME
    ds.StudyID = "1"
    ds["PixelData"].VR = "OW"
    pixels = np.frombuffer(ds.PixelData, np.uint16).reshape(SIDE, SIDE)
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, ds)
    content = out.getvalue()
    return _Slice(content[: -pixels.nbytes], pixels, skull)


@cache
def _head() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A skull of an ellipsoid's shape with brain in it, HU `[z, y, x]`, and where bone is."""
    z, y, x = np.ogrid[:SLICES, :SIDE, :SIDE]
    across, along = (x - SIDE / 2) * PIXEL_MM / 76, (y - SIDE / 2) * PIXEL_MM / 94
    up = (z - 1) * STEP_MM / 90
    radius = np.sqrt(across**2 + along**2 + np.clip(up, 0, None) ** 2)
    noise = np.random.default_rng(7).normal(0, 3, (SLICES, SIDE, SIDE))
    skull = (radius >= 0.88) & (radius < 0.97)
    hu = np.where(radius < 0.88, 34 + noise, np.where(skull, 1100, np.where(radius < 1.03, 40, -1000)))
    return hu.astype(np.float32), skull
