"""The real chest CTs, decoded once into arrays: run by the runtime's environment, which can read JPEG-LS."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

RUNS = Path(__file__).parent / "runs"
SERIES = {
    "LIDC-IDRI-0001": "lidc_series",
    "LIDC-IDRI-0006": "lidc_series",
    "LIDC-IDRI-0013": "lidc_series",
    "QIN-LSC-0014": "qin_lung",
    "QIN-LUNG-01-0007": "qin_lung",
}
JPEG_LS = "1.2.840.10008.1.2.4.80"


def data_folder() -> Path:
    """Where the shared data lies: WETREAD_DATA, else beside the project."""
    return Path(os.environ.get("WETREAD_DATA", "../shared/data"))  # noqa: TID251  # a script, not the product


def stored(dataset: pydicom.Dataset) -> NDArray[np.int32]:
    """The pixels as stored."""
    if dataset.file_meta.TransferSyntaxUID != JPEG_LS:
        return dataset.pixel_array.astype(np.int32)
    import imagecodecs  # noqa: PLC0415  # only in the runtime's environment

    frame = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
    raw = imagecodecs.jpegls_decode(frame)
    spare = 16 - int(dataset.BitsStored)
    if dataset.PixelRepresentation:
        return ((raw.astype(np.uint16) << spare).view(np.int16) >> spare).astype(np.int32)
    return raw.astype(np.int32)


def decode(folder: Path) -> dict[str, NDArray[np.generic]]:
    """An axial series as HU int16 [z, y, x] from foot to head, with its grid and identifiers."""
    slices = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    slices.sort(key=lambda d: float(d.ImagePositionPatient[2]))
    hu = np.stack([stored(d) * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in slices])
    where = np.asarray([[float(v) for v in d.ImagePositionPatient] for d in slices])
    row, column = (float(v) for v in slices[0].PixelSpacing)
    return {
        "hu": np.clip(np.rint(hu), -1024, 3071).astype(np.int16),
        "spacing": np.asarray([np.median(np.diff(where[:, 2])), row, column]),
        "positions": where[:, 2],
        "corner": where[0, :2],
        "series": np.asarray(str(slices[0].SeriesInstanceUID)),
    }


def main() -> None:
    """Decodes what is missing."""
    RUNS.mkdir(exist_ok=True)
    for name, folder in SERIES.items():
        target = RUNS / f"{name}.npz"
        if not target.exists():
            np.savez(target, **decode(data_folder() / folder / name))
            print(name, flush=True)


if __name__ == "__main__":
    main()
