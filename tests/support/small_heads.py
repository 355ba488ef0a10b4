"""Small heads as DICOM, made in milliseconds: right in geometry and header, no anatomy worth a model's opinion."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from streams.phantom.dicom import Series, Study, ct_slices, save, uid_of
from streams.phantom.lattice import Frame
from streams.phantom.vendors import PHILIPS, Vendor

SLICES, THICK, SIZE, PIXEL = 14, 7.5, 256, 0.9375
FRAME = Frame(z=tuple(THICK * n for n in range(SLICES)), thickness=THICK, pixel=PIXEL, size=SIZE)
"""105 mm in 14 slices: the least that the haemorrhage model's contract takes."""


def study(name: str, accession: str = "", vendor: Vendor = PHILIPS) -> Study:
    """A phantom's study of that name, another for each name."""
    return Study(
        uid=uid_of("integration", name),
        patient_name="PHANTOM^SMALL",
        patient_id=f"PHANTOM-{name}",
        birth_date="19510203",
        sex="F",
        age="075Y",
        accession=accession,
        date="20260302",
        time="081500",
        description="CT HEAD W/O CONTRAST",
        body_part="HEAD",
        vendor=vendor,
    )


@cache
def pixels() -> NDArray[np.float32]:
    """A skull of an ellipsoid's shape with brain in it, HU `[z, y, x]`."""
    z, y, x = np.ogrid[:SLICES, :SIZE, :SIZE]
    across = (x - SIZE / 2) * PIXEL / 72
    along = (y - SIZE / 2) * PIXEL / 90
    up = (z - 2) * THICK / 100
    radius = np.sqrt(across**2 + along**2 + np.clip(up, 0, None) ** 2)
    noise = np.random.default_rng(7).normal(0, 3, (SLICES, SIZE, SIZE))
    hu = np.where(radius < 0.9, 34 + noise, np.where(radius < 0.98, 1100, np.where(radius < 1.04, 40, -1000)))
    return hu.astype(np.float32)


def slices(name: str, accession: str = "", vendor: Vendor = PHILIPS) -> list[Dataset]:
    """The datasets of a small head, from foot to head."""
    return ct_slices(study(name, accession, vendor), Series(2, "HEAD 7.5", vendor.kernel), pixels(), FRAME)


def written(datasets: Iterable[Dataset], folder: Path, spoil: Callable[[bytes], bytes] | None = None) -> list[Path]:
    """The datasets as Part 10 files of a new folder; `spoil` changes each one's bytes."""
    folder.mkdir(parents=True)
    paths = []
    for number, dataset in enumerate(datasets):
        paths.append(folder / f"{number:04d}.dcm")
        save(dataset, paths[-1])
        if spoil:
            paths[-1].write_bytes(spoil(paths[-1].read_bytes()))
    return paths
