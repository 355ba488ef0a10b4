"""The real heads: CT-ICH's pictures as Hounsfield units, and the heads and slices that only judge."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image

from streams.reading.tensors import HeadSlabs, head_slabs

PICTURE_MM = 0.355  # fits the skulls' size; the export gives none
BORDER = 9  # pixels of frame round each picture
SATURATED = 247  # grey from here is bone, not 96 HU: set so before any resampling
BONE_HU = 600.0
SUBTYPES = ("Intraventricular", "Intraparenchymal", "Subarachnoid", "Epidural", "Subdural")
SLICE_MM = 5.0


def data_folder() -> Path:
    """Where the shared data lies: WETREAD_DATA, else beside the project."""
    return Path(os.environ.get("WETREAD_DATA", "../shared/data"))  # noqa: TID251  # a script, not the product


@dataclass(frozen=True, slots=True)
class Head:
    """One patient of CT-ICH: slabs, and per slab the five subtypes (0 or 1)."""

    patient: int
    slabs: HeadSlabs
    labels: NDArray[np.uint8]

    @property
    def bleeds(self) -> NDArray[np.bool_]:
        """Per slab: any bleed."""
        return self.labels.any(axis=1)


def picture_hu(path: Path) -> NDArray[np.float32]:
    """One CT-ICH picture (window L40 W120) in HU, its frame cut off."""
    with Image.open(path) as image:
        grey = np.asarray(image.convert("L"), np.float32)[BORDER:-BORDER, BORDER:-BORDER]
    return np.where(grey >= SATURATED, BONE_HU, grey * (120 / 255) - 20).astype(np.float32)


def patients() -> list[int]:
    """The CT-ICH patients that have pictures."""
    return sorted(int(p.name) for p in (data_folder() / "physionet-ct-ich/brain").iterdir() if p.is_dir())


@dataclass(frozen=True, slots=True)
class Volume:
    """A head's slices in HU `[z, y, x]`, foot to head, and their places (mm)."""

    hu: NDArray[np.float32]
    places: NDArray[np.float64]


def ct_ich(patient: int) -> Head:
    """One patient's slices, foot to head (picture 1 is the lowest), with labels."""
    return ct_ich_volume(patient)[0]


def ct_ich_volume(patient: int) -> tuple[Head, Volume]:
    """The same, with the slices in HU of which the slabs were made."""
    folder = data_folder() / "physionet-ct-ich"
    files = sorted((folder / "brain" / f"{patient:03d}").glob("*.jpg"), key=lambda p: int(p.stem))
    numbers = [int(p.stem) for p in files]
    with (folder / "labels.csv").open() as handle:
        rows = {
            int(r["SliceNumber"]): [int(r[k]) for k in SUBTYPES]
            for r in csv.DictReader(handle)
            if int(r["PatientNumber"]) == patient
        }
    volume = Volume(np.stack([picture_hu(p) for p in files]), np.asarray(numbers) * SLICE_MM)
    slabs = head_slabs(volume.hu, (SLICE_MM, PICTURE_MM, PICTURE_MM), volume.places)
    return Head(patient, slabs, np.asarray([rows[n] for n in numbers], np.uint8)), volume


def dicom_head(folder: Path) -> tuple[NDArray[np.float32], tuple[float, float, float], NDArray[np.float64]]:
    """An axial DICOM series as HU, spacing and positions (judging only)."""
    slices = [d for d in map(pydicom.dcmread, sorted(folder.glob("*.dcm"))) if "PixelData" in d]
    normal = np.cross(*np.asarray(slices[0].ImageOrientationPatient, float).reshape(2, 3))
    slices.sort(key=lambda d: float(np.dot(normal, d.ImagePositionPatient)))
    where = np.asarray([float(np.dot(normal, d.ImagePositionPatient)) for d in slices])
    hu = np.stack([d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in slices])
    row, column = (float(v) for v in slices[0].PixelSpacing)
    return hu.astype(np.float32), (float(np.median(np.diff(where))), row, column), where


@dataclass(frozen=True, slots=True)
class LoneSlice:
    """A single slice with a drawn bleed (BHSD): HU 0..255 and mask, 512 x 512."""

    name: str
    hu: NDArray[np.float32]
    mask: NDArray[np.bool_]
    subtype: int


def lone_slices() -> list[LoneSlice]:
    """The 72 BHSD slices: judging only, never training."""
    folder = data_folder() / "bhsd_slices"
    out = []
    for path in sorted((folder / "images").glob("*.png")):
        image = np.asarray(Image.open(path), np.float32)
        mask = np.asarray(Image.open(folder / "masks" / path.name))
        kinds = np.bincount(mask[mask > 0].ravel(), minlength=10)
        out.append(LoneSlice(path.stem, image, mask > 0, int(kinds.argmax())))
    return out
