"""The breast is found whatever the greys, sides and things around it are; what is none is refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from streams.phantom.breast import Machine, Mammogram, mammogram, woman_of
from streams.reading.breast.frames import HEIGHT, WIDTH, frame_of
from streams.reading.breast.outline import breast_of
from streams.reading.tensors import NoAnatomy

PLAIN = Machine(label=False)


@pytest.fixture(scope="module")
def made() -> Mammogram:
    return mammogram(woman_of(5, dense=0.25), "MLO", PLAIN, 0.6)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    rows, columns = (min(a, b) for a, b in zip(one.shape, other.shape, strict=True))
    one, other = one[:rows, :columns], other[:rows, :columns]
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


@pytest.mark.parametrize(("low", "high"), [(0.0, 255.0), (20.0, 240.0), (0.0, 4095.0), (-2000.0, 14000.0)])
def test_the_outline_is_the_same_on_every_grey_scale(made, low, high):
    """Air is the fullest dark level, wherever the maker puts it."""
    found = breast_of((low + (high - low) * made.grey).astype(np.float32))
    assert not found.flipped
    assert overlap(found.inside, made.inside) > 0.96


def test_a_picture_turned_round_gives_the_same_breast(made):
    one, other = breast_of(made.grey), breast_of(np.ascontiguousarray(made.grey[:, ::-1]))
    assert other.flipped
    assert np.array_equal(one.inside, other.inside)
    assert np.array_equal(one.grey, other.grey)


def test_labels_and_film_borders_are_left_out(made):
    """A bright plate, a stripe along the far border and black margins, as on digitised films, change nothing."""
    wide = np.pad(made.grey, ((0, 0), (40, 90)))
    wide[:, -6:-2] = 1.0
    wide[8:28, -60:-25] = 0.95
    found = breast_of(wide.astype(np.float32))
    assert overlap(found.inside, made.inside) > 0.96


def test_the_channels_do_not_know_the_scale(made):
    """Twice the grey, and an offset: the net is asked the same question, but for rounding."""
    one, other = (frame_of(breast_of(grey.astype(np.float32))) for grey in (made.grey, 300 + 3000 * made.grey))
    assert one.channels.shape == (4, HEIGHT, WIDTH)
    assert not one.channels[:, ~one.inside].any()
    assert np.abs(one.channels.astype(int) - other.channels.astype(int)).max() <= 1


def test_ranks_do_not_know_the_tone_curve(made):
    """Any rising curve leaves the order of greys, which the second channel tells."""
    one, other = (frame_of(breast_of(grey.astype(np.float32))) for grey in (made.grey, made.grey**1.5))
    both = one.inside & other.inside
    assert both.sum() > 0.97 * one.inside.sum()
    apart = np.abs(one.channels[1].astype(int) - other.channels[1].astype(int))[both]
    assert np.percentile(apart, 95) < 12


@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [
        (np.full((200, 150), 7.0), "one grey only"),
        (np.where(np.hypot(*np.mgrid[-100:100, -75:75]) < 60, 0.2, 1.0), "made for processing"),
        (np.pad(np.ones((32, 32)), 100), "a breast covers more"),
        (np.where(np.hypot(*np.mgrid[-100:100, -75:75]) < 60, 1.0, 0.0), "along the chest wall"),
    ],
)
def test_what_is_no_breast_is_refused(pixels, sentence):
    with pytest.raises(NoAnatomy, match=sentence):
        breast_of(pixels.astype(np.float32))
