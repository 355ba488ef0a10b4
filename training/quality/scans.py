"""The real series at hand as volumes: through the door's header, the geometry and the decoder, as in the product."""

from __future__ import annotations

import gzip
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from streams.adapters.decode_child import Slice, decode_slice
from streams.adapters.pixel_frames import stored_values, to_hounsfield
from streams.adapters.pixel_header import read_pixel_header
from streams.contract import Needs
from streams.doors.header import Header, read_header
from streams.doors.pseudonym import Pseudonyms
from streams.errors import NotDicom, QualityRejected
from streams.events.imaging import InstanceFacts, SeriesFacts
from streams.reading.geometry import arrange
from streams.reading.planes import Axes
from streams.reading.volume import Volume, volume_of

ANY = Needs(modality=("CT",), body_part="any", max_gap=1e9)
"""Of geometry nothing is refused here that can be ordered at all."""
NIFTI_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 512: "u2"}


def data_folder() -> Path:
    """Where the shared data lies: WETREAD_DATA, else beside the project."""
    return Path(os.environ.get("WETREAD_DATA", "../shared/data"))  # noqa: TID251  # a script, not the product


@dataclass(frozen=True, slots=True)
class Scan:
    """One series. `patient` groups what may not be split; `part` is what its header or source says."""

    name: str
    patient: str
    part: str
    volume: Volume
    facts: SeriesFacts
    instances: tuple[InstanceFacts, ...] = ()


def real_scans() -> Iterator[Scan]:
    """All CT stacks of the shared data that are whole series in Hounsfield units."""
    data = data_folder()
    yield from dicom_scans(data / "dcm_qa_ct/In/GE", "head", "qa-ge")
    yield from dicom_scans(data / "dcm_qa_ct/In/Philips/S21570/S2010", "head", "qa-philips-phantom")
    yield nifti_scan(data / "invesalius/cranium_ct.nii.gz", "head", "invesalius")
    yield nifti_scan(data / "totalseg/tests/reference_files/example_ct.nii.gz", "trunk", "totalseg-torso")
    yield from dicom_scans(data / "totalseg/tests/reference_files/example_ct_dicom", "trunk", "totalseg-dicom")
    for folder in ("lidc_series", "qin_lung"):
        for path in sorted((data / folder).iterdir()):
            if path.is_dir():
                yield from dicom_scans(path, "chest", path.name)


def dicom_scans(folder: Path, part: str, name: str) -> Iterator[Scan]:
    """The stacks of a folder; what cannot be ordered is passed over and said."""
    found: dict[str, list[tuple[Header, Path]]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            header = read_header(path.read_bytes(), Pseudonyms(b"quality"))
        except NotDicom:
            continue
        found.setdefault(header.series.series, []).append((header, path))
    for headers in found.values():
        try:
            yield _scan(headers, part, name)
        except QualityRejected as fault:
            print(f"{name}: not read: {fault}")


def _scan(headers: Sequence[tuple[Header, Path]], part: str, name: str) -> Scan:
    paths = {header.instance.instance: path for header, path in headers}
    facts = headers[0][0].series
    instances = tuple(header.instance for header, _ in headers)
    geometry = arrange(facts, instances, ANY)
    pixels = np.empty((len(geometry.instances), geometry.rows, geometry.columns), np.int16)
    for index, one in enumerate(geometry.instances):
        task = Slice(str(index + 1), str(paths[one.instance]), one.digest, one.transfer_syntax)
        decode_slice(task, pixels[index])
    return Scan(name, name, part, volume_of(geometry, pixels), facts, instances)


def nifti_scan(path: Path, part: str, name: str) -> Scan:
    """A NIfTI-1 volume in RAS+ axes, turned to the patient's z, y, x of DICOM."""
    content = gzip.decompress(path.read_bytes())
    dims = struct.unpack("<8h", content[40:56])[1:4]
    kind = NIFTI_TYPES[struct.unpack("<h", content[70:72])[0]]
    offset = int(struct.unpack("<f", content[108:112])[0])
    slope, shift = struct.unpack("<2f", content[112:120])
    rows = np.array(struct.unpack("<12f", content[280:328])).reshape(3, 4)[:, :3]
    voxels = np.frombuffer(content, "<" + kind, int(np.prod(dims)), offset).reshape(dims, order="F").astype(np.float32)
    voxels = voxels * (slope if np.isfinite(slope) and slope else 1.0) + (shift if np.isfinite(shift) else 0.0)
    steps = np.abs(rows).max(axis=0)
    for axis in range(3):
        if rows[axis, axis] < 0:
            voxels = np.flip(voxels, axis)
    hu = np.clip(np.rint(voxels), -32768, 32767).astype(np.int16).transpose(2, 1, 0)[:, ::-1, ::-1]
    return Scan(name, name, part, stack(hu, (steps[2], steps[1], steps[0])), SeriesFacts(series=name, modality="CT"))


def stack(hu: NDArray[np.int16], spacing: tuple[float, float, float], quality: tuple = ()) -> Volume:
    """A volume of plain slices."""
    return Volume(
        hu=hu,
        spacing_mm=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        positions_mm=np.arange(len(hu)) * float(spacing[0]),
        tilt_deg=0.0,
        instances=tuple(str(k) for k in range(len(hu))),
        axes=Axes(),
        quality=quality,
    )


def single_slices() -> Iterator[tuple[str, NDArray[np.int16], tuple[float, float], float]]:
    """Slices that stand alone, decoded as the product does: source, HU [rows, columns], pixel (mm), height (mm)."""
    data = data_folder()
    files = [
        *((data / "totalseg/tests/reference_files/example_ct_dicom").iterdir()),
        *(
            (data / "pydicom-data/data_store/data" / f"{name}.dcm")
            for name in ("693_UNCI", "bad_sequence", "explicit_VR-UN")
        ),
        data / "highdicom/data/test_files/ct_image.dcm",
        *((data / "cip/Testing/Data/Input/simple_dicom").iterdir()),
    ]
    for path in sorted(files):
        content = path.read_bytes()
        tags = dcmread(path, stop_before_pixels=True, force=True)
        header = read_pixel_header(content, str(tags.file_meta.get("TransferSyntaxUID", "")))
        hu = np.empty((header.rows, header.columns), np.int16)
        to_hounsfield(stored_values(header), header, hu)
        dy, dx = (float(mm) for mm in tags.get("PixelSpacing", (0.8, 0.8)))
        yield f"{path.parent.name}/{path.name}", hu, (dy, dx), float(tags.get("ImagePositionPatient", (0, 0, 0))[2])
