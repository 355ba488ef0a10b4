"""Which part of the body each slice shows: a small logistic model over sizes and shares."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.reading.quality.features import FEATURES

PARTS = ("head", "neck", "chest", "abdomen", "pelvis", "extremity", "none")
SMOOTHED_MM = 25.0
"""Neighbours within this length speak together: a part of the body is longer."""
FURTHEST = 5.0
"""Standard deviations: a feature further out than this says no more."""


@dataclass(frozen=True, slots=True)
class PartModel:
    """Coefficients by FEATURES (columns) and PARTS (rows)."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def probabilities(self, found: NDArray[np.float64], step_mm: float) -> NDArray[np.float64]:
        """[n, parts] of features [n, features] of neighbouring slices, foot to head."""
        scores = np.clip((found - self.mean) / self.scale, -FURTHEST, FURTHEST) @ self.weights.T + self.bias
        scores -= scores.max(1, keepdims=True)
        log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        size = min(len(log_p), max(1, round(SMOOTHED_MM / max(step_mm, 0.1))))
        smooth = ndimage.uniform_filter1d(log_p, size, axis=0, mode="nearest")
        p = np.exp(smooth - smooth.max(1, keepdims=True))
        return np.asarray(p / p.sum(1, keepdims=True))


def read_model(text: str) -> PartModel:
    """The model of a TOML text as training/quality/fit.py writes it.

    Raises:
        KeyError: a part or a feature is missing.
    """
    tree = tomllib.loads(text)
    return PartModel(
        mean=np.array([tree["mean"][name] for name in FEATURES]),
        scale=np.array([tree["scale"][name] for name in FEATURES]),
        weights=np.array([[tree[part][name] for name in FEATURES] for part in PARTS]),
        bias=np.array([tree[part]["bias"] for part in PARTS]),
    )


MODEL = read_model(resources.files(__package__).joinpath("parts.toml").read_text())
"""Part of the package, as the code is."""
