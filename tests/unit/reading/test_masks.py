"""A mask survives its bytes, and the same mask gives the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streams.errors import EventUnreadable
from streams.reading.masks import LARGEST_PIXELS, MAGIC, Mask, decode_mask, encode_mask


def mask(bits: np.ndarray) -> Mask:
    return Mask(instances=tuple(f"1.{k}" for k in range(len(bits))), bits=bits)


@given(arrays(np.bool_, st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))))
def test_what_is_marked_comes_back(bits: np.ndarray):
    """Each marked slice with its name and every pixel; slices without a mark are left out."""
    content = encode_mask(mask(bits))
    marked = bits.any(axis=(1, 2))
    if content is None:
        assert not marked.any()
        return
    again = decode_mask(content)
    assert np.array_equal(again.bits, bits[marked])
    assert again.instances == tuple(f"1.{k}" for k in np.flatnonzero(marked))
    assert encode_mask(mask(bits.copy())) == content


def test_a_mask_is_small():
    """A bleed of 30 ml on 512 x 512 slices takes a kilobyte, not megabytes."""
    bits = np.zeros((40, 512, 512), np.bool_)
    bits[10:18, 200:290, 220:310] = True
    assert len(encode_mask(mask(bits)) or b"") < 2_000


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: b"x" + c,
        lambda c: c[:-1],
        lambda c: MAGIC + b"{}\n",
        lambda c: MAGIC + b"garbage",
        lambda c: c.replace(b'"rows":4', b'"rows":1'),
        lambda c: c.replace(b'"box":[1,', b'"box":[-1,'),
    ],
)
def test_bytes_that_are_no_mask(spoil):
    """Garbage is told as such, and nothing is allocated for it."""
    bits = np.zeros((2, 4, 4), np.bool_)
    bits[1, 1:3, 2] = True
    content = encode_mask(mask(bits))
    assert content is not None
    assert spoil(content) != content
    with pytest.raises(EventUnreadable):
        decode_mask(spoil(content))


@pytest.mark.parametrize(("slices", "side"), [(1, 2**17), (1025, 1024), (100_000, 65_535)])
def test_bytes_that_claim_more_pixels_than_any_study_has(slices: int, side: int, monkeypatch: pytest.MonkeyPatch):
    """Some bytes, a box of a pixel, images of terabytes: told as such before anything is allocated."""
    bits = np.zeros((1, 4, 4), np.bool_)
    bits[0, 1, 2] = True
    content = encode_mask(Mask(instances=("1.2",), bits=bits)) or b""
    for told, claimed in (
        (b'"rows":4', b'"rows":%d' % side),
        (b'"columns":4', b'"columns":%d' % side),
        (b'["1.2"]', b"[" + b",".join([b'"1"'] * slices) + b"]"),
    ):
        assert told in content
        content = content.replace(told, claimed)
    monkeypatch.setattr(np, "zeros", lambda *_, **__: pytest.fail("allocated"))
    with pytest.raises(EventUnreadable, match=f"claims {slices * side * side} pixels, of {LARGEST_PIXELS} at most"):
        decode_mask(content)
