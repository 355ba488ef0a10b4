"""PixelSource: the same laws on the twin and on the real decoder, and what a hostile file may do to the real one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from streams.adapters.dicom_pixels import DecodeLimits, DicomPixels
from streams.adapters.memory_reading import MemoryPixels
from streams.adapters.object_folder import ObjectFolder
from streams.errors import ObjectDamaged, ObjectMissing, QualityRejected, ReadingBroken
from streams.events.imaging import InstanceFacts
from streams.ports import PixelSource
from tests.support.slices import dicom, facts

pytestmark = pytest.mark.timeout(60)

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not beside the project")
STORED = np.random.default_rng(2).integers(0, 3000, (3, 16, 8), dtype=np.int16)


class Objects(ObjectFolder):
    """The real store, in which the bytes of some objects can be exchanged for others behind its back."""

    exchanged: dict[str, Path]

    def path(self, digest: str) -> Path:
        return self.exchanged.get(digest) or super().path(digest)


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    store = Objects(tmp_path / "objects", reserve=0)
    store.exchanged = {}
    return store


@pytest.fixture
async def decoder(objects: Objects) -> AsyncIterator[DicomPixels]:
    async with DicomPixels(objects) as source:
        yield source


def kept(objects: Objects, content: bytes, number: int = 1) -> InstanceFacts:
    return facts(number, 0.0, digest=objects.put(content), rows=16, columns=8)


@pytest.fixture
def series(objects: Objects) -> list[InstanceFacts]:
    return [kept(objects, dicom(pixels), number) for number, pixels in enumerate(STORED, start=5)]


@pytest.fixture(params=["twin", "real"])
def source(request: pytest.FixtureRequest, series: list[InstanceFacts]) -> PixelSource:
    if request.param == "real":
        return request.getfixturevalue("decoder")
    return MemoryPixels({f.digest: pixels - 1024 for f, pixels in zip(series, STORED, strict=True)})


async def test_slices_come_in_the_order_asked_for(source: PixelSource, series: list[InstanceFacts]):
    """Hounsfield units, int16 [n, rows, columns]."""
    hu = await source.decode(series[::-1], 20)
    assert hu.dtype == np.int16
    assert np.array_equal(hu, STORED[::-1] - 1024)


async def test_bytes_that_are_not_there(source: PixelSource, series: list[InstanceFacts]):
    """An instance whose bytes the store does not hold is missing, whatever the others are."""
    with pytest.raises(ObjectMissing):
        await source.decode([*series, replace(series[0], digest="0" * 64)], 20)


async def test_bytes_that_have_changed(decoder: DicomPixels, objects: Objects, series, tmp_path: Path):
    """A flipped bit on the disk is not read as an image."""
    content = bytearray(objects.get(series[1].digest))
    content[-1] ^= 1
    objects.exchanged[series[1].digest] = tmp_path / "flipped"
    (tmp_path / "flipped").write_bytes(bytes(content))
    with pytest.raises(ObjectDamaged, match=series[1].digest[:12]):
        await decoder.decode(series, 20)


async def test_the_first_fault_is_told_by_its_slice(decoder: DicomPixels, objects: Objects, series):
    """Slice numbers are the images' own; the decoder goes on with the next series."""
    good = dicom(STORED[0])
    faulty = [*series, kept(objects, good[:-100], 8), kept(objects, b"garbage", 9)]
    with pytest.raises(QualityRejected, match=r"Slice 8 is truncated: it holds 156 of 256 bytes of pixel data\."):
        await decoder.decode(faulty, 20)
    assert (await decoder.decode(series, 20)).shape == STORED.shape


async def test_a_claim_of_gigabytes_costs_nothing(decoder: DicomPixels, objects: Objects):
    """2 GB claimed by a file of 1 KB are refused before anything is allocated for them."""
    content = dicom(STORED[0], Rows=32768, Columns=32767)
    claimed = replace(kept(objects, content), rows=32768, columns=32767)
    with pytest.raises(QualityRejected, match="claim 1 x 32768 x 32767 pixels, more than is read"):
        await decoder.decode([claimed], 20)
    content = dicom(STORED[0], Rows=20000, Columns=20000)
    with pytest.raises(QualityRejected, match="holds 256 of 800000000 bytes"):
        await decoder.decode([replace(kept(objects, content), rows=20000, columns=20000)], 20)
    with pytest.raises(QualityRejected, match="has 20000 x 20000 pixels, unlike the others"):
        await decoder.decode([kept(objects, content)], 20)
    with pytest.raises(QualityRejected, match="no images"):
        await decoder.decode([], 20)


async def test_memory_beyond_the_limit(objects: Objects):
    """A decoder that asks for too much is told no by the kernel; the child lives on or is replaced."""
    limits = DecodeLimits(memory_bytes=600 << 20)
    source = DicomPixels(objects, limits=limits)
    content = dicom(np.zeros((20000, 16000), np.uint8), BitsStored=8)
    large = replace(kept(objects, content), rows=20000, columns=16000)
    with pytest.raises(ReadingBroken, match="needs more memory than it may have"):
        await source.decode([large], 30)
    assert (await source.decode([kept(objects, dicom(STORED[0]))], 20)).shape == (1, 16, 8)
    source.close()


