"""A series is ordered by where its slices lie, and refused in words where it will not do."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import QualityRejected
from streams.events.imaging import InstanceFacts
from streams.reading.geometry import Geometry, arrange
from streams.reading.planes import Axes
from tests.support.slices import NEEDS, SERIES, facts, stack

Slices = list[InstanceFacts]


def arranged(slices: Sequence[InstanceFacts], **needs: object) -> Geometry:
    return arrange(SERIES, slices, replace(NEEDS, **needs))


def notes(geometry: Geometry) -> list[str]:
    return [note.code for note in geometry.quality]


@given(st.randoms(use_true_random=False), st.integers(5, 15), st.floats(1.5, 8))
def test_the_order_of_arrival_changes_nothing(chance: random.Random, count: int, step: float):
    """Any order of the same instances gives the same geometry, from foot to head."""
    slices = stack(count, step)
    shuffled = slices.copy()
    chance.shuffle(shuffled)
    geometry = arranged(shuffled, coverage_mm=1)
    assert geometry == arranged(slices, coverage_mm=1)
    assert [facts.number for facts in geometry.instances] == list(range(1, count + 1))
    assert geometry.positions_mm == tuple(sorted(geometry.positions_mm))


def test_a_plain_stack():
    """Spacing is slice distance, row spacing, column spacing; nothing is noted."""
    geometry = arranged(stack(12, 5.0))
    assert geometry.spacing_mm == (5.0, 0.5, 0.4)
    assert geometry.axes == Axes()
    assert geometry.tilt_deg == 0
    assert geometry.quality == ()


@pytest.mark.parametrize(
    ("orientation", "axes", "spacing"),
    [
        ((1, 0, 0, 0, 1, 0), Axes(), (0.5, 0.4)),
        ((-1, 0, 0, 0, -1, 0), Axes(flip_y=True, flip_x=True), (0.5, 0.4)),  # prone
        ((-1, 0, 0, 0, 1, 0), Axes(flip_x=True), (0.5, 0.4)),  # seen from above
        ((0, 1, 0, -1, 0, 0), Axes(transpose=True, flip_x=True), (0.4, 0.5)),  # on the side
        ((0, -1, 0, 1, 0, 0), Axes(transpose=True, flip_y=True), (0.4, 0.5)),
    ],
)
def test_every_axial_orientation_is_turned_upright(orientation, axes: Axes, spacing):
    """Rows run to posterior and columns to the left, wherever the patient's head lay; z ascends to the head."""
    geometry = arranged(stack(orientation=tuple(map(float, orientation))))
    assert geometry.axes == axes
    assert geometry.spacing_mm[1:] == spacing
    assert geometry.instances[0].number == 1


@given(st.booleans(), st.booleans(), st.booleans())
def test_turning_is_undone_by_turning_back(transpose: bool, flip_y: bool, flip_x: bool):
    """A mask finds its way back to the stored pixels."""
    axes = Axes(transpose=transpose, flip_y=flip_y, flip_x=flip_x)
    pixels = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    assert np.array_equal(axes.turn_back(axes.turn(pixels)), pixels)


def tilted(degrees: float) -> Slices:
    tilt = math.radians(degrees)
    orientation = (1.0, 0.0, 0.0, 0.0, math.cos(tilt), -math.sin(tilt))
    return stack(orientation=orientation)


def test_a_tilted_gantry_is_noted_and_measured_along_the_normal():
    """Distances that the table moved are longer than the slices lie apart."""
    geometry = arranged(tilted(20))
    assert geometry.tilt_deg == pytest.approx(20)
    assert geometry.spacing_mm[0] == pytest.approx(5 * math.cos(math.radians(20)))
    assert notes(geometry) == ["tilted"]


def test_two_distances_in_one_series_are_noted():
    """4 mm at the base and 7 mm above is a protocol, not a gap."""
    low = [facts(n, n * 4.0, thickness_mm=4.0) for n in range(1, 9)]
    high = [facts(n, 32 + (n - 8) * 7.0, thickness_mm=7.0) for n in range(9, 16)]
    geometry = arranged(low + high)
    assert notes(geometry) == ["uneven"]
    assert geometry.quality[0].sentence == "The slices lie 4 to 7 mm apart."


def test_thick_slices_after_thin_ones_leave_no_anatomy_out():
    """10 mm slices behind 2.5 mm ones are as far apart as they are thick."""
    thin = [facts(n, n * 2.5, thickness_mm=2.5) for n in range(1, 13)]
    thick = [facts(n, 36.25 + (n - 13) * 10.0, thickness_mm=10.0) for n in range(13, 18)]
    assert "uneven" in notes(arranged(thin + thick))


def test_scouts_and_screenshots_beside_the_slices_are_left_out():
    """What is no slice is not read, and said so."""
    scout = facts(0, 0, localizer=True, orientation=(1.0, 0.0, 0.0, 0.0, 0.0, -1.0))
    shot = facts(90, 0, sop_class="1.2.840.10008.5.1.4.1.1.7", position_mm=None)
    geometry = arranged([scout, *stack(), shot])
    assert len(geometry.instances) == 12
    assert geometry.quality[0].sentence == "2 of 14 images are scouts or screenshots."


