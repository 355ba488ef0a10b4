"""Series for tests: facts of slices that make a stack, and DICOM files with pixels, whole or spoilt."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from streams.contract import Needs
from streams.events.imaging import InstanceFacts, SeriesFacts

CT = "1.2.840.10008.5.1.4.1.1.2"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SERIES = SeriesFacts(series="1.2.3", modality="CT", body_part="HEAD", pixel_spacing_mm=(0.5, 0.4))
NEEDS = Needs(
    modality=("CT",),
    body_part="head",
    orientation="axial",
    contrast="none",
    coverage_mm=40.0,
    slices_min=5,
    thickness_mm=(0.4, 10.0),
    prefer_thickness_mm=5.0,
    max_gap=1.9,
)


def facts(number: int, z: float, **changes: Any) -> InstanceFacts:
    """An axial slice of 5 mm at z, 8 x 8 pixels."""
    made = InstanceFacts(
        instance=f"1.2.3.{number}",
        sop_class=CT,
        digest=f"{number:064x}",
        size=1000,
        transfer_syntax=ExplicitVRLittleEndian,
        number=number,
        position_mm=(-100.0, -120.0, z),
        orientation=AXIAL,
        thickness_mm=5.0,
        rows=8,
        columns=8,
        acquisition=1,
    )
    return replace(made, **changes)


def stack(count: int = 12, step: float = 5.0, **changes: Any) -> list[InstanceFacts]:
    """Slices number 1 .. count, from foot to head."""
    return [facts(number, (number - 1) * step, **changes) for number in range(1, count + 1)]


def dicom(
    pixels: np.ndarray, *, syntax: str = ExplicitVRLittleEndian, frame: bytes | None = None, **elements: Any
) -> bytes:
    """A Part 10 file of one CT slice.

    Args:
        pixels: stored values; signed ones make Pixel Representation 1.
        syntax: of the dataset; a compressed one needs the frame.
        frame: the codestream; None: the pixels as they are.
        elements: by keyword, over or beside the usual ones; None leaves one out.
    """
    bits = pixels.dtype.itemsize * 8
    usual: Mapping[str, Any] = {
        "SOPClassUID": CT,
        "SOPInstanceUID": generate_uid(entropy_srcs=["slice"]),
        "Modality": "CT",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": int(elements.get("BitsStored") or bits) - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "RescaleIntercept": "-1024",
        "RescaleSlope": "1",
    }
    dataset = Dataset()
    for keyword, value in {**usual, **elements}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    if "PixelData" not in elements:
        dataset.PixelData = pixels.tobytes() if frame is None else encapsulate([frame])
        dataset["PixelData"].VR = "OW" if bits > 8 and frame is None else "OB"
    written = io.BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return written.getvalue()
