"""MIAS' letters F, G and D from percent density: two cuts, set on the women of one fold, tried on the other's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

Numbers = NDArray[np.float64]


def cuts(percent: Numbers, letter: NDArray[np.int64]) -> tuple[float, float]:
    """Where F gives way to G, and G to D: an ordinal logistic model (McCullagh 1980) of the percent density."""

    def loss(p: Numbers) -> float:
        at = np.asarray([p[0], p[0] + np.exp(p[1])])
        above = expit((percent[:, None] - at) / np.exp(p[2]))
        chance = np.stack([1 - above[:, 0], above[:, 0] - above[:, 1], above[:, 1]], 1)
        return float(-np.log(np.clip(chance[np.arange(len(letter)), letter], 1e-9, 1)).mean())

    first, apart, _ = minimize(loss, np.asarray([20.0, 2.5, 1.5]), method="Nelder-Mead").x
    return float(first), float(first + np.exp(apart))


def crossed(percent: Numbers, letter: NDArray[np.int64], fold: NDArray[np.int64]) -> NDArray[np.int64]:
    """The letter (0, 1, 2) of each, by cuts that were set on the other folds."""
    given = np.zeros(len(letter), np.int64)
    for one in np.unique(fold):
        here = fold == one
        low, high = cuts(percent[~here], letter[~here])
        given[here] = (percent[here] > low).astype(np.int64) + (percent[here] > high)
    return given
