"""MIAS' letters F, G and D from a few measures of a film or woman, fitted on some folds' women, tried on the rest."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from films import Film
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from streams.reading.breast.rule import off_muscle, within

Numbers = NDArray[np.float64]
Letters = NDArray[np.int64]
SHRINK = 0.03
"""Weight of the squared coefficients, which keeps them small where women are few."""


BANDS = (2, 4, 8, 16)
"""Sigmas in pixels of the frame between which texture is told."""


@dataclass(frozen=True, slots=True)
class Scale:
    """An ordinal logistic model (McCullagh 1980): one direction in the measures, two cuts on it."""

    mean: Numbers
    spread: Numbers
    weights: Numbers
    low: float
    high: float

    def letters(self, measures: Numbers) -> Letters:
        """0, 1 or 2 for each row of measures `[n, k]`."""
        at = ((measures - self.mean) / self.spread) @ self.weights
        return np.asarray((at > self.low).astype(np.int64) + (at > self.high))


def texture_of(film: Film) -> list[float]:
    """Spread and skewness of the breast's greys, and of what lies between each two smoothings of them."""
    breast = off_muscle(film.inside, film.muscle)
    planes = [film.grey, *(within(film.grey, breast, sigma) for sigma in BANDS)]
    parts = [film.grey[breast], *((fine - coarse)[breast] for fine, coarse in pairwise(planes))]
    spreads = [float(part.std()) + 1e-4 for part in parts]
    skews = [float(((part - part.mean()) ** 3).mean()) / width**3 for part, width in zip(parts, spreads, strict=True)]
    return [*np.log(spreads).tolist(), *skews]


def fitted(measures: Numbers, letter: Letters) -> Scale:
    """The scale that makes these letters likeliest."""
    mean, spread = measures.mean(0), measures.std(0) + 1e-9
    x = (measures - mean) / spread
    rows = np.arange(len(letter))

    def loss(p: Numbers) -> float:
        above = expit((x @ p[2:])[:, None] - np.asarray([p[0], p[0] + np.exp(p[1])]))
        chance = np.stack([1 - above[:, 0], above[:, 0] - above[:, 1], above[:, 1]], 1)
        return float(-np.log(np.clip(chance[rows, letter], 1e-9, 1)).mean() + SHRINK * (p[2:] ** 2).sum() / 2)

    found = minimize(loss, np.asarray([-1.0, 0.7, *[0.0] * x.shape[1]]), method="L-BFGS-B").x
    return Scale(mean, spread, found[2:], float(found[0]), float(found[0] + np.exp(found[1])))


def crossed(measures: Numbers, letter: Letters, fold: NDArray[np.int64]) -> Letters:
    """The letter (0, 1, 2) of each, by a scale that was fitted on the other folds."""
    given = np.zeros(len(letter), np.int64)
    for one in np.unique(fold):
        here = fold == one
        given[here] = fitted(measures[~here], letter[~here]).letters(measures[here])
    return given
