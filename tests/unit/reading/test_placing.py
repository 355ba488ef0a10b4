"""A voxel of the turned volume lies where its own slice's header puts it (PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1)."""

from __future__ import annotations

import numpy as np
import pytest

from streams.reading.geometry import arrange
from streams.reading.volume import volume_of
from tests.support.slices import NEEDS, SERIES, stack

TILT = np.radians(12.0)
ORIENTATIONS = {
    "supine": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "prone": (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0),
    "mirrored": (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "upside down": (1.0, 0.0, 0.0, 0.0, -1.0, 0.0),
    "on its side": (0.0, 1.0, 0.0, 1.0, 0.0, 0.0),
    "on its side, turned": (0.0, -1.0, 0.0, 1.0, 0.0, 0.0),
    "tilted": (1.0, 0.0, 0.0, 0.0, float(np.cos(TILT)), float(-np.sin(TILT))),
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_every_voxel_lies_where_its_header_says(name: str) -> None:
    """One stored pixel is marked; where the volume shows it, the placing gives its place by the standard."""
    orientation = ORIENTATIONS[name]
    geometry = arrange(SERIES, stack(orientation=orientation), NEEDS)
    pixels = np.zeros((12, 8, 8), np.int16)
    slice_, row, column = 4, 2, 5
    pixels[slice_, row, column] = 99
    volume = volume_of(geometry, pixels)
    assert volume.placing is not None
    (index,) = np.argwhere(volume.hu == 99)
    corner = np.asarray(geometry.instances[slice_].position_mm)
    between_rows, between_columns = SERIES.pixel_spacing_mm or (0, 0)
    along_row, along_column = np.asarray(orientation[:3]), np.asarray(orientation[3:])
    wanted = corner + along_row * between_columns * column + along_column * between_rows * row
    z, y, x = (float(v) for v in index)
    assert volume.placing.patient((z, y, x)) == pytest.approx(tuple(wanted), abs=1e-6)


def test_between_two_voxels_lies_between_their_places() -> None:
    """Also between two slices."""
    volume = volume_of(arrange(SERIES, stack(), NEEDS), np.zeros((12, 8, 8), np.int16))
    assert volume.placing is not None
    one, other = (np.asarray(volume.placing.patient((z, 1.0, 2.0))) for z in (3.0, 4.0))
    assert volume.placing.patient((3.5, 1.0, 2.0)) == pytest.approx(tuple((one + other) / 2))
