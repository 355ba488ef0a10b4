"""Laws of the studies that are no head CT: a chest is mostly lung, an MR has bright fluid and dark bone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streams.phantom.chest import chest_ct, chest_frame
from streams.phantom.head import Scan, anatomy
from streams.phantom.mr import brain_mr, mr_frame
from streams.phantom.painter import render
from streams.phantom.person import person_of
from streams.phantom.texture import SOFT


def test_a_chest_has_lungs_and_bones_and_no_skull() -> None:
    """A third of the body in the middle of the chest is lung at about -865 HU; bone is a small share."""
    frame = replace(chest_frame(), z=chest_frame().z[8:16:4])
    hu = chest_ct(3, frame, Scan(SOFT, 8.0, 3))
    assert hu.shape == (2, 512, 512)
    body = np.abs(hu[0][120:400, 100:412] + 865) < 60
    assert 0.15 < body.mean() < 0.6
    assert 0.005 < (hu > 250).mean() < 0.08
    assert np.array_equal(hu, chest_ct(3, frame, Scan(SOFT, 8.0, 3)))


def test_on_t2_fluid_is_bright_white_matter_is_darker_than_grey_and_bone_is_dark() -> None:
    """The MR is no CT: its signal is never negative, fluid over 700, bone under 100."""
    frame = replace(mr_frame(), z=(22.0, 28.5, 35.0))
    signal = brain_mr(person_of(2), frame, Scan(SOFT, 8.0, 1))
    lattice, fields = anatomy(person_of(2), frame)
    hu, _ = render(lattice, fields, frame)
    assert signal.min() >= 0
    assert np.median(signal[hu > 700]) < 100
    assert np.median(signal[np.abs(hu - 8) < 3]) > 600
    assert np.median(signal[np.abs(hu - 29) < 2]) < np.median(signal[np.abs(hu - 38) < 2])
