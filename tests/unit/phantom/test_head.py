"""Laws of the head phantom: what it is made of, where, and that a seed always gives the same head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streams.phantom.head import HeadSample, Scan, anatomy, make_head, random_head, scanned, standard_frame
from streams.phantom.lattice import between, blobs, doubled, lattice_for, mixing
from streams.phantom.painter import render
from streams.phantom.person import person_of
from streams.phantom.texture import SHARP, SOFT, noise


@pytest.fixture(scope="module")
def head() -> HeadSample:
    return make_head(person_of(3), standard_frame(), Scan(seed=3, holder=False))


def test_a_standard_head_has_512_pixels_and_about_thirty_slices_of_5_mm(head: HeadSample) -> None:
    """A standard head is 28 to 32 slices of 5 mm, 512 by 512, field of view about 240 mm."""
    assert head.hu.shape[1:] == (512, 512)
    assert 28 <= len(head.hu) <= 32
    assert head.hu.dtype == np.float32
    assert head.spacing[0] == pytest.approx(5.0)
    assert 230 <= head.spacing[1] * 512 <= 250
    assert not head.mask.any()
    assert head.kind is None


def test_it_is_made_of_air_brain_fluid_and_bone_in_their_hounsfield_units(head: HeadSample) -> None:
    """Air is -1000, brain lies at 25 to 40, fluid under 15, bone over 700, and calcium lies inside the brain."""
    assert np.median(head.hu[:, :20]) == pytest.approx(-1000, abs=8)
    middle = head.hu[19, 200:312, 170:342]
    assert 26 < np.median(middle) < 38
    assert (head.hu > 700).mean() > 0.01
    quiet = np.stack([plane[180:330, 200:310] for plane in head.hu[15:21]]).reshape(6, 75, 2, 55, 2).mean((2, 4))
    assert (quiet < 16).mean() > 0.01


def test_low_is_the_foot_and_the_front_comes_first(head: HeadSample) -> None:
    """Slices ascend from foot to head (the vertex is small), rows go from front to back (the nose comes first)."""
    inside = (head.hu > -200).sum((1, 2))
    assert inside[-1] < inside[12]
    face = head.hu[3]
    rows = np.flatnonzero((face > -200)[:, 236:276].any(axis=1))
    sides = np.flatnonzero((face > -200)[:, 150:180].any(axis=1))
    assert rows[0] < sides[0]


def test_the_same_seed_gives_the_same_head_and_another_gives_another() -> None:
    """A head is a function of its seed, to the last bit."""
    frame = replace(standard_frame(), z=(20.0, 25.0))
    one, two, other = (make_head(person_of(s), frame, Scan(seed=s)).hu for s in (5, 5, 6))
    assert np.array_equal(one, two)
    assert np.abs(one - other).mean() > 5


def test_thin_slices_average_to_thick_ones() -> None:
    """Partial volume: a thick slice is the mean of the thin ones that it covers, but for how finely it was painted."""
    person, thick = person_of(8), replace(standard_frame(), z=(30.0,))
    lattice, fields = anatomy(person, replace(thick, z=(20.0, 40.0)))
    thin = replace(thick, z=(28.125, 29.375, 30.625, 31.875), thickness=1.25)
    one, _ = render(lattice, fields, thick)
    four, _ = render(lattice, fields, thin)
    assert np.abs(one[0] - four.mean(axis=0)).mean() < 4


def test_random_heads_differ_in_size_and_keep_the_geometry_they_state() -> None:
    """random_head draws another person each time, and its slices are as thick as was asked."""
    rng = np.random.default_rng(1)
    one = random_head(rng, thickness_mm=10.0)
    two = random_head(rng, thickness_mm=10.0, bleed="epidural", ml=20.0)
    assert one.spacing[0] == two.spacing[0] == 10.0
    assert one.spacing[1] != two.spacing[1]
    assert two.kind == "epidural"
    assert two.ml() == pytest.approx(20.0, rel=0.1)


def test_a_sharp_kernel_is_grainier_than_a_soft_one() -> None:
    """Noise of a soft kernel is correlated over neighbours, that of a sharp one much less; both have deviation 1."""
    shape = (2, 256, 256)
    soft, sharp = (noise(np.random.default_rng(2), shape, kernel, 0.47) for kernel in (SOFT, SHARP))
    near = [float((n[:, :, 1:] * n[:, :, :-1]).mean() / n.var()) for n in (soft, sharp)]
    assert near[0] > 0.5 > near[1] + 0.2
    assert soft.std() == pytest.approx(1.0, abs=0.1)


def test_the_scanner_stays_within_what_sixteen_bits_hold() -> None:
    """HU after noise stay within -1024 to 3071."""
    frame = replace(standard_frame(), z=(0.0,))
    clean = np.full((1, 512, 512), -1000, np.float32)
    seen = scanned(clean, frame, Scan(SHARP, 400.0, 1))
    assert seen.min() >= -1024
    assert seen.max() <= 3071


def test_resampling_keeps_straight_lines_straight() -> None:
    """Interpolation between nodes, by matrix, by pairs or by doubling, is exact for a ramp."""
    nodes, places = np.arange(0, 20, 2.0, dtype=np.float32), np.array([1.0, 3.5, 17.0], np.float32)
    assert np.allclose(mixing(nodes, places) @ nodes, places)
    before, part = between(nodes, places)
    assert np.allclose(nodes[before] + part * 2, places)
    ramp = np.arange(6, dtype=np.float32)[:, None]
    assert np.allclose(np.diff(doubled(ramp)[1:-1, 0]), 0.5)


def test_blobs_have_mean_0_and_deviation_1() -> None:
    """A random field on the lattice is standardised, so that its factor is its size in mm or HU."""
    field = blobs(np.random.default_rng(4), lattice_for(standard_frame()), 12.0)
    assert field.mean() == pytest.approx(0, abs=1e-3)
    assert field.std() == pytest.approx(1, abs=1e-3)
