"""Names of things: the same again after every crash, and never two things under one."""

from __future__ import annotations

from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.events.identifiers import NAMESPACE, digest_of, event_id, is_uid, named_id


@pytest.mark.parametrize("text", ["1.2", "1.2.840.10008.1.2", "0.0", "2.25." + "9" * 39, "1." + "2" * 62])
def test_a_uid_by_the_standard_is_one(text: str) -> None:
    """Digits and dots, at most 64 characters (PS3.5 9.1)."""
    assert is_uid(text)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.", ".1", "1..2", "1.02", "1.2a", "1.2\n", " 1.2", "1.2/3", "../1.2", "1." + "2" * 63, "\u0661.\u0662"],
)
def test_what_is_no_uid_is_refused(text: str) -> None:
    """Leading zeros, other characters, too long, other scripts' digits: none may become a name of ours."""
    assert not is_uid(text)


def test_an_event_id_follows_from_cause_stage_and_index() -> None:
    """The same work gives the same id; any other work gives another."""
    ids = {event_id(c, s, i) for c in ("a", "b") for s in ("x", "y") for i in (0, 1, 10)}
    assert len(ids) == 12
    assert event_id("a", "x", 0) == event_id("a", "x", 0)
    assert all(UUID(identity).version == 5 for identity in ids)


def test_a_named_id_keeps_its_parts_apart() -> None:
    """Parts that read alike when joined are different names."""
    assert named_id("a", "bc") != named_id("ab", "c")
    assert named_id("a", "b") == named_id("a", "b")


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_an_id_is_the_uuid_of_its_name(name: str) -> None:
    """UUIDv5 as RFC 9562 5.5 and Python's own library have it."""
    assert named_id(name) == str(uuid5(NAMESPACE, name))


def test_ids_stay_what_they_were() -> None:
    """Recorded ids must be said again by every later version: these values are for ever."""
    assert event_id("cause", "stage", 0) == "de20aa72-91e1-5d1d-b0d3-5dfbfbf09047"
    assert named_id("alert", "1.2.3") == "6c00d591-9525-526f-9ac5-05978a5eb2c4"
    assert digest_of(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
