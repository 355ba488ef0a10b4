"""Doors for tests: DICOM files that one can spoil, a door in this process, a sender."""

from __future__ import annotations

import asyncio
import io
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage  # type: ignore[attr-defined]  # made at import

from streams.adapters.dicom_scu import associated
from streams.adapters.memory_twins import MemoryLog
from streams.adapters.object_folder import ObjectFolder
from streams.doors.dimse import DimseDoor
from streams.doors.part10 import wrap
from streams.doors.pseudonym import Pseudonyms
from streams.doors.settings import DoorSettings
from streams.doors.shipping import Shipper
from streams.doors.spool import Spool
from streams.events.envelope import from_kafka
from streams.events.imaging import InstancesStored, SeriesClosed
from streams.ports import ObjectStore

CT = str(CTImageStorage)
STUDY, SERIES = "1.2.826.1", "1.2.826.1.1"
NAMES = Pseudonyms(b"k" * 32)


def dataset(number: int = 1, *, pixels: bytes | None = None, **elements: Any) -> Dataset:
    """A CT slice of 16 x 16; elements by keyword, None leaves one out."""
    usual: dict[str, Any] = {
        "SOPClassUID": CT, "SOPInstanceUID": f"{SERIES}.{number}", "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": SERIES, "Modality": "CT", "PatientID": "P-17", "PatientName": "Doe^Jane",
        "PatientSex": "F", "PatientBirthDate": "19500601", "StudyDate": "20260531", "AccessionNumber": "A-1",
        "InstanceNumber": str(number), "ImagePositionPatient": [0, 0, number * 5],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [0.5, 0.4], "SliceThickness": "5",
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "Rows": 16, "Columns": 16,
        "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0,
    }  # fmt: skip
    made = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of what these tests spoil on purpose
        for keyword, value in {**usual, **elements}.items():
            if value is not None:
                setattr(made, keyword, value)
    made.PixelData = bytes([number % 256]) * 512 if pixels is None else pixels
    made["PixelData"].VR = "OW"
    return made


def part10(made: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The file of a dataset; any syntax may be claimed, bytes are encoded as the three plain ones are."""
    target = DicomBytesIO()
    target.is_little_endian, target.is_implicit_VR = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
    write_dataset(target, made)
    return wrap(
        target.getvalue(),
        sop_class=str(made.get("SOPClassUID", CT)),
        sop_instance=str(made.get("SOPInstanceUID", "1.2.3")),
        transfer_syntax=syntax,
    )


def slice_file(number: int = 1, **elements: Any) -> bytes:
    """The file of a CT slice."""
    return part10(dataset(number, **elements))


@dataclass
class DoorParts:
    """A door in this process and what it writes to."""

    door: DimseDoor
    shipper: Shipper
    spool: Spool
    log: MemoryLog
    objects: ObjectStore


@asynccontextmanager
async def dimse_door(
    home: Path, *, objects: ObjectStore | None = None, log: MemoryLog | None = None, **settings: Any
) -> AsyncIterator[DoorParts]:
    """A DIMSE door on a free port, shipping into a memory twin; stopped and drained at the end."""
    told = DoorSettings(**{"home": home, "port": 0, "finish_s": 1.0, **settings})
    store = objects or ObjectFolder(home / "objects", reserve=0)
    spool, twin = Spool(home / "spool", told.owed_most), log or MemoryLog()
    shipper = Shipper("dimse", spool, store, NAMES, twin)
    shipper.recover()
    shipping = asyncio.create_task(shipper.run())
    door = DimseDoor(told, store, spool, shipper.take)
    door.start()
    try:
        yield DoorParts(door, shipper, spool, twin, store)
    finally:
        await asyncio.to_thread(door.stop)
        shipping.cancel()
        spool.close()


def send(port: int, files: Sequence[bytes], *, how: str = "release", title: str = "WETREAD") -> list[int]:
    """Send files as one association, as a real SCU does; the statuses, none where it is not accepted."""
    entity = AE(ae_title="TESTER")
    entity.dimse_timeout = 5
    datasets = [dcmread(io.BytesIO(content)) for content in files]
    for sop_class, syntax in sorted(
        {(d.file_meta.MediaStorageSOPClassUID, d.file_meta.TransferSyntaxUID) for d in datasets}
    ):
        entity.add_requested_context(sop_class, [syntax])
    with associated(entity, "127.0.0.1", port, title) as association:
        if not association.is_established:
            return []
        answers = [association.send_c_store(each) for each in datasets if association.is_established]
        if association.is_established:
            association.release() if how == "release" else association.abort()
    return [int(answer.get("Status", -1)) for answer in answers]


def told_of(log: MemoryLog) -> tuple[list[InstancesStored], list[SeriesClosed]]:
    """What the record holds of images."""
    events = [from_kafka(record.value, record.headers).data for record in log.records("imaging.instances")]
    stored = [event for event in events if isinstance(event, InstancesStored)]
    return stored, [event for event in events if isinstance(event, SeriesClosed)]


def digests(log: MemoryLog) -> set[str]:
    """Digests of all instances that the record tells of."""
    return {instance.digest for event in told_of(log)[0] for instance in event.instances}
