"""A series in a few figures: planes, coverage, thickness, and what is left out of them."""

from __future__ import annotations

from dataclasses import replace
from math import cos, nan, radians, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.assembly.state import SeriesSoFar
from streams.assembly.summary import normal, summarise
from tests.support.studies import AXIAL, T0, series_facts, slice_of, stack

CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
UID = "1.2.1"
SERIES = SeriesSoFar(facts=series_facts(UID), whole_by="quiet", first_stored_at=T0, last_stored_at=T0)


def of(images, series=SERIES):
    return summarise(series, images, "m" * 64)


def tilted(degrees):
    return (1.0, 0.0, 0.0, 0.0, cos(radians(degrees)), -sin(radians(degrees)))


@pytest.mark.parametrize(
    ("orientation", "plane"),
    [(AXIAL, "axial"), (tilted(18.5), "axial"), (tilted(-30), "axial"), (CORONAL, "coronal"), (SAGITTAL, "sagittal")],
)
def test_planes_are_named_by_the_axis_that_their_normal_is_nearest_to(orientation, plane):
    assert of(stack(UID, orientation=orientation)).orientation == plane


@pytest.mark.parametrize(
    "orientation",
    [None, (0.0,) * 6, (nan, 0.0, 0.0, 0.0, 1.0, 0.0), (1.0, 0.0, 0.0, 1.0, 0.0, 0.0), (3.0, 0, 0, 0, 3.0, 0)],
)
def test_what_is_no_direction_has_no_plane(orientation):
    assert normal(orientation) is None
    assert of(stack(UID, orientation=orientation)).orientation == "none"


def test_two_planes_are_mixed():
    assert of([*stack(UID, 4), slice_of(UID, 9, orientation=CORONAL)]).orientation == "mixed"


def test_coverage_is_from_the_first_to_the_last_slice_and_one_thickness():
    made = of(stack(UID, 28, 5.0))
    assert (made.coverage_mm, made.spacing_mm, made.thickness_mm) == (140.0, 5.0, 5.0)


def test_coverage_of_a_tilted_stack_is_along_its_normal():
    """Slices 5 mm apart on the table lie nearer to each other when the gantry is tilted."""
    made = of(stack(UID, 28, 5.0, orientation=tilted(20), thickness_mm=5.0))
    assert made.spacing_mm == pytest.approx(5 * cos(radians(20)), abs=0.01)
    assert made.coverage_mm == pytest.approx(27 * 5 * cos(radians(20)) + 5, abs=0.1)


def test_two_thicknesses_give_the_one_in_the_middle():
    assert (
        of(
            [*stack(UID, 13, thickness_mm=4.0), *(slice_of(UID, i, thickness_mm=7.0) for i in range(13, 28))]
        ).thickness_mm
        == 7.0
    )


@pytest.mark.parametrize("position", [None, (nan, 0.0, 0.0)])
def test_images_without_a_place_cover_nothing(position):
    made = of(stack(UID, position_mm=position))
    assert (made.coverage_mm, made.spacing_mm) == (0.0, None)


@pytest.mark.parametrize("thickness", [None, 0.0, -5.0, nan])
def test_a_thickness_that_cannot_be_is_none(thickness):
    assert of(stack(UID, thickness_mm=thickness)).thickness_mm is None


def test_a_scout_among_the_slices_does_not_spoil_them():
    made = of([*stack(UID), slice_of(UID, 50, localizer=True, orientation=CORONAL)])
    assert (made.localizer, made.orientation, made.count) == (False, "axial", 29)


def test_a_screenshot_among_them_neither():
    shot = slice_of(UID, 50, derived=True, orientation=None, position_mm=None, frames=1)
    made = of([*stack(UID), shot])
    assert (made.derived, made.orientation) == (False, "axial")


@pytest.mark.parametrize("flag", ["localizer", "derived"])
def test_a_series_of_nothing_else_is_what_its_images_are(flag):
    assert getattr(of(stack(UID, 3, **{flag: True})), flag)


def test_frames_and_missing_pixels_are_told():
    assert of(stack(UID, 1, frames=60)).multiframe
    assert not of(stack(UID, 1, rows=0, columns=0)).pixels


def test_one_slice_covers_its_thickness():
    made = of(stack(UID, 1))
    assert (made.coverage_mm, made.spacing_mm) == (5.0, None)


@given(st.permutations([*stack(UID, 8), slice_of(UID, 20, localizer=True), slice_of(UID, 9, orientation=tilted(1))]))
def test_the_order_of_images_changes_nothing(images):
    assert of(images) == of(sorted(images, key=lambda i: i.instance))


def test_faults_of_the_series_stand_before_those_of_its_images():
    series = replace(SERIES, conflicted=True, foreign=True)
    assert of(stack(UID, 2, fault="truncated"), series).faults == (
        "an image came again with other bytes; the first is kept",
        "some of its images name another patient than the study does",
        "truncated",
    )
