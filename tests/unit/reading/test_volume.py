"""Decoded slices become a volume in the patient's axes."""

from __future__ import annotations

import numpy as np
import pytest

from streams.errors import QualityRejected
from streams.reading.geometry import arrange
from streams.reading.volume import volume_of
from tests.support.slices import NEEDS, SERIES, stack


def test_a_prone_patient_is_turned_upright():
    """The first stored pixel of a prone slice lies at the patient's left and back."""
    geometry = arrange(SERIES, stack(orientation=(-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)), NEEDS)
    pixels = np.zeros((12, 8, 8), np.int16)
    pixels[:, 0, 0] = 40
    volume = volume_of(geometry, pixels)
    assert (volume.hu[:, -1, -1] == 40).all()
    assert volume.hu.sum() == 12 * 40
    assert volume.instances[0] == "1.2.3.1"
    assert volume.positions_mm.tolist() == [5.0 * k for k in range(12)]
    assert volume.quality == ()


def test_clipped_pixels_are_noted():
    """Metal beyond 16 bits is told, not hidden."""
    pixels = np.zeros((12, 8, 8), np.int16)
    pixels[0, 0, :2] = 32767, -32768
    note = volume_of(arrange(SERIES, stack(), NEEDS), pixels).quality[0]
    assert (note.code, note.sentence) == ("clipped", "2 pixels lie at or beyond the limits of 16 bits.")


def test_pixels_of_another_shape_are_refused():
    """What decodes to another size than the headers gave is no volume."""
    with pytest.raises(QualityRejected, match="decode to 12 x 8 x 9, not 12 x 8 x 8"):
        volume_of(arrange(SERIES, stack(), NEEDS), np.zeros((12, 8, 9), np.int16))
