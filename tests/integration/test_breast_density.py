"""A mammography as DICOM files, the real decoder, the real Triton with the shipped model: from files to percent."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from streams.adapters.contract_files import read_models
from streams.adapters.dicom_pixels import DicomPixels
from streams.adapters.object_folder import ObjectFolder
from streams.adapters.triton_server import TritonServer
from streams.events.manifest import Manifest, encode_manifest
from streams.events.reading import ReadingAnswered, ReadingFailed, ReadingRequested, SeriesToRead
from streams.phantom.breast import Machine, woman_of
from streams.phantom.dicom import Study, save, uid_of
from streams.phantom.mammography import mammography
from streams.phantom.vendors import GE
from streams.runtime.inference.preparing import Preparing
from streams.runtime.inference.reader import Reader
from tests.support.local_triton import RunningTriton
from tests.support.reading_files import series_in

MODELS = Path(__file__).parents[2] / "triton_models"
MODEL = "breast_density_mg"

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def exam(dense: float) -> tuple[list[Dataset], float]:
    """Four views of a phantom and its true percent."""
    study = Study(
        uid=uid_of("study", dense), patient_name="PHANTOM^BREAST", patient_id="PHANTOM-19", birth_date="19600101",
        sex="F", age="066Y", accession="WR19", date="20260302", time="080000", description="MAMMOGRAPHY",
        body_part="BREAST", vendor=GE,
    )  # fmt: skip
    return mammography(study, woman_of(19, dense=dense), Machine(label=True))


@pytest.fixture
def objects(tmp_path: Path) -> ObjectFolder:
    return ObjectFolder(tmp_path / "objects", reserve=0)


@pytest.fixture
async def reader(shipped_triton: RunningTriton, objects: ObjectFolder) -> AsyncIterator[Reader]:
    models = read_models(MODELS)
    async with DicomPixels(objects) as pixels, TritonServer(shipped_triton.address, models) as server:
        yield Reader(objects, Preparing(objects, pixels), server, models, time.monotonic)


def asked(views: list[Dataset], folder: Path, objects: ObjectFolder) -> ReadingRequested:
    """All series of these files as one exam."""
    folder.mkdir()
    for number, view in enumerate(views):
        save(view, folder / f"{number}.dcm")
    first, *rest = series_in(folder.glob("*.dcm"), objects)
    others = []
    for one in rest:
        manifest = Manifest(study=one.study, series=one.facts.series, instances=tuple(one.instances.values()))
        others.append(SeriesToRead(series=one.facts, manifest=objects.put(encode_manifest(manifest))))
    return replace(first.request(objects, MODEL), others=tuple(others))


async def test_a_denser_exam_is_said_to_be_denser(reader: Reader, objects: ObjectFolder, tmp_path: Path):
    """Every view has its percent, grades add up to 1, the densest view is marked; a missing view is told."""
    percents = []
    for dense, missing in ((0.05, 0), (0.5, 1)):
        views, _ = exam(dense)
        answer = await reader.read(asked(views[missing:], tmp_path / f"{dense}", objects))
        assert not isinstance(answer, ReadingFailed), answer.reason
        assert isinstance(answer, ReadingAnswered)
        told = {quantity.name: quantity.value for quantity in answer.quantities}
        assert len(told) == 1 + len(views) - missing
        assert sum(grade.probability for grade in answer.grades) == pytest.approx(1)
        assert answer.mask is not None
        lacking = [note.sentence for note in answer.quality if "R CC" in note.sentence]
        assert len(lacking) == missing
        percents.append(told["percent_density"])
    assert percents[1] > percents[0] + 15


async def test_images_for_processing_are_refused(reader: Reader, objects: ObjectFolder, tmp_path: Path):
    views, _ = exam(0.3)
    for view in views:
        view.PresentationIntentType = "FOR PROCESSING"
    answer = await reader.read(asked(views, tmp_path / "raw", objects))
    assert isinstance(answer, ReadingFailed)
    assert answer.kind == "quality"
    assert "made for processing" in answer.reason
