"""Which lesion is which: by place, by one another, never across the sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.growth.matching import match
from tests.support.lesions import LUNGS_MM, moved, nodule, nodules

SHIFT = st.tuples(*[st.floats(-200, 200)] * 3)


def pairs(earlier, later):
    """Labels that belong together."""
    return {(earlier[p.earlier].label, later[p.later].label) for p in match(earlier, later, LUNGS_MM)}


def mirrored(lesion):
    """The same place in the other lung."""
    x, y, z = lesion.place
    return replace(lesion, place=(1 - x, y, z), side="L" if lesion.side == "R" else "R")


@given(nodules(), SHIFT)
@settings(max_examples=150, deadline=None)
def test_the_same_lesions_match_wherever_the_table_stands(lesions, shift):
    """Each lesion is itself again; where two are one to the eye, either is as good."""
    again = [moved(lesion, shift) for lesion in lesions]
    found = match(lesions, again, LUNGS_MM)
    assert len(found) == len(lesions)
    for pair in found:
        if pair.sure:
            assert lesions[pair.earlier].label == again[pair.later].label


@given(nodules(), nodules(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_the_order_of_the_lists_does_not_matter(earlier, later, rng):
    """Matching is a matter of the lesions, not of how they are listed."""
    one, other = list(earlier), list(later)
    rng.shuffle(one)
    rng.shuffle(other)
    assert pairs(one, other) == pairs(earlier, later)


@given(nodules(), nodules())
@settings(max_examples=150, deadline=None)
def test_no_lesion_is_matched_twice_and_none_across_the_sides(earlier, later):
    """One to one, and a right one is never a left one."""
    found = match(earlier, later, LUNGS_MM)
    assert len({p.earlier for p in found}) == len({p.later for p in found}) == len(found)
    assert all(earlier[p.earlier].side == later[p.later].side for p in found)


@given(nodules())
@settings(max_examples=100, deadline=None)
def test_swapped_sides_never_match(lesions):
    """A study whose sides are exchanged shows no lesion of either lung again, even in its place."""
    for side, other in (("R", "L"), ("L", "R")):
        mine = [lesion for lesion in lesions if lesion.side == side]
        assert match(mine, [replace(lesion, side=other) for lesion in mine], LUNGS_MM) == ()
    in_place = [mirrored(lesion) for lesion in lesions]
    assert all(in_place[p.later].side == lesions[p.earlier].side for p in match(lesions, in_place, LUNGS_MM))


def test_a_side_that_is_not_told_may_be_either():
    assert pairs([nodule()], [nodule("n7", side="")]) == {("n1", "n7")}


@pytest.mark.parametrize(("off", "found"), [((0, 0, 20), True), ((0, 0, 45), False), ((25, 25, 25), False)])
def test_a_single_lesion_is_matched_by_its_place_within_reach(off, found):
    one = nodule()
    assert bool(match([one], [moved(one, (0, 0, 300), off)], LUNGS_MM)) is found


def test_landmarks_tell_two_neighbours_apart():
    """The base was cut off, so all places are off by 25 mm; three lesions agree on it, and the neighbour is new."""
    known = [nodule("a", 9, (0.2, 0.3, 0.8)), nodule("b", 7, (0.25, 0.6, 0.5)), nodule("c", 8, (0.7, 0.5, 0.3))]
    later = [moved(lesion, (4, -3, 180), (0, 0, 25)) for lesion in known]
    decoy = nodule("new", 7, (0.25, 0.6, 0.5))
    decoy = moved(decoy, (4, -3, 180))
    assert pairs(known, [*later, decoy]) == {("a", "a"), ("b", "b"), ("c", "c")}


def test_breath_stretches_the_lungs_and_the_lesions_are_found():
    """Held at another depth, the base moves by 45 mm and the apex by none: more than any gate."""
    known = [nodule(f"n{n}", 7, (0.2 + 0.1 * (n % 2), 0.3 + 0.08 * n, 0.15 * n + 0.05)) for n in range(6)]
    later = [
        replace(n, centre_mm=(n.centre_mm[0], n.centre_mm[1], n.centre_mm[2] + 45 * (1 - n.place[2]))) for n in known
    ]
    assert pairs(known, later) == {(n.label, n.label) for n in known}


def test_a_model_that_tells_no_places_is_matched_by_landmarks_only():
    """Three lesions agree on how the table moved; one or two alone say nothing."""
    known = [
        replace(nodule(f"n{n}", 7, (0.2, 0.3 + 0.1 * n, 0.15 * n + 0.05)), place=(0.5, 0.5, 0.5)) for n in range(4)
    ]
    later = [replace(n, centre_mm=(n.centre_mm[0] + 9, n.centre_mm[1], n.centre_mm[2] + 250)) for n in known]
    assert pairs(known, later) == {(n.label, n.label) for n in known}
    assert pairs(known[:2], later[:2]) == set()


def test_two_that_lie_too_near_each_other_are_not_sure():
    """Five millimetres between two alike, by places alone: either could be either."""
    known = [nodule("a", 6, (0.2, 0.5, 0.5)), nodule("b", 6, (0.2, 0.5, 0.518))]
    assert {p.sure for p in match(known, known, LUNGS_MM)} == {False}
    apart = [nodule("a", 6, (0.2, 0.5, 0.5)), nodule("b", 6, (0.2, 0.5, 0.6))]
    assert {p.sure for p in match(apart, apart, LUNGS_MM)} == {True}


def test_a_lesion_that_grows_eightfold_is_still_itself():
    assert pairs([nodule(diameter_mm=6)], [nodule(diameter_mm=12)]) == {("n1", "n1")}


def test_places_that_stray_as_after_aligning_lungs_are_matched():
    """200 patients, each nodule 10 mm off on the average: at least 95 of 100 are found, 2 at most wrongly."""
    rng = np.random.default_rng(5)
    right = wrong = total = 0
    for _ in range(200):
        count = int(rng.integers(1, 7))
        known = [nodule(f"n{n}", float(rng.uniform(5, 12)), tuple(rng.uniform(0.1, 0.9, 3))) for n in range(count)]
        shift = tuple(rng.normal(0, 40, 3))
        off = 10 / np.sqrt(8 / np.pi)  # a mean length of 10 mm in three dimensions
        later = [moved(lesion, shift, tuple(rng.normal(0, off, 3))) for lesion in known]
        later.append(nodule("new", 6.0, tuple(rng.uniform(0.1, 0.9, 3))))
        found = match(known, later, LUNGS_MM)
        total += count
        right += sum(known[p.earlier].label == later[p.later].label for p in found)
        wrong += sum(known[p.earlier].label != later[p.later].label for p in found)
    assert right / total >= 0.95
    assert wrong / total <= 0.02
