"""The plane of a slice, from Image Orientation (Patient): its normal, its tilt, how to turn it upright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

AXIAL_WITHIN_DEG = 40.0
"""A gantry tilts by at most 30 degrees; from 40 on a slice is a reformat in another plane."""
UNIT_WITHIN = 0.01
"""Direction cosines are decimal strings: how far from unit length and right angle they may round."""

Orientation = tuple[float, float, float, float, float, float]
PlaneName = Literal["axial", "coronal", "sagittal", "oblique"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """How stored pixels [n, rows, columns] become the patient's [z, y, x]: transposed, then flipped."""

    transpose: bool = False
    flip_y: bool = False
    flip_x: bool = False

    def turn(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Stored pixels in the patient's axes; a view, nothing is copied."""
        turned = pixels.swapaxes(1, 2) if self.transpose else pixels
        return turned[:, :: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]

    def turn_back(self, volume: NDArray[Any]) -> NDArray[Any]:
        """The reverse: a volume in the patient's axes on the grid of the stored pixels; a view."""
        flipped = volume[:, :: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        return flipped.swapaxes(1, 2) if self.transpose else flipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """A direction of slices in the patient (PS3.3 C.7.6.2.1.1: x to the left, y to posterior, z to the head).

    Attributes:
        name: the plane that it lies nearest to.
        normal: unit vector; of an axial plane it points to the head.
        tilt_deg: angle between the normal and the patient's long axis.
        axes: how an axial slice's pixels are turned; no meaning for other planes.
    """

    name: PlaneName
    normal: NDArray[np.float64]
    tilt_deg: float
    axes: Axes


def plane_of(orientation: Orientation) -> Plane | None:
    """The plane of these direction cosines; None where they are none (NaN, not unit, not at right angles)."""
    row = np.asarray(orientation[:3], dtype=np.float64)
    column = np.asarray(orientation[3:], dtype=np.float64)
    if not (np.isfinite(row).all() and np.isfinite(column).all()):
        return None
    if abs(np.linalg.norm(row) - 1) > UNIT_WITHIN or abs(np.linalg.norm(column) - 1) > UNIT_WITHIN:
        return None
    if abs(float(row @ column)) > UNIT_WITHIN:
        return None
    normal = np.cross(row, column)
    normal /= np.linalg.norm(normal)
    if normal[np.argmax(np.abs(normal))] < 0:
        normal = -normal
    tilt = float(np.degrees(np.arccos(np.clip(abs(normal[2]), 0.0, 1.0))))
    return Plane(name=_name(normal), normal=normal, tilt_deg=tilt, axes=_axes(row, column))


def _name(normal: NDArray[np.float64]) -> PlaneName:
    nearest = int(np.argmax(np.abs(normal)))
    off = float(np.degrees(np.arccos(np.clip(abs(normal[nearest]), 0.0, 1.0))))
    if off > AXIAL_WITHIN_DEG:
        return "oblique"
    names: tuple[PlaneName, ...] = ("sagittal", "coronal", "axial")
    return names[nearest]


def _axes(row: NDArray[np.float64], column: NDArray[np.float64]) -> Axes:
    """The row vector says where the column index runs to, and the column vector where the row index does."""
    transpose = bool(abs(row[1]) > abs(row[0]))
    along_x, along_y = (column, row) if transpose else (row, column)
    return Axes(transpose=transpose, flip_y=bool(along_y[1] < 0), flip_x=bool(along_x[0] < 0))
