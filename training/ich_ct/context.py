"""Fits the light head over slice scores: a slice by its neighbours and its size, the study by its slices.

Both are logistic regressions held near a plain rule (smoothing; the mean of the two highest slices) by a penalty whose
strength is chosen inside the patients it is fitted on. A patient's own score is never among them: `unseen_scores`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from net import LEAST_INSIDE, NO_BRAIN, Context, slice_features, study_features
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float64]
STRENGTHS = (0.01, 0.1, 1.0)
PLAIN = Context()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a patient's unseen net says: slabs' scores `[n, 3]`, mm2 inside the skull; which slices show a bleed."""

    scores: NDArray[np.float32]
    inside: NDArray[np.float32]
    bleeds: NDArray[np.bool_]
    fold: int


def of_slices(seen: Seen) -> Floats:
    """Features of each slice `[n, 8]`."""
    return slice_features(torch.from_numpy(seen.scores), torch.from_numpy(seen.inside)).numpy().astype(np.float64)


def slice_scores(seen: Seen, context: Context) -> Floats:
    """As the exported model gives them."""
    scores = of_slices(seen) @ np.asarray(context.slice_weights) + context.slice_bias
    return np.asarray(np.where(seen.inside < LEAST_INSIDE, NO_BRAIN, scores))


def of_study(seen: Seen, context: Context) -> Floats:
    """Features of the study `[3]`."""
    scores = torch.from_numpy(slice_scores(seen, context).astype(np.float32))
    return study_features(scores).numpy().astype(np.float64)


def study_score(seen: Seen, context: Context) -> float:
    """As the exported model gives it."""
    return float(of_study(seen, context) @ np.asarray(context.study_weights) + context.study_bias)


@dataclass(frozen=True, slots=True)
class _Table:
    """Rows to fit: features, truth, weight, and the patient each row is of."""

    x: Floats
    truth: NDArray[np.bool_]
    weight: Floats
    patient: NDArray[np.int64]


def _fitted(table: _Table, prior: Floats, strength: float) -> tuple[Floats, float]:
    """Weights and bias of a logistic regression, pulled towards prior (in units of each feature's spread)."""
    spread = table.x.std(0) + 1e-6

    def loss(v: Floats) -> tuple[float, Floats]:
        z = table.x @ v[:-1] + v[-1]
        off = (v[:-1] - prior) * spread
        value = (table.weight * (np.logaddexp(0, z) - table.truth * z)).sum() + strength * (off**2).sum()
        pull = table.weight * (1 / (1 + np.exp(-z)) - table.truth)
        slope = np.concatenate([table.x.T @ pull + 2 * strength * off * spread, [pull.sum()]])
        return float(value), slope

    found = minimize(loss, np.concatenate([prior, [0.0]]), jac=True, method="L-BFGS-B").x
    return found[:-1], float(found[-1])


def _chosen(table: _Table, prior: Floats) -> tuple[Floats, float]:
    """The fit whose strength does best on patients left out in five parts."""
    part = np.random.default_rng(2).permutation(table.patient.max() + 1)[table.patient] % 5
    losses = []
    for strength in STRENGTHS:
        total = 0.0
        for k in range(5):
            rest, left = part != k, part == k
            w, b = _fitted(
                _Table(table.x[rest], table.truth[rest], table.weight[rest], table.patient[rest]), prior, strength
            )
            z = table.x[left] @ w + b
            total += float((table.weight[left] * (np.logaddexp(0, z) - table.truth[left] * z)).sum())
        losses.append(total)
    return _fitted(table, prior, STRENGTHS[int(np.argmin(losses))])


def _balanced(truth: NDArray[np.bool_]) -> Floats:
    return np.where(truth, 0.5 / max(1, truth.sum()), 0.5 / max(1, (~truth).sum()))


def fit(patients: list[Seen]) -> Context:
    """Both heads, on these patients."""
    bleeds = np.concatenate([p.bleeds for p in patients])
    who = np.concatenate([np.full(len(p.bleeds), k) for k, p in enumerate(patients)])
    big = np.concatenate([p.inside >= LEAST_INSIDE for p in patients])
    rows = np.concatenate([of_slices(p) for p in patients])
    table = _Table(rows[big], bleeds[big], _balanced(bleeds[big]), who[big])
    weights, bias = _chosen(table, np.asarray(PLAIN.slice_weights))
    first = Context(tuple(float(v) for v in weights), bias)
    truth = np.asarray([bool(p.bleeds.any()) for p in patients])
    whole = _Table(np.stack([of_study(p, first) for p in patients]), truth, _balanced(truth), np.arange(len(patients)))
    study, study_bias = _chosen(whole, np.asarray(PLAIN.study_weights))
    return Context(first.slice_weights, first.slice_bias, tuple(float(v) for v in study), study_bias)


def plain(_: list[Seen]) -> Context:
    """Nothing is fitted: neighbours smoothed, the study by its two highest slices."""
    return PLAIN


def unseen_scores(
    seen: Mapping[int, Seen], how: Callable[[list[Seen]], Context] = fit
) -> dict[int, tuple[Floats, float]]:
    """Per patient slice scores and study score, by heads fitted without the patient's fold."""
    out: dict[int, tuple[Floats, float]] = {}
    for fold in sorted({s.fold for s in seen.values()}):
        context = how([s for s in seen.values() if s.fold != fold])
        for number, one in seen.items():
            if one.fold == fold:
                out[number] = slice_scores(one, context), study_score(one, context)
    return out


def main() -> None:
    """Fits the heads that are shipped on the out-of-fold scores of all patients, and keeps them in runs/."""
    from pool import RUNS  # noqa: PLC0415
    from scores import seen_by_unseen  # noqa: PLC0415  # which itself asks this file

    context = fit(list(seen_by_unseen().values()))
    context.save(RUNS / "context.json")
    print(context)


if __name__ == "__main__":
    main()
