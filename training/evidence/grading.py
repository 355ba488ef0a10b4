"""Classes of an ordered scale: accuracy, linear-weighted kappa, and the table of confusion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.oversight.evaluation import BOOTSTRAP, Estimate, Groups, share_of
from training.evidence.cases import Grading
from training.evidence.figure import Figure, figure


def confusion(grading: Grading) -> NDArray[np.int64]:
    """Counts [truth, given], in the scale's order.

    Raises:
        ValueError: a class is not of the scale.
    """
    table = np.zeros((len(grading.scale), len(grading.scale)), np.int64)
    for case in grading.cases:
        for told in (case.truth, case.given):
            if told not in grading.scale:
                raise ValueError(f"{grading.about}: {case.name} has the class {told!r}, none of {grading.scale}.")
        table[grading.scale.index(case.truth), grading.scale.index(case.given)] += 1
    return table


def kappa(table: NDArray[np.int64]) -> float:
    """Linear-weighted kappa (Cohen 1968); nan where chance alone would agree wholly."""
    total = table.sum()
    steps = np.abs(np.subtract.outer(np.arange(len(table)), np.arange(len(table))))
    expected = float((steps * np.outer(table.sum(1), table.sum(0))).sum() / total)
    return 1 - float((steps * table).sum()) / expected if expected else float("nan")


def grade(grading: Grading) -> list[Figure]:
    """Accuracy and kappa, intervals by patient."""
    table = confusion(grading)
    groups = Groups.of([case.group for case in grading.cases])
    place = {name: k for k, name in enumerate(grading.scale)}
    truth = np.asarray([place[case.truth] for case in grading.cases])
    given = np.asarray([place[case.given] for case in grading.cases])

    def of(places: NDArray[np.intp]) -> float:
        drawn = np.zeros_like(table)
        np.add.at(drawn, (truth[places], given[places]), 1)
        return kappa(drawn)

    low, high = groups.drawn_anew(of) or (None, None)
    agreed = Estimate(
        value=kappa(table), low=low, high=high, n=len(truth), groups=len(groups.members), method=BOOTSTRAP
    )  # fmt: skip
    return [
        figure(grading.about, f"accuracy ({'/'.join(grading.scale)})", share_of(truth == given, groups)),
        figure(grading.about, "linear-weighted kappa", agreed),
    ]
