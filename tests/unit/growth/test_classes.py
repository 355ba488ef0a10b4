"""Size bands of Lung-RADS 2022 and Fleischner 2017: words with a source, and no advice."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.growth.classes import classes, lung_rads_growth
from tests.support.lesions import nodule


def bands(diameter_mm, state="baseline", **changes):
    lesion = replace(nodule(diameter_mm=diameter_mm), **changes)
    return tuple(c.text for c in classes(lesion, state))


@pytest.mark.parametrize(
    ("size", "texture", "state", "lung_rads", "fleischner"),
    [
        (5.94, "solid", "baseline", "solid, under 6 mm (5.9 mm)", "solid, 6 to 8 mm (6 mm)"),
        (5.2, "solid", "followed", "solid, under 6 mm (5.2 mm)", "solid, under 6 mm (5 mm)"),
        (6.0, "solid", "baseline", "solid, 6 to under 8 mm (6.0 mm)", "solid, 6 to 8 mm (6 mm)"),
        (8.0, "solid", "baseline", "solid, 8 to under 15 mm (8.0 mm)", "solid, 6 to 8 mm (8 mm)"),
        (9.0, "solid", "new", "solid, new, 8 mm or more (9.0 mm)", "solid, over 8 mm (9 mm)"),
        (15.0, "solid", "followed", "solid, 15 mm or more (15.0 mm)", "solid, over 8 mm (15 mm)"),
        (4.5, "solid", "new", "solid, new, 4 to under 6 mm (4.5 mm)", "solid, under 6 mm (5 mm)"),
        (3.0, "solid", "new", "solid, new, under 4 mm (3.0 mm)", "solid, under 6 mm (3 mm)"),
        (29.9, "ground-glass", "baseline", "ground-glass, under 30 mm (29.9 mm)", "ground-glass, 6 mm or more (30 mm)"),
        (
            7.0,
            "part-solid",
            "baseline",
            "part-solid, 6 mm or more (7.0 mm); its solid part is not measured",
            "part-solid, 6 mm or more (7 mm)",
        ),
    ],
)
def test_bands(size, texture, state, lung_rads, fleischner):
    assert bands(size, state, texture=texture) == (lung_rads, fleischner)


def test_the_mean_of_both_diameters_decides():
    assert bands(10.0, perpendicular_mm=5.0)[0] == "solid, 6 to under 8 mm (7.5 mm)"


def test_a_texture_that_is_not_told_is_said_to_be_taken_as_solid():
    assert all(text.startswith("texture not told, as solid: ") for text in bands(7.0, texture=""))


@given(
    st.floats(0.5, 60.0),
    st.sampled_from(["solid", "part-solid", "ground-glass", ""]),
    st.sampled_from(["baseline", "new", "followed"]),
)
def test_every_band_has_a_source_and_none_gives_advice(size, texture, state):
    """No category, no interval to the next scan, no procedure."""
    for found in classes(replace(nodule(diameter_mm=size), texture=texture), state):
        assert re.search(r"20\d\d", found.source)
        said = f"{found.text} {found.source}".lower()
        assert not re.search(r"follow|recommend|biops|pet|months|category|4a|4b|suspicio|benign", said)


@pytest.mark.parametrize(
    ("before", "after", "days", "found"),
    [(6, 7.5, 300, False), (6, 7.6, 300, True), (6, 9, 400, False), (9, 6, 9, False)],
)
def test_growth_by_lung_rads_is_more_than_one_and_a_half_mm_within_a_year(before, after, days, found):
    said = lung_rads_growth(nodule(diameter_mm=before), nodule(diameter_mm=after), days)
    assert (said is not None) is found
