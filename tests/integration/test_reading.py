"""Real heads, the real decoder, the real Triton with the shipped model: from files to answers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from streams.adapters.contract_files import read_models
from streams.adapters.dicom_pixels import DicomPixels
from streams.adapters.object_folder import ObjectFolder
from streams.adapters.triton_server import TritonServer
from streams.events.reading import ReadingAnswered, ReadingFailed
from streams.reading.masks import decode_mask
from streams.runtime.inference.preparing import Preparing
from streams.runtime.inference.reader import Reader
from tests.support.local_triton import RunningTriton
from tests.support.reading_files import FoundSeries, series_in

ROOT = Path(__file__).parents[2]
DATA = ROOT / ".." / "shared" / "data" / "dcm_qa_ct" / "In"
MODELS = ROOT / "triton_models"
MODEL = "ich_ct"

pytestmark = [
    pytest.mark.stack,
    pytest.mark.shared_data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not beside the project"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def objects(tmp_path: Path) -> ObjectFolder:
    return ObjectFolder(tmp_path, reserve=0)


@pytest.fixture
async def reader(shipped_triton: RunningTriton, objects: ObjectFolder) -> AsyncIterator[Reader]:
    models = read_models(MODELS)
    async with DicomPixels(objects) as pixels, TritonServer(shipped_triton.address, models) as server:
        yield Reader(objects, Preparing(objects, pixels), server, models, time.monotonic)


def scans(scanner: str, objects: ObjectFolder) -> list[FoundSeries]:
    return series_in((path for path in (DATA / scanner).rglob("*") if path.is_file()), objects)


async def test_a_tilted_head_with_two_slice_distances_is_read(reader: Reader, objects: ObjectFolder):
    """GE HiSpeed: 28 slices of 4 and 7 mm, gantry tilted by 18.5 degrees; what is uneven is noted, not refused."""
    (head,) = scans("GE", objects)
    said = await reader.read(head.request(objects, MODEL))
    assert isinstance(said, ReadingAnswered)
    assert {note.code for note in said.quality} == {"tilted", "uneven"}
    assert np.isfinite([said.study_logit, *said.slice_logits]).all()
    assert len(said.slice_logits) == 28
    assert len(set(said.key_instances)) == 3
    assert set(said.key_instances) <= set(head.instances)
    if said.mask is not None:
        mask = decode_mask(objects.get(said.mask))
        assert set(mask.instances) <= set(head.instances)
        assert mask.bits.shape[1:] == (512, 512)


async def test_the_same_head_gets_the_same_answer(reader: Reader, objects: ObjectFolder):
    """Read twice, it is answered alike to the last bit, but for the time that it took."""
    (head,) = scans("GE", objects)
    answers = [await reader.read(head.request(objects, MODEL)) for _ in range(2)]
    said = [{k: v for k, v in _fields(answer).items() if not k.endswith("_seconds")} for answer in answers]
    assert said[0] == said[1]


def _fields(answer: ReadingAnswered | ReadingFailed) -> dict[str, object]:
    return {name: getattr(answer, name) for name in answer.__slots__}


async def test_a_phantom_a_scout_and_a_dose_report_are_told_apart(reader: Reader, objects: ObjectFolder):
    """Philips: a water phantom is no head, and what holds no slices is not read; each with its sentence."""
    reasons = []
    for series in scans("Philips", objects):
        said = await reader.read(series.request(objects, MODEL))
        assert isinstance(said, ReadingFailed)
        assert (said.kind, said.final) == ("quality", True)
        reasons.append(said.reason)
    assert sorted(reasons) == [
        "No brain inside a skull was found in the series.",
        "The series holds only localizers (scout images); there are no slices to read.",
        "The series holds only screenshots (secondary captures); there are no slices to read.",
    ]
