"""A generated chest with nodules, the real decoder, the real Triton with the shipped model: from files to lesions."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest

from streams.adapters.contract_files import read_models
from streams.adapters.dicom_pixels import DicomPixels
from streams.adapters.object_folder import ObjectFolder
from streams.adapters.triton_server import TritonServer
from streams.events.reading import ReadingAnswered, ReadingFailed
from streams.phantom.chest import Nodule, chest_with_nodules, free_places, nodule_frame
from streams.phantom.dicom import Series, Study, ct_slices, save, uid_of
from streams.phantom.head import Scan
from streams.phantom.texture import STANDARD
from streams.phantom.vendors import SIEMENS
from streams.runtime.inference.preparing import Preparing
from streams.runtime.inference.reader import Reader
from tests.support.local_triton import RunningTriton
from tests.support.reading_files import FoundSeries, series_in

MODELS = Path(__file__).parents[2] / "triton_models"
MODEL = "lung_nodule_ct"
SIZES = (8.0, 12.0, 18.0)

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def written(folder: Path, nodules: tuple[Nodule, ...]) -> Iterator[Path]:
    """A chest CT of 80 slices as DICOM files."""
    frame = nodule_frame(2.5)
    hu = chest_with_nodules(17, nodules, frame, Scan(STANDARD, 12.0, 17))
    study = Study(
        uid=uid_of("study", 17), patient_name="PHANTOM^CHEST", patient_id="PHANTOM-17", birth_date="19600101", sex="F",
        age="066Y", accession="WR17", date="20260302", time="080000", description="CT CHEST", body_part="CHEST",
        vendor=SIEMENS,
    )  # fmt: skip
    for number, dataset in enumerate(ct_slices(study, Series(2, "CHEST 2.5", SIEMENS.kernel), hu, frame)):
        path = folder / f"{number:04d}.dcm"
        save(dataset, path)
        yield path


@pytest.fixture
def objects(tmp_path: Path) -> ObjectFolder:
    return ObjectFolder(tmp_path / "objects", reserve=0)


@pytest.fixture
async def reader(shipped_triton: RunningTriton, objects: ObjectFolder) -> AsyncIterator[Reader]:
    models = read_models(MODELS)
    async with DicomPixels(objects) as pixels, TritonServer(shipped_triton.address, models) as server:
        yield Reader(objects, Preparing(objects, pixels), server, models, time.monotonic)


async def test_planted_nodules_are_told_with_place_and_size(reader: Reader, objects: ObjectFolder, tmp_path: Path):
    """Each planted nodule of 8 mm and more is a lesion within 3 mm, its volume within a third; few others are told."""
    nodules = tuple(Nodule(place, size) for place, size in zip(free_places(17, 3, 12.0), SIZES, strict=True))
    (chest,) = series_in(written(tmp_path, nodules), objects)
    assert isinstance(chest, FoundSeries)
    answer = await reader.read(chest.request(objects, MODEL))
    assert not isinstance(answer, ReadingFailed), answer.reason
    assert isinstance(answer, ReadingAnswered)
    assert answer.lesions is not None
    for nodule in nodules:
        away = [float(np.linalg.norm(np.subtract(lesion.centre_mm, nodule.centre))) for lesion in answer.lesions]
        lesion = answer.lesions[int(np.argmin(away))]
        assert min(away) < 3
        assert lesion.volume_mm3 == pytest.approx(nodule.volume_mm3, rel=0.34)
    assert len(answer.lesions) <= len(nodules) + 4
    assert answer.mask is not None
    assert answer.pixels_seconds + answer.model_seconds < 60