def test_the_same_stack_acquired_twice_is_read_once():
    """The later acquisition is kept, whole; else the later instance numbers."""
    again = [replace(f, instance=f"{f.instance}.9", number=f.number + 12, acquisition=2) for f in stack()]
    geometry = arranged(again + stack())
    assert {facts.acquisition for facts in geometry.instances} == {2}
    assert notes(geometry) == ["acquired-twice"]
    same = [replace(facts, acquisition=1) for facts in again]
    assert [facts.number for facts in arranged(same + stack()).instances] == list(range(13, 25))


def test_more_notes():
    """A scanner that announced more, reformats, slices out of line."""
    assert notes(arranged(stack(images_in_acquisition=20))) == ["incomplete"]
    assert notes(arranged(stack(derived=True))) == ["derived"]
    moved = stack()
    moved[4] = replace(moved[4], position_mm=(-110.0, -120.0, 20.0))
    assert notes(arranged(moved)) == ["shifted"]


def without(*numbers: int) -> Callable[[Slices], Slices]:
    return lambda slices: [f for f in slices if f.number not in numbers]


def changed(number: int, **changes: object) -> Callable[[Slices], Slices]:
    return lambda slices: [replace(f, **changes) if f.number == number else f for f in slices]


def every(**changes: object) -> Callable[[Slices], Slices]:
    return lambda slices: [replace(f, **changes) for f in slices]


NAN = float("nan")
SCOUTS = "The series holds only localizers (scout images); there are no slices to read."
SCREENSHOTS = "The series holds only screenshots (secondary captures); there are no slices to read."
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (without(6, 7, 8, 9), "Gap of 25 mm between slices 5 and 10 (spacing 5 mm): slices are missing."),
        (without(6, 9), "Gap of 10 mm between slices 5 and 7 (spacing 5 mm), and 1 more: slices are missing."),
        (lambda s: s[:1], "The series holds one slice; a stack of slices is needed."),
        (lambda s: s[:4], "The series holds 4 slices; the model needs 5."),
        (lambda s: s[:6], "The slices cover 30 mm; the model needs 40."),
        (lambda s: [], "The series holds no images."),
        (every(thickness_mm=12.0), "The slices are 12 mm thick; the model reads 0.4 to 10."),
        (every(localizer=True), SCOUTS),
        (every(sop_class="1.2.840.10008.5.1.4.1.1.7.2"), SCREENSHOTS),
        (
            every(sop_class="1.2.840.10008.5.1.4.1.1.2.1"),
            "The series is Enhanced CT (multi-frame), which is not read yet.",
        ),
        (every(frames=30), "An image holds 30 frames; such images are not read yet."),
        (every(orientation=CORONAL), "The slices are coronal; only axial series are read."),
        (every(orientation=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0)), "The slices are sagittal; only axial series are read."),
        (changed(7, orientation=CORONAL), "The slices lie in different directions (slices 1 and 7)."),
        (
            changed(7, orientation=(-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)),
            "The slices lie in different directions (slices 1 and 7).",
        ),
        (changed(7, orientation=(1.0, 0.0, 0.0, 1.0, 0.0, 0.0)), "Slice 7 has an orientation that is no orientation."),
        (changed(7, orientation=(NAN, 0.0, 0.0, 0.0, 1.0, 0.0)), "Slice 7 has an orientation that is no orientation."),
        (changed(7, orientation=None), "Slice 7 has no Image Orientation (Patient): how it lies is not known."),
        (changed(7, position_mm=None), "Slice 7 has no Image Position (Patient): where it lies is not known."),
        (changed(7, position_mm=(0.0, NAN, 0.0)), "Slice 7 has a position that is not a number."),
        (changed(7, position_mm=(0.0, 0.0, math.inf)), "Slice 7 has a position that is not a number."),
        (changed(7, rows=16), "The slices differ in size (8 x 8 and 16 x 8 pixels)."),
        (changed(7, rows=0), "Slice 7 has no pixels."),
        (changed(7, fault="truncated: 2 of 4 bytes"), "Slice 7 cannot be used: truncated: 2 of 4 bytes."),
        (changed(7, position_mm=(-100.0, -120.0, 25.0)), "Slices 6 and 7 lie at the same position, unlike the others."),
    ],
)
def test_a_fault_is_told_to_a_technologist(spoil: Callable[[Slices], Slices], told: str):
    """What is wrong, where, by how much: never a guess."""
    with pytest.raises(QualityRejected) as fault:
        arranged(spoil(stack()))
    assert str(fault.value) == told


def test_stacks_that_nothing_tells_apart_are_refused():
    """Two energies, interleaved: reading either would be a guess."""
    doubled = [
        replace(f, instance=f"{f.instance}.{energy}", number=2 * (f.number or 0) + energy)
        for f in stack()
        for energy in (0, 1)
    ]
    with pytest.raises(QualityRejected, match="nothing tells which belong together"):
        arranged(doubled)


@pytest.mark.parametrize("spacing", [None, (0.0, 0.5), (NAN, 0.5), (-1.0, 0.5), (500.0, 500.0)])
def test_a_pixel_size_that_cannot_be(spacing):
    """Without millimetres nothing can be measured."""
    with pytest.raises(QualityRejected, match="Pixel"):
        arrange(replace(SERIES, pixel_spacing_mm=spacing), stack(), NEEDS)


def test_slices_without_numbers_are_counted():
    """Where Instance Number tells nothing, a slice's place does."""
    with pytest.raises(QualityRejected, match="between slices 5 and 6 "):
        arranged([replace(f, number=None) for f in without(6, 7)(stack())])
