"""Real heads in Hounsfield units that only judge: the GE head, the thin head of InVesalius, an averaged atlas."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from data import data_folder, dicom_head
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.tensors import HeadSlabs, head_slabs

KINDS = {2: "u1", 4: "<i2", 8: "<i4", 16: "<f4", 64: "<f8", 512: "<u2"}  # NIfTI-1's datatype codes


@dataclass(frozen=True, slots=True)
class RealHead:
    """A head without a known bleed: HU `[z, y, x]` (foot to head, to the back, to the left), mm, places of slices."""

    name: str
    hu: NDArray[np.float32]
    spacing: tuple[float, float, float]
    places: NDArray[np.float64]

    def slabs(self) -> HeadSlabs:
        """As the model gets them."""
        return head_slabs(self.hu, self.spacing, self.places)


def nifti(path: Path) -> tuple[NDArray[np.float32], tuple[float, float, float]]:
    """A NIfTI-1 volume in the product's axes, and its spacing (dz, dy, dx); its sform must be along the axes."""
    raw = gzip.decompress(path.read_bytes())
    shape = struct.unpack("<8h", raw[40:56])[1:4]
    kind, first = struct.unpack("<h", raw[70:72])[0], int(struct.unpack("<f", raw[108:112])[0])
    steps = np.reshape(struct.unpack("<12f", raw[280:328]), (3, 4))[:, :3].diagonal()
    cells = np.frombuffer(raw, KINDS[kind], int(np.prod(shape)), first).reshape(shape[::-1])
    turn = tuple(slice(None, None, -1 if s > 0 else 1) for s in steps[:2])
    cells = cells[:: 1 if steps[2] > 0 else -1, turn[1], turn[0]]
    dx, dy, dz = (float(abs(s)) for s in steps)
    return np.ascontiguousarray(cells, np.float32), (dz, dy, dx)


def ge_head() -> RealHead:
    """28 slices of 4 and 7 mm, tilted."""
    return RealHead("GE head", *dicom_head(data_folder() / "dcm_qa_ct/In/GE"))


def thin_head() -> RealHead:
    """108 slices of 1.5 mm; an old pale area in the left or right half."""
    hu, spacing = nifti(data_folder() / "invesalius/cranium_ct.nii.gz")
    return RealHead("InVesalius head", hu, spacing, np.arange(len(hu)) * spacing[0])


def atlas() -> RealHead:
    """The averaged brain of 1 mm, smoother than any scan; it comes without a skull, one of 6 mm is put round it."""
    hu, spacing = nifti(data_folder() / "totalseg/totalsegmentator/resources/ct_brain_atlas_1mm.nii.gz")
    brain = ndimage.binary_fill_holes(ndimage.binary_closing(hu > 8, iterations=2))
    away = ndimage.distance_transform_edt(~brain)
    made = np.where(away == 0, hu, np.where(away <= 2, 12, np.where(away <= 8, 900, np.where(away <= 13, 40, -1000))))
    rng = np.random.default_rng(9)
    made = made + 3.5 * ndimage.gaussian_filter(rng.standard_normal(hu.shape), (0, 0.7, 0.7)) / 0.4
    made = np.pad(made, ((0, 0), (15, 15), (15, 15)), constant_values=-1000)
    return RealHead("atlas", made.astype(np.float32), spacing, np.arange(len(made)) * spacing[0])


def real_heads() -> list[RealHead]:
    """All three."""
    return [ge_head(), thin_head(), atlas()]


def of_thickness(head: RealHead, mm: float) -> RealHead:
    """The head on slices of `mm`: thinner by interpolation, thicker by averaging."""
    middles = np.arange(head.places[0] + mm / 2, head.places[-1] - mm / 2 + 0.01, mm)
    fine = [np.linspace(m - mm / 2, m + mm / 2, max(1, round(mm / 0.75)) + 1) for m in middles]
    out = []
    for places in fine:
        where = np.interp(places, head.places, np.arange(len(head.places)))
        low = np.minimum(where.astype(int), len(head.hu) - 2)
        part = (where - low)[:, None, None].astype(np.float32)
        out.append((head.hu[low] * (1 - part) + head.hu[low + 1] * part).mean(0))
    return replace(head, hu=np.stack(out), spacing=(mm, *head.spacing[1:]), places=middles)


def softened(mm: float) -> Callable[[RealHead], RealHead]:
    """A smoother kernel: a Gaussian in plane."""

    def change(head: RealHead) -> RealHead:
        dy, dx = head.spacing[1:]
        return replace(head, hu=ndimage.gaussian_filter(head.hu, (0, mm / dy, mm / dx)))

    return change


def sharpened(amount: float) -> Callable[[RealHead], RealHead]:
    """A sharper kernel: detail finer than about 1 mm added again, noise with it."""

    def change(head: RealHead) -> RealHead:
        dy, dx = head.spacing[1:]
        return replace(
            head, hu=head.hu + amount * (head.hu - ndimage.gaussian_filter(head.hu, (0, 0.8 / dy, 0.8 / dx)))
        )

    return change
