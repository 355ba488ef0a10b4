"""What may pass of free text: known words, so that no name can."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.doors.vocabulary import WORDS, body_part, code_string, device_name, known_kernel, known_words


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("CT HEAD W/O CONTRAST", "CT HEAD WITHOUT CONTRAST"),
        ("ct head w / o contrast", "CT HEAD WITHOUT CONTRAST"),
        ("CT Chest W/ Contrast", "CT CHEST WITH CONTRAST"),
        ("Head^Muster Erika 19500601", "HEAD"),
        ("HEAD HEAD BRAIN", "HEAD BRAIN"),
        ("Schaedel nativ (Müller)", "SCHAEDEL NATIV"),
        ("\x00HEAD\x1b\n\\BRAIN", "HEAD BRAIN"),
        ("", ""),
    ],
)
def test_only_known_words_pass_each_once(text, passes):
    """The words keep their order; W/O is WITHOUT, W/ is WITH; names, numbers and control characters do not pass."""
    assert known_words(text) == passes


@given(st.text(max_size=300))
def test_no_text_brings_a_word_of_its_own(text):
    """Whatever is typed: all that comes out stands in the list."""
    assert set(known_words(text).split()) <= WORDS
    assert set(body_part(text).split()) <= WORDS


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("H30s", "H30s"),
        ("Hr40f\\3", "Hr40f\\3"),
        ("FC21", "FC21"),
        ("STANDARD", "STANDARD"),
        ("Doe", ""),
        ("Doe^Jane\\BONE", "BONE"),
        ("P-17", ""),
    ],
)
def test_a_kernel_passes_only_if_it_looks_like_one(text, passes):
    """Convolution Kernel (0018,1210)."""
    assert known_kernel(text) == passes


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("GE MEDICAL SYSTEMS", "GE MEDICAL SYSTEMS"),
        ("SIEMENS Healthineers", "SIEMENS HEALTHINEERS"),
        ("CANON_MEC", "CANON MEC"),
        ("SOMATOM Definition AS+", "SOMATOM DEFINITION AS+"),
        ("Brilliance 64", "BRILLIANCE 64"),
        ("Optima CT660", "OPTIMA CT660"),
        ("Optima CT660 Doe^Jane 19500601", "OPTIMA CT660"),
        ("Doe^Jane", ""),
        ("P-17", ""),
        ("19500601", ""),
    ],
)
def test_a_device_is_named_by_known_words(text, passes):
    """Manufacturer and model: a name, an id or a date planted there does not pass."""
    assert device_name(text) == passes


@pytest.mark.parametrize(("text", "passes"), [("ct ", "CT"), ("C^T", ""), ("X" * 17, ""), ("", "")])
def test_a_code_string_is_one_or_nothing(text, passes):
    """PS3.5 6.2, CS: 16 upper-case letters, digits, blanks and underscores."""
    assert code_string(text) == passes
