"""DICOM datasets of phantoms: CT slices, localizers, MR slices, secondary captures, written as their makers do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)
from scipy import ndimage

from streams.phantom.lattice import Frame
from streams.phantom.solids import Field, single
from streams.phantom.vendors import Vendor

IMPLEMENTATION = UID("1.2.826.0.1.3680043.10.1589.7")
"""Implementation Class UID of phantoms (PS3.7 D.3.3.2)."""

PREFIX = "1.2.826.0.1.3680043.8.498."


def uid_of(*parts: object) -> UID:
    """The UID that these words always give (PS3.5 B.2, a hash in pydicom's root)."""
    return generate_uid(prefix=PREFIX, entropy_srcs=[str(part) for part in parts])


@dataclass(frozen=True, slots=True)
class Study:
    """Whose study it is and what it is called; every name is plainly a phantom's."""

    uid: str
    patient_name: str
    patient_id: str
    birth_date: str
    sex: str
    age: str
    accession: str
    date: str
    time: str
    description: str
    body_part: str
    vendor: Vendor


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a study: its number, description, kernel and protocol as written."""

    number: int
    description: str
    kernel: str
    protocol: str = "ROUTINE HEAD"


def base(study: Study, series: Series, sop_class: UID, number: int, modality: str) -> Dataset:
    """What every instance of the study says: patient, study, series, equipment (PS3.3 C.7.1 to C.7.5)."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = uid_of(study.uid, series.number, number, modality)
    ds.StudyInstanceUID = study.uid
    ds.SeriesInstanceUID = uid_of(study.uid, series.number, modality)
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = study.date
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = study.time
    ds.AccessionNumber = study.accession
    ds.Modality = modality
    ds.Manufacturer = study.vendor.manufacturer
    ds.ManufacturerModelName = study.vendor.model
    ds.SoftwareVersions = study.vendor.software
    ds.InstitutionName = "PHANTOM HOSPITAL"
    ds.StationName = "PHANTOMCT1"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = study.description
    ds.SeriesDescription = series.description
    ds.PatientName = study.patient_name
    ds.PatientID = study.patient_id
    ds.PatientBirthDate = study.birth_date
    ds.PatientSex = study.sex
    ds.PatientAge = study.age
    ds.StudyID = study.accession[-4:]
    ds.SeriesNumber = series.number
    ds.InstanceNumber = number
    return ds


def ct_slices(study: Study, series: Series, hu: Field, frame: Frame) -> list[Dataset]:
    """A CT series (PS3.3 A.3): one dataset per slice of `hu` `[z, y, x]`, instance 1 at the feet."""
    slices = []
    for index, plane in enumerate(hu):
        ds = base(study, series, CTImageStorage, index + 1, "CT")
        _ct_acquisition(ds, study, series, frame)
        ds.AcquisitionNumber = 1
        if study.vendor.says_count:
            ds.ImagesInAcquisition = len(hu)
        _place(ds, frame, index)
        _grey(ds, stored(plane, study.vendor), study.vendor)
        slices.append(ds)
    return slices


def stored(hu: Field, vendor: Vendor) -> NDArray[np.int16] | NDArray[np.uint16]:
    """HU as the vendor stores them (PS3.3 C.11.1.1.2: HU = stored + intercept)."""
    values = np.rint(hu - vendor.intercept)
    if vendor.signed:
        return np.clip(values, -32768, 32767).astype(np.int16)
    return np.clip(values, 0, 2**vendor.bits - 1).astype(np.uint16)


def _ct_acquisition(ds: Dataset, study: Study, series: Series, frame: Frame) -> None:
    """How the slice was made (PS3.3 C.8.2.1)."""
    ds.ImageType = list(study.vendor.image_type)
    ds.BodyPartExamined = study.body_part
    ds.KVP = "120"
    ds.SliceThickness = f"{frame.thickness:g}"
    ds.ReconstructionDiameter = f"{frame.pixel * frame.size:g}"
    ds.DataCollectionDiameter = "250" if study.body_part == "HEAD" else "500"
    ds.ProtocolName = series.protocol
    ds.GantryDetectorTilt = f"{frame.tilt:g}"
    ds.TableHeight = "150"
    ds.RotationDirection = "CW"
    ds.ExposureTime = "1000"
    ds.XRayTubeCurrent = "260"
    ds.Exposure = "260"
    ds.FilterType = study.vendor.filter_type
    ds.ConvolutionKernel = series.kernel
    ds.PatientPosition = "HFS"


def _place(ds: Dataset, frame: Frame, index: int) -> None:
    """Where the slice lies (PS3.3 C.7.6.2): position of its first pixel, directions of row and column."""
    turn = np.radians(frame.tilt)
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    corner = -(frame.size - 1) / 2 * frame.pixel
    row = corner + frame.centre_y
    ds.FrameOfReferenceUID = uid_of(ds.StudyInstanceUID, "frame")
    ds.PositionReferenceIndicator = "OM"
    place = (corner, row * cos, frame.z[index] - row * sin)
    ds.ImagePositionPatient = [_number(value) for value in place]
    ds.ImageOrientationPatient = [_number(value) for value in (1, 0, 0, 0, cos, -sin)]
    ds.SliceLocation = _number(frame.z[index])


def _number(value: float) -> str:
    """A decimal string of at most 16 characters (PS3.5 6.2, VR DS)."""
    return f"{value:.6f}".rstrip("0").rstrip(".") if abs(value) > 1e-9 else "0"


def _grey(ds: Dataset, values: NDArray[np.int16] | NDArray[np.uint16], vendor: Vendor) -> None:
    """Pixels, rescale and window (PS3.3 C.7.6.3, C.11.1, C.11.2)."""
    pixels(ds, values, vendor.bits)
    ds.RescaleIntercept = str(vendor.intercept)
    ds.RescaleSlope = "1"
    ds.RescaleType = "HU"
    ds.WindowCenter, ds.WindowWidth = vendor.window
    if vendor.signed:
        ds.add_new(0x00280120, "SS", -2000)


def pixels(ds: Dataset, values: NDArray[np.int16] | NDArray[np.uint16], bits: int) -> None:
    """The image pixel module (PS3.3 C.7.6.3), 16 bits allocated, not compressed."""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = values.shape
    if "PixelSpacing" not in ds and ds.SOPClassUID != SecondaryCaptureImageStorage:
        ds.PixelSpacing = [f"{float(ds.ReconstructionDiameter) / values.shape[1]:.7g}"] * 2
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, bits, bits - 1
    ds.PixelRepresentation = int(values.dtype == np.int16)
    ds.PixelData = values.astype(values.dtype.newbyteorder("<")).tobytes()


def localizer(study: Study, series: Series, hu: Field, spacing: tuple[float, float]) -> Dataset:
    """A scout from the side: the line integrals of `hu` `[z, y, x]` seen from the left, spacing (dz, dy) mm."""
    density = np.clip(hu + 1000, 0, None).mean(axis=2)[::-1]
    picture = ndimage.zoom(density, (spacing[0] / spacing[1], 1), order=1, mode="nearest", grid_mode=True)
    ds = base(study, series, CTImageStorage, 1, "CT")
    frame = Frame(z=(0.0,), thickness=spacing[0], pixel=spacing[1], size=picture.shape[1])
    _ct_acquisition(ds, study, series, frame)
    ds.ImageType = list(study.vendor.localizer_type)
    ds.FrameOfReferenceUID = uid_of(study.uid, "frame")
    ds.ImagePositionPatient = [
        "0",
        _number(-spacing[1] * picture.shape[1] / 2),
        _number(spacing[1] * picture.shape[0] / 2),
    ]
    ds.ImageOrientationPatient = ["0", "1", "0", "0", "0", "-1"]
    _grey(ds, stored(single(picture * 0.8 - 400), study.vendor), study.vendor)
    ds.WindowCenter, ds.WindowWidth = "100", "700"
    return ds


def mr_slices(study: Study, series: Series, signal: Field, frame: Frame) -> list[Dataset]:
    """A T2-weighted MR series (PS3.3 A.4): `signal` `[z, y, x]` from 0 up, no Hounsfield units."""
    slices = []
    for index, plane in enumerate(signal):
        ds = base(study, series, MRImageStorage, index + 1, "MR")
        ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        ds.BodyPartExamined = study.body_part
        ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions = "SE", "SK", ""
        ds.MRAcquisitionType = "2D"
        ds.SequenceName = "*tse2d1_15"
        ds.RepetitionTime, ds.EchoTime, ds.EchoTrainLength = "4800", "98", "15"
        ds.MagneticFieldStrength, ds.FlipAngle = "1.5", "150"
        ds.SliceThickness = f"{frame.thickness:g}"
        ds.SpacingBetweenSlices = f"{frame.spacing[0]:g}"
        ds.PatientPosition = "HFS"
        ds.AcquisitionNumber = 1
        _place(ds, frame, index)
        ds.PixelSpacing = [f"{frame.pixel:.7g}"] * 2
        pixels(ds, np.clip(np.rint(plane), 0, 4095).astype(np.uint16), 12)
        ds.WindowCenter, ds.WindowWidth = "400", "900"
        slices.append(ds)
    return slices


def capture(study: Study, series: Series, hu: Field) -> Dataset:
    """A secondary capture of one slice (PS3.3 A.8): a picture for people, in grey values."""
    ds = base(study, series, SecondaryCaptureImageStorage, 1, "CT")
    ds.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    ds.ConversionType = "WSD"
    grey = np.clip((hu / 80) * 4095, 0, 4095).astype(np.uint16)
    pixels(ds, grey, 12)
    return ds


def save(ds: Dataset, path: Path, syntax: UID = ExplicitVRLittleEndian) -> None:
    """Write a part-10 file, its pixels compressed without loss where the transfer syntax says so.

    Raises ValueError for a transfer syntax that is none of Explicit VR Little Endian, JPEG-LS and JPEG 2000 lossless.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = IMPLEMENTATION
    meta.ImplementationVersionName = "WETREAD_PHANTOM"
    ds.file_meta = meta
    if syntax != ExplicitVRLittleEndian:
        ds.PixelData = encapsulate([_compressed(ds, syntax)])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    elif "PixelData" in ds:
        ds["PixelData"].VR = "OW"
    ds.save_as(path, enforce_file_format=True, implicit_vr=False, little_endian=True)


def _compressed(ds: Dataset, syntax: UID) -> bytes:
    kind = np.int16 if ds.PixelRepresentation else np.uint16
    plane = np.frombuffer(ds.PixelData, kind).reshape(ds.Rows, ds.Columns)
    if syntax == JPEGLSLossless:
        return bytes(imagecodecs.jpegls_encode(plane.view(np.uint16), level=0))
    if syntax == JPEG2000Lossless:
        bits = int(ds.BitsStored)
        return bytes(imagecodecs.jpeg2k_encode(plane, level=0, reversible=True, codecformat="j2k", bitspersample=bits))
    raise ValueError(f"phantoms are not written in transfer syntax {syntax.name}")
