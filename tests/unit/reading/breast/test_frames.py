"""Breasts in their frame: the rank of a grey among the others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from streams.reading.breast.frames import channels_of


@pytest.mark.parametrize("greys", [3, 40, 10_000])
def test_the_second_channel_is_the_rank_with_ties_in_their_middle(greys):
    """As scipy.stats.rankdata, which the product does without, since it takes two seconds to load."""
    chance = np.random.default_rng(greys)
    grey = chance.integers(0, greys, (40, 30)).astype(np.float32)
    inside = chance.random(grey.shape) < 0.7
    inside[0, 0] = inside[1, 1] = True
    ranks = rankdata(grey[inside], method="average") / inside.sum()
    expected = np.rint(ranks.astype(np.float32) * 255).astype(np.uint8)
    assert np.array_equal(channels_of(grey, inside, -1.0)[1][inside], expected)
