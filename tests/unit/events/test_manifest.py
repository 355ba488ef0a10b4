"""A series' full list: one spelling, whatever the order of arrival."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import EventUnreadable
from streams.events.manifest import Manifest, decode_manifest, encode_manifest
from tests.support.studies import stack

SLICES = stack("1.2.1", 12)


@given(st.permutations(SLICES))
def test_the_order_of_arrival_leaves_no_trace(arrived: list) -> None:
    """The same instances give the same bytes, and so the same digest."""
    first = encode_manifest(Manifest(study="1.2", series="1.2.1", instances=SLICES))
    assert encode_manifest(Manifest(study="1.2", series="1.2.1", instances=tuple(arrived))) == first


def test_a_manifest_returns() -> None:
    """What is read is what was written, ordered by SOP Instance UID."""
    found = decode_manifest(encode_manifest(Manifest(study="1.2", series="1.2.1", instances=SLICES)))
    assert (found.study, found.series) == ("1.2", "1.2.1")
    assert found.instances == tuple(sorted(SLICES, key=lambda i: i.instance))


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"study":"1.2","series":"1","instances":[{}]}'])
def test_other_bytes_are_no_manifest(content: bytes) -> None:
    """Damaged bytes are said to be that."""
    with pytest.raises(EventUnreadable):
        decode_manifest(content)
