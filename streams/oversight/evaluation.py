"""How well scores tell cases with a finding from those without, with intervals that keep a patient's cases together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import DegenerateDataWarning, binomtest, bootstrap, norm, rankdata

Truth = NDArray[np.bool_]
Scores = NDArray[np.float64]
Places = NDArray[np.intp]

Z = float(norm.ppf(0.975))
ROUNDS = 2000
SEED = 0
BOOTSTRAP = "bootstrap"
FEW_GROUPS = 10
"""Of fewer, the draws are so alike that a bootstrap's interval comes out too narrow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its 95 % interval.

    Attributes:
        low, high: None where these cases cannot tell (one patient only, or every draw gives the same).
        n: cases that it is made of. groups: patients among them.
        method: how the interval was made; "bootstrap" draws patients anew. hits: of a share, so many of `n`.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    groups: int
    method: str
    hits: int | None = None


@dataclass(frozen=True, slots=True)
class Groups:
    """Which cases belong to the same patient: for each, the places of its cases."""

    members: tuple[Places, ...]

    @classmethod
    def of(cls, names: Sequence[str]) -> Groups:
        """By name, in the names' order."""
        _, which = np.unique(np.asarray(names, dtype=str), return_inverse=True)
        order = np.argsort(which, kind="stable")
        return cls(tuple(np.split(order, np.cumsum(np.bincount(which))[:-1])))

    @property
    def single(self) -> bool:
        """Whether each has one case, so that cases are independent."""
        return all(len(places) == 1 for places in self.members)

    def drawn_anew(self, statistic: Callable[[Places], float], rounds: int = ROUNDS) -> tuple[float, float] | None:
        """95 % percentile interval over groups drawn with replacement (Efron 1979; fixed seed).

        Draws for which the statistic has no value (nan: one kind of case only) are left out. None: the draws do not
        differ, so that they tell nothing.
        """

        def of_draw(picked: Places) -> float:
            return statistic(np.concatenate([self.members[int(k)] for k in picked]))

        if len(self.members) < 2:  # noqa: PLR2004  # nothing can be drawn anew
            return None
        with catch_warnings():
            simplefilter("ignore", DegenerateDataWarning)  # looked at below
            draws = bootstrap(
                (np.arange(len(self.members)),), of_draw, n_resamples=rounds, vectorized=False, method="percentile",
                rng=np.random.default_rng(SEED),
            ).bootstrap_distribution  # fmt: skip
        kept = draws[~np.isnan(draws)]
        if not len(kept) or kept.min() == kept.max():
            return None
        low, high = (float(edge) for edge in np.percentile(kept, [2.5, 97.5]))
        return (low, high) if low < high else None


def share(hits: int, of: int) -> Estimate:
    """A share of independent cases with Wilson's interval (Wilson 1927)."""
    low, high = binomtest(hits, of).proportion_ci(0.95, "wilson")
    return Estimate(value=hits / of, low=float(low), high=float(high), n=of, groups=of, method="Wilson", hits=hits)


def share_of(right: Truth, groups: Groups) -> Estimate:
    """A share of cases: Wilson's interval where each group has one, else by groups drawn anew.

    Where all draws are equal (all right, or none), Wilson's interval for as many cases as there are groups; of few
    groups, whose draws differ too little, the wider of both.
    """
    hits, count = int(right.sum()), len(groups.members)
    if groups.single:
        return share(hits, len(right))
    between = groups.drawn_anew(lambda places: float(right[places].mean()))
    return clustered_share(hits, len(right), count, between)


def _wider(between: tuple[float, float], alone: Estimate, groups: int) -> tuple[float, float, str]:
    """The bootstrap's interval; of fewer than ten groups widened to that of independent cases, where it is wider."""
    if groups >= FEW_GROUPS or alone.low is None or alone.high is None:
        return *between, BOOTSTRAP
    low, high = min(between[0], alone.low), max(between[1], alone.high)
    return low, high, BOOTSTRAP if (low, high) == between else f"{BOOTSTRAP}, {alone.method}: the wider"


def clustered_share(hits: int, of: int, groups: int, between: tuple[float, float] | None) -> Estimate:
    """A share whose interval by groups drawn anew was computed elsewhere: widened, or replaced, as `share_of` does."""
    alone = share(hits, of)
    if between is None:
        return replace(
            share(round(hits / of * groups), groups), value=hits / of, n=of, hits=hits, method="Wilson by patient"
        )
    low, high, method = _wider(between, alone, groups)
    return Estimate(value=hits / of, low=low, high=high, n=of, groups=groups, method=method, hits=hits)


