"""Soft or sharp, by the names that vendors give."""

from __future__ import annotations

import pytest

from streams.routing.kernel import kernel_of
from tests.support.studies import series_facts


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("STANDARD", "soft"),
        ("STD+", "soft"),
        ("SOFT", "soft"),
        ("BONE", "sharp"),
        ("BONEPLUS", "sharp"),
        ("LUNG", "sharp"),
        ("H30s", "soft"),
        ("H31s", "soft"),
        ("H60s", "sharp"),
        ("Hr40f\\3", "soft"),
        ("Hr60f", "sharp"),
        ("B30f", "soft"),
        ("J30s", "soft"),
        ("FC21", "soft"),
        ("FC30", "sharp"),
        ("FC81", "sharp"),
        ("UB", "soft"),
        ("", "unknown"),
        ("XYZZY", "unknown"),
    ],
)
def test_kernels(name, kernel):
    assert kernel_of(series_facts(kernel=name)) == kernel


def test_words_of_the_description_stand_in():
    assert kernel_of(series_facts(description="BONE THIN")) == "sharp"
    assert kernel_of(series_facts(description="SOFT TISSUE")) == "soft"
