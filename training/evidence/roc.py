"""ROC and precision-recall: figures of a ranking, all cases and each stratum, and the two curves as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.oversight.evaluation import Groups, brier, drawn, figures
from training.evidence.cases import Case, Ranking
from training.evidence.figure import Figure, figure, rounded
from training.evidence.paper import BLUE, GREY, ORANGE, panels, save

MOST_POINTS = 200
WITHOUT_STRATA = ("PPV", "NPV")


@dataclass(frozen=True, slots=True)
class Told:
    """Cases as arrays."""

    truth: NDArray[np.bool_]
    score: NDArray[np.float64]
    names: list[str]

    @classmethod
    def of(cls, cases: tuple[Case, ...]) -> Told:
        """In the cases' order.

        Raises:
            ValueError: a score is no number.
        """
        score = np.asarray([case.score for case in cases], np.float64)
        if not np.isfinite(score).all():
            broken = next(case.name for case in cases if not np.isfinite(case.score))
            raise ValueError(f"The score of {broken} is no number.")
        return cls(np.asarray([case.label for case in cases], bool), score, [case.group for case in cases])


def rank(ranking: Ranking) -> list[Figure]:
    """Figures of all cases; of each stratum the AUC against all cases without the finding, and the sensitivity."""
    rows = _rows(ranking, ranking.cases, "")
    kinds = sorted({case.stratum for case in ranking.cases if case.label})
    for stratum in (kind for kind in kinds if kind and len(kinds) > 1):
        cases = tuple(c for c in ranking.cases if (c.stratum == stratum if c.label else True))
        rows += [row for row in _rows(ranking, cases, stratum) if row.what in {"AUC", "sensitivity"}]
    return rows


def _rows(ranking: Ranking, cases: tuple[Case, ...], stratum: str) -> list[Figure]:
    told = Told.of(cases)
    found = figures(told.truth, told.score, told.names, ranking.threshold)
    both = bool(told.truth.any() and not told.truth.all())
    if ranking.probability and both:
        found["Brier score"] = drawn(brier, told.truth, told.score, Groups.of(told.names))
    return [figure(ranking.about, name, estimate, stratum=stratum) for name, estimate in found.items()]


def curve(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> dict[str, list[Any]]:
    """Points of both curves, one for each score that is called from, at most 200 of them.

    The false share, the true share (recall), and the precision.
    """
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)
    hits = np.cumsum(truth[order])[last]
    called = np.flatnonzero(last) + 1
    keep = np.unique(np.linspace(0, len(hits) - 1, min(MOST_POINTS, len(hits))).astype(int))
    return {
        "false": [0.0, *(rounded(float(v)) for v in ((called - hits) / max(1, (~truth).sum()))[keep])],
        "true": [0.0, *(rounded(float(v)) for v in (hits / max(1, truth.sum()))[keep])],
        "precision": [1.0, *(rounded(float(v)) for v in (hits / called)[keep])],
    }


def draw(ranking: Ranking, path: Path) -> None:
    """Both curves, with the point that the threshold stands for."""
    told = Told.of(ranking.cases)
    points = curve(told.truth, told.score)
    sheet, (left, right) = panels(2)
    left.step(points["false"], points["true"], where="post", color=BLUE)
    left.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=":")
    right.step(points["true"], points["precision"], where="pre", color=BLUE)
    right.axhline(float(told.truth.mean()), color=GREY, linewidth=0.6, linestyle=":")
    if ranking.threshold is not None:
        called = told.score >= ranking.threshold
        true = float(called[told.truth].mean())
        left.plot(float(called[~told.truth].mean()), true, "o", color=ORANGE, label=f"at {ranking.threshold:g}")
        if called.any():
            right.plot(true, float(told.truth[called].mean()), "o", color=ORANGE)
        left.legend(loc="lower right", frameon=False)
    left.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    right.set(xlabel="recall", ylabel="precision", title="Precision and recall", xlim=(-0.02, 1.02), ylim=(0, 1.02))
    save(sheet, path, ranking.about)
