"""Figures of scores: known values, and intervals that keep a patient's cases together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.oversight.evaluation import (
    Groups,
    area,
    at_threshold,
    auc,
    average_precision,
    brier,
    delong_variance,
    figures,
    reliability,
    share,
    share_of,
)

ALONE = Groups.of(list("abcde"))
TRUTH = np.asarray([True, True, True, False, False])
SCORE = np.asarray([0.8, 0.6, 0.4, 0.5, 0.3])


def names(count: int) -> list[str]:
    return [str(k) for k in range(count)]


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_that_of_the_literature(hits, of, low, high):
    """The four examples of Newcombe 1998 (Stat Med 17:857, table I, method 3)."""
    found = share(hits, of)
    assert (found.low, found.high) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))


def test_delongs_variance_by_hand():
    """Placement values 1, 1, 1/2 and 2/3, 1: variance 1/12/3 + 1/18/2."""
    assert auc(TRUTH, SCORE) == pytest.approx(5 / 6)
    assert delong_variance(TRUTH, SCORE) == pytest.approx(1 / 36 + 1 / 36)
    found = area(TRUTH, SCORE, ALONE)
    assert (found.method, found.high) == ("DeLong", 1.0)
    assert found.low == pytest.approx(5 / 6 - 1.959964 * (1 / 18) ** 0.5)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=4, max_size=40))
def test_area_and_variance_are_those_of_every_pair_counted(cases):
    """By ranks, with ties, as by comparing each case with each of the other kind."""
    truth = np.asarray([t for t, _ in cases])
    score = np.asarray([float(s) for _, s in cases])
    positive, negative = score[truth], score[~truth]
    if min(len(positive), len(negative)) < 2:
        return
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    spread = wins.mean(axis=1).var(ddof=1) / len(positive) + wins.mean(axis=0).var(ddof=1) / len(negative)
    assert auc(truth, score) == pytest.approx(wins.mean())
    assert delong_variance(truth, score) == pytest.approx(spread, abs=1e-12)


def test_a_perfect_separation_is_no_certainty():
    """Where DeLong's variance is 0, the interval still has a width, smaller with more cases."""
    widths = []
    for count in (10, 40):
        truth = np.arange(count) < count // 2
        found = area(truth, truth.astype(float), Groups.of(names(count)))
        assert (found.value, found.high, found.method) == (1.0, 1.0, "Newcombe")
        widths.append(found.high - found.low)
    assert 0.5 > widths[0] > widths[1] > 0.05


def test_cases_of_one_patient_count_together():
    """Ten times the same patients are no more evidence: the interval stays as wide as that of the patients."""
    rng = np.random.default_rng(3)
    truth = np.arange(40) < 20
    score = truth + rng.normal(size=40)
    once = area(truth, score, Groups.of(names(40)))
    ten = area(np.tile(truth, 10), np.tile(score, 10), Groups.of(names(40) * 10))
    careless = area(np.tile(truth, 10), np.tile(score, 10), Groups.of(names(400)))
    assert ten.method == "bootstrap"
    assert ten.high - ten.low == pytest.approx(once.high - once.low, rel=0.2)
    assert careless.high - careless.low < 0.5 * (ten.high - ten.low)


def test_the_bootstrap_is_seeded():
    """The same cases give the same interval, in whatever order a run makes them."""
    truth, score = np.arange(30) % 3 == 0, np.sin(np.arange(30.0))
    groups = Groups.of([str(k // 2) for k in range(30)])
    assert area(truth, score, groups) == area(truth, score, groups)


def test_a_share_of_clustered_cases_that_are_all_right_is_no_certainty():
    """No draw differs: Wilson's interval for as many cases as there are patients."""
    found = share_of(np.ones(50, bool), Groups.of([str(k // 10) for k in range(50)]))
    assert (found.low, found.hits, found.n, found.groups) == (share(5, 5).low, 50, 50, 5)


def test_of_few_patients_the_interval_is_no_narrower_than_that_of_single_cases():
    """Five patients whose shares are alike: their draws hardly differ, and say nothing of how few they are."""
    right = np.tile([True, True, True, False], 5 * 5)
    right[0] = False
    found, alone = share_of(right, Groups.of([str(k // 20) for k in range(100)])), share(74, 100)
    assert (found.low, found.high) == (alone.low, alone.high)
    assert found.method == "bootstrap, Wilson: the wider"


def test_sensitivity_and_specificity_count_the_threshold_itself_as_called():
    """A score equal to the threshold is called, as findings/ does."""
    told = at_threshold(TRUTH, SCORE, names(5), 0.5)
    counts = {name: (value.hits, value.n) for name, value in told.items()}
    assert counts == {"sensitivity": (2, 3), "specificity": (1, 2), "PPV": (2, 3), "NPV": (1, 2)}


def test_positive_cases_alone_have_a_sensitivity_and_no_curve():
    """What cannot be told is left out, not guessed."""
    told = figures(np.ones(4, bool), np.asarray([0.1, 0.9, 0.8, 0.7]), names(4), 0.5)
    assert set(told) == {"sensitivity"}


def test_average_precision_and_brier_by_hand():
    """Precision 1, 1, 3/4 at the three hits; equal scores are called together."""
    assert average_precision(TRUTH, SCORE) == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert average_precision(TRUTH, np.zeros(5)) == pytest.approx(3 / 5)
    assert brier(np.asarray([True, False]), np.asarray([0.8, 0.4])) == pytest.approx((0.04 + 0.16) / 2)


def test_bins_keep_equal_probabilities_together():
    """Each case is in one bin, bins rise, and no probability stands in two."""
    chance = np.asarray([0.1] * 6 + [0.2, 0.9, 0.9, 0.95])
    found = reliability(chance > 0.5, chance, 5)
    assert sum(bin_.seen.n for bin_ in found) == len(chance)
    said = [bin_.said for bin_ in found]
    assert said == sorted(said)
    assert found[0].seen.n >= 6
