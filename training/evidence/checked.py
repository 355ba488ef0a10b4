"""The same figures by scikit-learn: `make evidence` ends with an error where the two differ."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    cohen_kappa_score,
    roc_auc_score,
)

from training.evidence.cases import Grading, Ranking
from training.evidence.figure import Figure
from training.evidence.roc import Told

EQUAL = 1e-9


def same_ranking(ranking: Ranking, rows: list[Figure]) -> None:
    """AUC, average precision and Brier score of all cases.

    Raises:
        ValueError: one differs.
    """
    told = Told.of(ranking.cases)
    made = {row.what: row.value for row in rows if not row.stratum}
    asked = {"AUC": roc_auc_score, "average precision": average_precision_score, "Brier score": brier_score_loss}
    for what, theirs in asked.items():
        if what in made:
            _same(f"{ranking.about}: {what}", made[what], float(theirs(told.truth, told.score)))


def same_grading(grading: Grading, rows: list[Figure]) -> None:
    """Accuracy and linear-weighted kappa.

    Raises:
        ValueError: one differs.
    """
    truth = [grading.scale.index(case.truth) for case in grading.cases]
    given = [grading.scale.index(case.given) for case in grading.cases]
    made = {row.what.split(" (")[0]: row.value for row in rows}
    _same(f"{grading.about}: accuracy", made["accuracy"], float(accuracy_score(truth, given)))
    scale = list(range(len(grading.scale)))
    theirs = cohen_kappa_score(truth, given, labels=scale, weights="linear")
    if np.isfinite(made["linear-weighted kappa"]):
        _same(f"{grading.about}: kappa", made["linear-weighted kappa"], float(theirs))


def _same(what: str, ours: float, theirs: float) -> None:
    if abs(ours - theirs) > EQUAL:
        raise ValueError(f"{what} is {ours} here and {theirs} by scikit-learn.")
