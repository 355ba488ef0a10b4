"""A mammography of four views as DICOM: digital images for presentation, each view a series of its own."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation

from streams.phantom.breast import Machine, Mammogram, Position, Woman, mammogram
from streams.phantom.dicom import Series, Study, base, pixels

Side = Literal["R", "L"]
VIEWS: tuple[tuple[Side, Position], ...] = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"))
PIXEL_MM = 0.2
BITS = 12
VIEW_CODES = {"CC": ("399162004", "cranio-caudal"), "MLO": ("399368009", "medio-lateral oblique")}
"""CID 4014, View for Mammography (PS3.16)."""


def mammography(study: Study, woman: Woman, machine: Machine) -> tuple[list[Dataset], float]:
    """The four views (PS3.3 A.26), and the mean percent density of the denser breast."""
    views, percent = [], {"R": 0.0, "L": 0.0}
    for number, (side, position) in enumerate(VIEWS, start=1):
        image = mammogram(woman, position, machine, PIXEL_MM, side=int(side == "L"))
        percent[side] += image.percent / 2
        views.append(_view(study, number, (side, position), image))
    return views, max(percent.values())


def _view(study: Study, number: int, which: tuple[Side, Position], image: Mammogram) -> Dataset:
    side, position = which
    series = Series(number, f"{side} {position}", "", "MAMMOGRAM")
    ds = base(study, series, DigitalMammographyXRayImageStorageForPresentation, number, "MG")
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.BodyPartExamined = "BREAST"
    ds.ImageLaterality, ds.ViewPosition = side, position
    code, meaning = VIEW_CODES[position]
    view = Dataset()
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = code, "SCT", meaning
    view.ViewModifierCodeSequence = Sequence([])
    ds.ViewCodeSequence = Sequence([view])
    ds.PatientOrientation = ["A" if side == "L" else "P", "L" if position == "CC" else "FL"]
    ds.PositionerType = "MAMMOGRAPHIC"
    ds.BreastImplantPresent = "NO"
    ds.KVP = "29"
    ds.ImagerPixelSpacing = ds.PixelSpacing = [f"{image.pixel_mm:g}"] * 2
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", 1
    ds.PresentationLUTShape = "IDENTITY"
    ds.BurnedInAnnotation = "NO"
    grey = np.rint(image.grey * (2**BITS - 1)).astype(np.uint16)
    pixels(ds, grey if side == "L" else grey[:, ::-1].copy(), BITS)
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.WindowCenter, ds.WindowWidth = str(2 ** (BITS - 1)), str(2**BITS)
    return ds
