"""One set of facts from headers that differ, the same in every order."""

from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from streams.assembly.facts import merged_series, merged_study
from tests.support.studies import series_facts, study_facts

HEADERS = st.lists(
    st.builds(
        series_facts,
        number=st.sampled_from([None, 0, 2]),
        body_part=st.sampled_from(["", "HEAD", "CHEST"]),
        kernel=st.sampled_from(["", "H30s"]),
        contrast=st.booleans(),
        pixel_spacing_mm=st.sampled_from([None, (0.5, 0.5), (0.4, 0.6)]),
        tilt_deg=st.sampled_from([None, 0.0, -3.0]),
    ),
    min_size=1,
    max_size=5,
)


@given(HEADERS, st.randoms())
def test_the_order_of_headers_changes_nothing(headers, rng):
    mixed = [*headers, *headers]
    rng.shuffle(mixed)
    assert reduce(merged_series, headers, None) == reduce(merged_series, mixed, None)


@given(HEADERS)
def test_what_any_header_states_is_stated(headers):
    merged = reduce(merged_series, headers, None)
    assert (merged.number is None) == all(h.number is None for h in headers)
    assert merged.contrast == any(h.contrast for h in headers)
    assert merged.body_part == min((h.body_part for h in headers if h.body_part), default="")


def test_series_number_nought_is_a_number():
    assert merged_series(series_facts(number=None), series_facts(number=0)).number == 0


def test_the_first_patient_stays():
    merged = merged_study(study_facts(patient="z", sex=None), study_facts(patient="a", sex="M"))
    assert (merged.patient, merged.sex) == ("z", "M")