def auc(truth: Truth, score: Scores) -> float:
    """Area under the ROC curve (Mann-Whitney, ties half); nan where one kind of case is missing."""
    positive = int(truth.sum())
    negative = len(truth) - positive
    if not positive or not negative:
        return float("nan")
    return float((rankdata(score)[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def area(truth: Truth, score: Scores, groups: Groups) -> Estimate:
    """AUC: DeLong's interval where each group has one case, else by groups drawn anew.

    Raises:
        ValueError: all cases are of one kind.
    """
    value = auc(truth, score)
    if np.isnan(value):
        raise ValueError("An ROC curve needs cases with the finding and cases without it.")
    count, alone = len(groups.members), _alone(value, truth, score, groups)
    if groups.single:
        return alone
    between = groups.drawn_anew(lambda places: auc(truth[places], score[places]))
    if between is None:
        return replace(alone, method=f"{alone.method} by patient")
    low, high, method = _wider(between, alone, count)
    return Estimate(value=value, low=low, high=high, n=len(truth), groups=count, method=method)


def _alone(value: float, truth: Truth, score: Scores, groups: Groups) -> Estimate:
    """DeLong's interval of independent cases; where it has none, Newcombe's for as many as there are patients."""
    count, spread = len(groups.members), delong_variance(truth, score)
    if spread > 0:
        low, high, method = max(0.0, value - Z * sqrt(spread)), min(1.0, value + Z * sqrt(spread)), "DeLong"
    else:
        kinds = [sum(bool((truth[places] == kind).any()) for places in groups.members) for kind in (True, False)]
        low, high, method = *_newcombe(value, *kinds), "Newcombe"
    return Estimate(value=value, low=low, high=high, n=len(truth), groups=count, method=method)


def delong_variance(truth: Truth, score: Scores) -> float:
    """Variance of the AUC of independent cases (DeLong et al. 1988; by ranks: Sun and Xu 2014); 0 below two a kind."""
    positive, negative = score[truth], score[~truth]
    count = len(positive), len(negative)
    if min(count) < 2:  # noqa: PLR2004
        return 0.0
    together = rankdata(np.concatenate([positive, negative]))
    beaten = (together[: count[0]] - rankdata(positive)) / count[1]
    beating = 1 - (together[count[0] :] - rankdata(negative)) / count[0]
    return float(beaten.var(ddof=1) / count[0] + beating.var(ddof=1) / count[1])


def _newcombe(value: float, positive: int, negative: int) -> tuple[float, float]:
    """Score limits that hold at 0 and 1 too, where DeLong's variance is 0 (Newcombe 2006, method 5)."""
    more = (positive + negative) / 2 - 1

    def off(at: float) -> float:
        spread = at * (1 - at) * (1 + more * ((1 - at) / (2 - at) + at / (1 + at))) / (positive * negative)
        return (value - at) ** 2 - Z * Z * spread

    tiny = 1e-12
    low = 0.0 if value <= 0 else float(brentq(off, tiny, value - tiny)) if off(value - tiny) < 0 else value
    high = 1.0 if value >= 1 else float(brentq(off, value + tiny, 1 - tiny)) if off(value + tiny) < 0 else value
    return low, high


def average_precision(truth: Truth, score: Scores) -> float:
    """Area under the steps of precision over recall; nan where no case has the finding."""
    if not truth.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.append(np.diff(score[order]) != 0, True)  # cases of equal score are called together
    recall = np.concatenate([[0.0], hits[last] / truth.sum()])
    precision = hits[last] / (np.flatnonzero(last) + 1)
    return float((np.diff(recall) * precision).sum())


def brier(truth: Truth, chance: Scores) -> float:
    """Mean squared distance of probability and truth (Brier 1950)."""
    return float(((chance - truth) ** 2).mean())


def drawn(statistic: Callable[[Truth, Scores], float], truth: Truth, score: Scores, groups: Groups) -> Estimate:
    """Any statistic of truth and score, its interval by groups drawn anew."""
    low, high = groups.drawn_anew(lambda places: statistic(truth[places], score[places])) or (None, None)
    value = statistic(truth, score)
    return Estimate(value=value, low=low, high=high, n=len(truth), groups=len(groups.members), method=BOOTSTRAP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Cases of similar probability: how many, what was said on average, and the share that has the finding."""

    said: float
    seen: Estimate


def reliability(truth: Truth, chance: Scores, bins: int = 5) -> tuple[Bin, ...]:
    """Cases in order of probability, in bins of nearly equal size; equal probabilities stay together."""
    order = np.argsort(chance, kind="stable")
    cuts = [round(k * len(order) / bins) for k in range(1, bins)]
    cuts = sorted({int(np.searchsorted(chance[order], chance[order][cut])) for cut in cuts if 0 < cut < len(order)})
    parts = [part for part in np.split(order, cuts) if len(part)]
    return tuple(Bin(said=float(chance[part].mean()), seen=share(int(truth[part].sum()), len(part))) for part in parts)


def at_threshold(truth: Truth, score: Scores, names: Sequence[str], threshold: float) -> dict[str, Estimate]:
    """Sensitivity, specificity, positive and negative predictive value of the call `score >= threshold`.

    One that these cases cannot tell (nothing was called, say) is left out. Predictive values (PPV, NPV) are of these
    cases: at another prevalence they are others.
    """
    called = score >= threshold
    right = called == truth
    asked = {"sensitivity": truth, "specificity": ~truth}
    if truth.any() and not truth.all():
        asked |= {"PPV": called, "NPV": ~called}
    told: dict[str, Estimate] = {}
    for name, which in asked.items():
        if which.any():
            told[name] = share_of(right[which], Groups.of([names[int(k)] for k in np.flatnonzero(which)]))
    return told


def figures(truth: Truth, score: Scores, names: Sequence[str], threshold: float | None) -> dict[str, Estimate]:
    """All that cases with a score tell: what stands in a card, and what `wetread evaluate` prints.

    Args:
        truth: whether each case has the finding.
        score: of each, higher for the finding.
        names: of each case's patient.
        threshold: at which a case is called; None: no rates.
    """
    groups = Groups.of(names)
    told: dict[str, Estimate] = {}
    if truth.any() and not truth.all():
        told["AUC"] = area(truth, score, groups)
        told["average precision"] = drawn(average_precision, truth, score, groups)
    return told | (at_threshold(truth, score, names, threshold) if threshold is not None else {})