def stuck(objects: Objects, instance: InstanceFacts, tmp_path: Path) -> None:
    """Whoever opens this instance's bytes waits for ever, as a decoder in an endless loop does."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    objects.exchanged[instance.digest] = pipe


async def test_a_decoder_that_does_not_end(decoder: DicomPixels, objects: Objects, series, tmp_path: Path):
    """Past its deadline the child is killed; the next series has a fresh one."""
    stuck(objects, series[2], tmp_path)
    (child,) = decoder._all
    with pytest.raises(ReadingBroken, match=r"longer than 0\.5 s and was stopped"):
        await decoder.decode(series, 0.5)
    assert not child.alive()
    assert (await decoder.decode(series[:2], 20)).shape == (2, 16, 8)


async def test_a_cancelled_reading_ends_its_decoder(decoder: DicomPixels, objects: Objects, series, tmp_path):
    """On a revoke nothing goes on decoding for nobody."""
    stuck(objects, series[0], tmp_path)
    (child,) = decoder._all
    task = asyncio.create_task(decoder.decode(series, 20))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not child.alive()


async def test_a_decoder_that_crashes_is_tried_once_more(decoder: DicomPixels, objects: Objects, series, tmp_path):
    """The first crash may be the machine's; the second one is the images', and they are told near which slice."""
    stuck(objects, series[1], tmp_path)
    task = asyncio.create_task(decoder.decode(series, 20))
    killed: set[int] = set()
    while not task.done():
        await asyncio.sleep(0.3)
        for child in tuple(decoder._all):
            if child._process.pid not in killed:
                killed.add(child._process.pid)
                child._process.kill()
    with pytest.raises(ReadingBroken, match=r"crashed near slice [567] \(SIGKILL\)"):
        await task
    assert len(killed) == 2


async def test_children_end_with_the_source(objects: Objects, series: list[InstanceFacts]):
    """Nothing is left behind."""
    async with DicomPixels(objects, children=2) as source:
        await asyncio.gather(*(source.decode(series, 20) for _ in range(4)))
        children = tuple(source._all)
        assert 1 <= len(children) <= 2
    assert not any(child.alive() for child in children)


async def test_a_child_whose_parent_is_gone_ends(objects: Objects):
    """The channel's end is the parent's end."""
    source = DicomPixels(objects)
    child = await source._take()
    child._channel.close()
    assert await asyncio.to_thread(child._process.wait, 5) == 0


def file_facts(path: Path, digest: str) -> InstanceFacts:
    dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    syntax = dataset.file_meta.get("TransferSyntaxUID", "") if hasattr(dataset, "file_meta") else ""
    return facts(
        1,
        0.0,
        digest=digest,
        transfer_syntax=str(syntax),
        rows=dataset.get("Rows", 0),
        columns=dataset.get("Columns", 0),
    )


@pytest.mark.shared_data
@needs_data
async def test_every_file_of_pydicom_ends_in_pixels_or_a_sentence(decoder: DicomPixels, objects: Objects):
    """79 files, 11 transfer syntaxes, some broken on purpose; where pydicom can decode it too, the values agree."""
    read, refused = [], {}
    for path in sorted((DATA / "pydicom-data").rglob("*.dcm")):
        instance = file_facts(path, objects.put(path.read_bytes()))
        try:
            hu = await decoder.decode([instance], 20)
        except QualityRejected as fault:
            refused[path.name] = str(fault)
            continue
        read.append(path.name)
        agrees(path, hu[0])
    assert len(read) >= 19
    assert len(read) + len(refused) >= 70
    assert all(told.startswith(("Slice 1 ", "The images ")) and told.endswith(".") for told in refused.values())


def agrees(path: Path, hu: np.ndarray) -> None:
    dataset = pydicom.dcmread(path)
    try:
        stored = dataset.pixel_array
    except (RuntimeError, ValueError, AttributeError):
        return
    expected = stored * float(dataset.get("RescaleSlope", 1)) + float(dataset.get("RescaleIntercept", 0))
    expected = np.clip(np.rint(expected), -32768, 32767)
    padding = dataset.get("PixelPaddingValue")
    same = (hu == expected) | ((stored == padding) if padding is not None else False)
    assert same.all(), path.name


@pytest.mark.shared_data
@needs_data
@pytest.mark.parametrize(
    ("one", "other"), [("MR2_UNCR.dcm", "MR2_J2KR.dcm"), ("693_UNCR.dcm", "693_J2KR.dcm"), ("emri_small.dcm", None)]
)
async def test_lossless_twins_are_equal(decoder: DicomPixels, objects: Objects, one: str, other: str | None):
    """The same image in JPEG 2000 and as it is gives the same values; many frames are refused."""
    found = {path.name: path for path in (DATA / "pydicom-data").rglob("*.dcm")}
    first = file_facts(found[one], objects.put(found[one].read_bytes()))
    if other is None:
        with pytest.raises(QualityRejected, match="frames; such images are not read yet"):
            await decoder.decode([first], 20)
        return
    second = file_facts(found[other], objects.put(found[other].read_bytes()))
    assert np.array_equal(await decoder.decode([first], 20), await decoder.decode([second], 20))
