"""The rule that outlines dense tissue scores bright, textured tissue behind the nipple above fat."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from streams.reading.breast.rule import off_muscle, score_of, within


def test_bright_uneven_tissue_behind_the_nipple_scores_above_fat():
    """Of a dense and a fatty pixel drawn at random the dense one scores higher in nine of ten draws (AUC)."""
    rows, columns = np.mgrid[:256, :192].astype(np.float32)
    inside = (columns / 150) ** 2 + ((rows - 128) / 120) ** 2 < 1
    dense = np.hypot(columns - 100, rows - 128) < 35
    uneven = ndimage.gaussian_filter(np.random.default_rng(5).standard_normal(inside.shape), 2) * 4
    grey = (0.4 + 0.25 * dense + 0.05 * uneven * dense) * inside
    score = score_of(grey.astype(np.float32), inside, inside).plane
    fat = np.sort(score[inside & ~dense])
    assert (np.searchsorted(fat, score[dense]) / fat.size).mean() > 0.9


def test_no_breast_has_no_score():
    nothing = np.zeros((256, 192), np.bool_)
    assert not score_of(np.zeros((256, 192), np.float32), nothing, nothing).plane.any()


def test_smoothing_within_the_breast_takes_nothing_from_outside():
    """An even breast stays even up to its edge; off the muscle its edge is left out too."""
    inside = np.zeros((40, 30), np.bool_)
    inside[:, :15] = True
    assert within(np.where(inside, np.float32(0.5), np.float32(9)), inside, 3.0)[inside] == pytest.approx(0.5, abs=1e-4)
    muscle = np.zeros_like(inside)
    muscle[:10, :5] = True
    assert not off_muscle(inside, muscle)[:11, :6].any()
