"""Values of elements: numbers are numbers or told to be none; ages by both ways."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.doors.elements import Elements
from streams.doors.values import GarbledValue, age_years, decimals, first_day, integer, unsigned

TAG = 0x00200032


def holding(value: bytes, *, little_endian: bool = True) -> Elements:
    return Elements(little_endian=little_endian, values={TAG: value})


@pytest.mark.parametrize(
    ("age", "born", "examined", "years"),
    [
        ("075Y", "", "", 75),
        ("023M", "", "", 1),
        ("011M", "", "", 0),
        ("010W", "", "", 0),
        ("400D", "", "", 1),
        ("999Y", "", "", None),
        ("", "19500601", "20260601", 76),
        ("", "19500601", "20260531", 75),
        ("", "1950.06.01", "20260601", 76),
        ("", "20300101", "20260101", None),
        ("", "19501301", "20260101", None),
        ("", "20000229", "20260228", 25),
        ("75", "", "", None),
        ("075Y", "20000101", "20260101", 75),
        ("", "19500601", "", None),
    ],
)
def test_the_age(age, born, examined, years):
    """Patient's Age first, else whole years between the dates; what cannot be is unknown, never a guess."""
    assert age_years(age, born, examined) == years


@pytest.mark.parametrize("value", [b"1\\2", b"1\\2\\3\\4", b"1\\nan\\3", b"1\\inf\\3", b"1\\\\3", b"1\\1e999\\3", b"a"])
def test_garbled_decimals_are_told(value):
    """Another count, or no finite number: a sentence that names the element."""
    with pytest.raises(GarbledValue, match="Position is not 3 finite numbers"):
        decimals(holding(value), TAG, 3, "Position")


@pytest.mark.parametrize(("value", "found"), [(b"1\\-2.5\\ 3e1 ", (1, -2.5, 30)), (b"", None), (b"\\\\", None)])
def test_decimals(value, found):
    """Padded numbers are numbers; an empty value is an absent one."""
    assert decimals(holding(value), TAG, 3, "") == found


@pytest.mark.parametrize(
    ("values", "day"),
    [
        (["20250301", "", "20240101"], date(2025, 3, 1)),
        (["", "20250301103700.000+0100", "20240101"], date(2025, 3, 1)),
        (["", "2025.03.01", ""], date(2025, 3, 1)),
        (["2025", "20250230", "20240229"], date(2024, 2, 29)),
        (["19000101", "18991230", "today"], None),
        (["", "", ""], None),
    ],
)
def test_the_first_value_that_names_a_day_counts(values, day):
    """Dates and times of DICOM, the old dotted form; a filler such as 1900 names none."""
    assert first_day(values) == day


@given(st.lists(st.text(max_size=20), max_size=3))
def test_no_text_breaks_a_day(values):
    found = first_day(values)
    assert found is None or found.year >= 1970


@given(st.binary(max_size=64))
def test_no_bytes_break_a_number(value):
    """Any bytes: a number, none, or GarbledValue."""
    for read in (integer, lambda e, tag: unsigned(e, tag, 0)):
        assert read(holding(value), TAG) is None or isinstance(read(holding(value), TAG), int)
    try:
        decimals(holding(value), TAG, 3, "x")
    except GarbledValue as error:
        assert "finite" in str(error)  # noqa: PT017


def test_shorts_by_their_byte_order():
    """The dataset's byte order decides."""
    assert unsigned(holding(b"\x00\x02"), TAG, 0) == 512
    assert unsigned(holding(b"\x00\x02", little_endian=False), TAG, 0) == 2
    assert unsigned(holding(b"\x02"), TAG, 7) == 7
