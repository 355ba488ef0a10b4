"""A CT series as one array in patient directions, with where each slice came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.errors import QualityRejected
from streams.events.reading import QualityNote
from streams.reading.geometry import Geometry
from streams.reading.placing import Placing, placing_of
from streams.reading.planes import Axes
from streams.reading.slices import noted

HIGHEST, LOWEST = 32767, -32768
"""Where the decoder's int16 clips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Hounsfield units on the series' own grid, turned so that the axes are the patient's.

    Attributes:
        hu: int16 [z, y, x]; z from foot to head, y to posterior, x to the patient's left (PS3.3 C.7.6.2.1.1).
        spacing_mm: dz (median distance of neighbouring slices), dy, dx.
        positions_mm: float64 [z], along the slices' normal, ascending; not always evenly spaced.
        tilt_deg: angle of the slices' normal to the patient's long axis.
        instances: SOP Instance UID of each slice.
        axes: how the stored pixels were turned.
        quality: what was seen and tolerated.
        placing: where the voxels lie in the patient; None where no headers told.
    """

    hu: NDArray[np.int16]
    spacing_mm: tuple[float, float, float]
    positions_mm: NDArray[np.float64]
    tilt_deg: float
    instances: tuple[str, ...]
    axes: Axes
    quality: tuple[QualityNote, ...] = ()
    placing: Placing | None = None


def volume_of(geometry: Geometry, pixels: NDArray[np.int16]) -> Volume:
    """The volume of decoded slices, int16 [n, rows, columns] in the geometry's order.

    Raises:
        QualityRejected: the pixels do not have the shape that the headers gave.
    """
    expected = (len(geometry.instances), geometry.rows, geometry.columns)
    if pixels.shape != expected:
        raise QualityRejected(f"The images decode to {_shape(pixels.shape)}, not {_shape(expected)}.")
    notes = list(geometry.quality)
    clipped = int(np.count_nonzero(pixels == HIGHEST)) + int(np.count_nonzero(pixels == LOWEST))
    if clipped:
        notes.append(noted("clipped", f"{clipped} pixels lie at or beyond the limits of 16 bits."))
    return Volume(
        hu=geometry.axes.turn(pixels),
        spacing_mm=geometry.spacing_mm,
        positions_mm=np.asarray(geometry.positions_mm, dtype=np.float64),
        tilt_deg=geometry.tilt_deg,
        instances=tuple(facts.instance for facts in geometry.instances),
        axes=geometry.axes,
        quality=tuple(notes),
        placing=placing_of(geometry),
    )


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in shape)
