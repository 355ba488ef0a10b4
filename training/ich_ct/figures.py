"""Figures of a detector: ROC area with its bootstrap interval, sensitivity and specificity, Platt scaling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

Scores = NDArray[np.float64]
Truth = NDArray[np.bool_]


def auc(truth: Truth, score: Scores) -> float:
    """Area under the ROC curve (Mann-Whitney, ties half)."""
    ranks = rankdata(score)
    positive = int(truth.sum())
    negative = len(truth) - positive
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def auc_interval(groups: list[tuple[Truth, Scores]], rounds: int = 2000) -> tuple[float, float]:
    """95 % bootstrap interval of the area over groups (patients): a patient's slices stay together."""
    rng = np.random.default_rng(0)
    areas = []
    for _ in range(rounds):
        picked = [groups[k] for k in rng.integers(len(groups), size=len(groups))]
        truth = np.concatenate([t for t, _ in picked])
        if truth.any() and not truth.all():
            areas.append(auc(truth, np.concatenate([s for _, s in picked])))
    low, high = np.percentile(areas, [2.5, 97.5])
    return float(low), float(high)


def share_interval(hits: int, of: int) -> tuple[float, float]:
    """95 % Wilson interval of a share."""
    z, p = 1.96, hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * np.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return float(middle - half), float(middle + half)


def platt(truth: Truth, score: Scores) -> tuple[float, float]:
    """a, b of p = sigmoid(a score + b), with Platt's softened targets, both kinds given the same weight.

    The data's share of bleeds (25 of 55) is not a hospital's; 0.5 is where both kinds are as likely to score so.
    """
    positive, negative = int(truth.sum()), int((~truth).sum())
    target = np.where(truth, (positive + 1) / (positive + 2), 1 / (negative + 2))
    weight = np.where(truth, 0.5 / positive, 0.5 / negative)

    def loss(ab: NDArray[np.float64]) -> float:
        z = ab[0] * score + ab[1]
        return float((weight * (np.logaddexp(0, z) - target * z)).sum() + 1e-3 * ab[0] ** 2)

    a, b = minimize(loss, np.asarray([1.0, 0.0]), method="Nelder-Mead").x
    return float(a), float(b)


def calibrated(score: Scores, ab: tuple[float, float]) -> Scores:
    """Probability of a score."""
    return np.asarray(expit(ab[0] * score + ab[1]))


def rates(truth: Truth, called: Truth) -> dict[str, object]:
    """Sensitivity and specificity with counts and intervals."""
    out: dict[str, object] = {}
    for name, which in (("sensitivity", truth), ("specificity", ~truth)):
        hits, of = int((called[which] == truth[which]).sum()), int(which.sum())
        low, high = share_interval(hits, of)
        out[name] = {"value": round(hits / of, 3), "hits": hits, "of": of, "interval": [round(low, 3), round(high, 3)]}
    return out


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Overlap of two masks; 1 for two empty ones."""
    total = int(one.sum() + other.sum())
    return 1.0 if total == 0 else float(2 * (one & other).sum() / total)
