"""A model of a known time and studies made for it: what is left of the latency is ours."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

NAME = "stand_in"
SLICES, SIDE, PIXEL_MM, STEP_MM = 14, 112, 2.0, 8.0
ROOT = "1.2.826.0.1.3680043.8.498"
STUDY, SERIES = f"{ROOT}.100000.1", f"{ROOT}.100000.2"

CONTRACT = f"""
schema = 1
name = "{NAME}"
version = "1.0.0"
title = "Answers after a known time that every head bleeds"
role = "live"

[needs]
modality = ["CT"]
body_part = "head"
orientation = "axial"
contrast = "none"
coverage_mm = 100.0
slices_min = 10
thickness_mm = [0.4, 10.0]
prefer_thickness_mm = 5.0
max_gap = 1.6

[tensors]
function = "head_slabs"
inputs.HEAD = {{ datatype = "UINT8", shape = [-1, 4, 192, 192] }}
outputs.STUDY_LOGIT = {{ datatype = "FP32", shape = [1] }}
outputs.SLICE_LOGIT = {{ datatype = "FP32", shape = [-1] }}

[answer]
function = "slices_and_mask"
study_logit = "STUDY_LOGIT"
slice_logit = "SLICE_LOGIT"

[finding]
name = "intracranial_haemorrhage"
code = {{ scheme = "SCT", value = "1386000", meaning = "Intracranial hemorrhage" }}
threshold = 0.5
"""
CONFIG = f"""
name: "{NAME}"
backend: "python"
max_batch_size: 0
input [ {{ name: "HEAD" data_type: TYPE_UINT8 dims: [ -1, 4, 192, 192 ] }} ]
output [
  {{ name: "STUDY_LOGIT" data_type: TYPE_FP32 dims: [ 1 ] }},
  {{ name: "SLICE_LOGIT" data_type: TYPE_FP32 dims: [ -1 ] }}
]
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
"""
MODEL = '''
import time
import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    """Waits %(seconds)s s and says yes."""

    def execute(self, requests):
        answers = []
        for request in requests:
            slabs = pb.get_input_tensor_by_name(request, "HEAD").as_numpy()
            time.sleep(%(seconds)s)
            study = pb.Tensor("STUDY_LOGIT", np.full(1, 3.0, np.float32))
            slices = pb.Tensor("SLICE_LOGIT", np.linspace(-1.0, 3.0, len(slabs)).astype(np.float32))
            answers.append(pb.InferenceResponse([study, slices]))
        return answers
'''


def write_model(models: Path, seconds: float = 0.01) -> Path:
    """A model folder below `models` whose answer takes so long."""
    folder = models / NAME
    (folder / "1").mkdir(parents=True)
    (folder / "contract.toml").write_text(CONTRACT)
    (folder / "config.pbtxt").write_text(CONFIG)
    (folder / "1" / "model.py").write_text(MODEL % {"seconds": seconds})
    return folder


def head() -> np.ndarray:
    """An egg of brain (35 HU) in 7 mm of bone (1000 HU), `[z, y, x]` int16: enough for the search for a skull."""
    z, y, x = np.meshgrid(
        (np.arange(SLICES) - (SLICES - 1) / 2) * STEP_MM,
        (np.arange(SIDE) - (SIDE - 1) / 2) * PIXEL_MM,
        (np.arange(SIDE) - (SIDE - 1) / 2) * PIXEL_MM,
        indexing="ij",
    )

    def within(margin: float) -> np.ndarray:
        return np.asarray((z / (70 + margin)) ** 2 + (y / (85 + margin)) ** 2 + (x / (65 + margin)) ** 2 <= 1)

    volume = np.full((SLICES, SIDE, SIDE), -1000, np.int16)
    volume[within(12)] = 40
    volume[within(7)] = 1000
    volume[within(0)] = 35
    return volume


@dataclass(frozen=True, slots=True)
class Template:
    """One study's files as bytes, in the order of sending; its UIDs are of fixed length, so they can be replaced."""

    files: tuple[bytes, ...]

    def study(self, number: int) -> tuple[str, Iterator[bytes]]:
        """Study Instance UID and files of the number-th copy: another study with the same pixels."""
        old, new = f"{ROOT}.100000.", f"{ROOT}.{100000 + number + 1}."
        return STUDY.replace(old, new), (f.replace(old.encode(), new.encode()) for f in self.files)


def template() -> Template:
    """The study that all others are copies of."""
    return Template(tuple(_slice(index, plane) for index, plane in enumerate(head())))


def _slice(index: int, plane: np.ndarray) -> bytes:
    uid = UID(f"{ROOT}.100000.3.{index + 101}")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, uid
    data.StudyInstanceUID, data.SeriesInstanceUID = STUDY, SERIES
    data.PatientID, data.PatientName, data.PatientSex, data.PatientAge = "BENCH", "Bench^Phantom", "O", "060Y"
    data.StudyDate, data.StudyTime, data.AccessionNumber = "20260301", "103000", ""
    data.Modality, data.BodyPartExamined, data.SeriesDescription = "CT", "HEAD", "HEAD 8.0 H31"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.SeriesNumber, data.InstanceNumber, data.AcquisitionNumber = 2, index + 1, 1
    data.ImagePositionPatient, data.ImageOrientationPatient = [-112, -112, index * STEP_MM], [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.SliceThickness = [PIXEL_MM, PIXEL_MM], STEP_MM
    data.Rows = data.Columns = SIDE
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.RescaleSlope, data.RescaleIntercept = 1, 0
    data.PixelData = plane.astype("<i2").tobytes()
    out = io.BytesIO()
    data.save_as(out, enforce_file_format=True)
    return out.getvalue()
