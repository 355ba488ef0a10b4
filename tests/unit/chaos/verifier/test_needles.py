"""Many words are sought at once: none is missed wherever it lies, none is found that is not there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.chaos.verifier import needles
from streams.chaos.verifier.needles import WINDOW, Needles

WORDS = st.binary(min_size=WINDOW, max_size=20).map(bytes.lower).filter(lambda word: not word.isdigit())


@given(before=st.binary(max_size=50), word=WORDS, after=st.binary(max_size=50), others=st.sets(WORDS, max_size=5))
def test_a_word_is_found_at_its_place(before, word, after, others):
    """Beside whatever bytes, among whatever other words."""
    found = list(Needles({word, *others}).found_in(before + word + after))
    assert (len(before), word) in found


@given(content=st.binary(max_size=200), words=st.sets(WORDS, min_size=1, max_size=5))
def test_what_is_found_is_there(content, words):
    """No hit by chance of the table."""
    for at, word in Needles(words).found_in(content):
        assert content.lower()[at : at + len(word)] == word


def test_a_word_across_two_chunks_is_found_once(monkeypatch):
    """Large files are looked at in pieces."""
    monkeypatch.setattr(needles, "CHUNK", 16)
    sought = Needles([b"canary^name"])
    for before in range(40):
        assert list(sought.found_in(b"." * before + b"CANARY^NAME" + b"." * 9)) == [(before, b"canary^name")]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b'"19480428-741a-572c-a23b-70cd6f77aed7"', 0), (b'"19480428-741a-572c"', 1), (b'"x 19480428 y"', 1),
        (b'"1.2.19480428"', 0),
    ],
)  # fmt: skip
def test_a_date_within_a_name_of_chance_is_none(content, found):
    """Of nine thousand studies, some birth date begins the UUID of another one's reading (soak, seed 51)."""
    assert len(list(Needles([b"19480428"]).found_in(content))) == found


def test_a_word_that_is_too_short_is_refused():
    """It would be found everywhere."""
    with pytest.raises(ValueError, match="too short"):
        Needles([b"abc"])
