"""Laws of planted bleeds: the ordered volume, the right place, the right density, an exact mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streams.phantom import bleeds
from streams.phantom.head import Scan, anatomy, make_head, measured, standard_frame
from streams.phantom.lattice import Frame
from streams.phantom.painter import Painter, render, voxels
from streams.phantom.person import person_of

FRAME: Frame = standard_frame()


@pytest.fixture(scope="module")
def ground():
    person = replace(person_of(21), ventricles=1.1)
    return anatomy(person, FRAME)


@pytest.fixture(scope="module")
def plain(ground):
    return render(*ground, FRAME)[0]


@pytest.mark.parametrize("kind", bleeds.KINDS)
@pytest.mark.parametrize("ml", [3.0, 12.0, 60.0])
def test_each_kind_reaches_the_ordered_volume_within_a_tenth(ground, kind: str, ml: float) -> None:
    """The mask's volume is within 10 % of the order, counted as the mask is."""
    lattice, fields = ground
    bleed = measured(lattice, FRAME, bleeds.plan(bleeds.Order(kind, ml, 5), lattice, fields), ml)
    assert voxels(Painter(lattice, FRAME), bleed, FRAME.z) * FRAME.voxel_ml() == pytest.approx(ml, rel=0.1)


@pytest.mark.parametrize("kind", bleeds.KINDS)
def test_blood_is_denser_than_brain_and_lies_inside_the_skull(ground, plain, kind: str) -> None:
    """Within the mask HU lie at 45 to 80; outside it nothing changes but brain pushed aside or swollen."""
    lattice, fields = ground
    bleed = measured(lattice, FRAME, bleeds.plan(bleeds.Order(kind, 15.0, 6), lattice, fields), 15.0)
    clean, mask = render(lattice, fields, FRAME, bleed)
    assert int(mask.sum()) == voxels(Painter(lattice, FRAME), bleed, FRAME.z)
    assert 45 < np.median(clean[mask]) < 80
    assert (clean[mask] < 300).mean() > 0.95
    bone = plain > 300
    assert np.abs(clean - plain)[bone & ~mask].max() < 300
    assert np.array_equal(clean[plain < -500], plain[plain < -500])


def test_a_subdural_is_flatter_than_an_epidural_of_the_same_volume(ground) -> None:
    """A crescent spreads along the inner table, a lens goes deep."""
    lattice, fields = ground
    deepest = {}
    for kind in ("subdural", "epidural"):
        bleed = measured(lattice, FRAME, bleeds.plan(bleeds.Order(kind, 25.0, 7), lattice, fields), 25.0)
        inside = (bleed.level < bleed.size) & (bleed.wall < 0)
        deepest[kind] = -fields["cavity"][inside].min()
    assert deepest["subdural"] < 0.75 * deepest["epidural"]


def test_blood_in_the_ventricles_sinks_to_the_back(ground) -> None:
    """The patient lies on the back: the front of the ventricles stays free."""
    lattice, fields = ground
    bleed = measured(lattice, FRAME, bleeds.plan(bleeds.Order("intraventricular", 6.0, 8), lattice, fields), 6.0)
    inside = fields["ventricles"] < 0
    blood = inside & (bleed.level < bleed.size)
    y = np.broadcast_to(lattice.y[None, :, None], lattice.shape)
    assert y[blood].mean() > y[inside].mean() + 15


def test_a_large_bleed_pushes_the_midline_to_the_other_side(ground) -> None:
    """The ventricles move away from the bleed; a bleed in the fluid spaces pushes nothing."""
    lattice, fields = ground
    x = np.broadcast_to(lattice.x[None, None, :], lattice.shape)
    order = bleeds.Order("subdural", 60.0, 9, side=1)
    bleed = measured(lattice, FRAME, bleeds.plan(order, lattice, fields), 60.0)
    moved = bleeds.pushed(bleed, lattice, fields)
    before, after = (x[f["ventricles"] < 0].mean() for f in (fields, moved))
    assert after < before - 1.5
    fluid = bleeds.plan(bleeds.Order("subarachnoid", 20.0, 9), lattice, fields)
    assert bleeds.pushed(fluid, lattice, fields) is fields


def test_an_unknown_kind_is_refused_by_name() -> None:
    """The error names the kind and those that exist."""
    with pytest.raises(ValueError, match=r"'nosebleed'.*subdural"):
        make_head(person_of(1), replace(FRAME, z=(20.0, 25.0)), Scan(), bleeds.Order("nosebleed", 5.0, 1))
