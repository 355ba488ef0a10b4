"""Bland-Altman: how far a measured quantity lies from the known one, on average and for a single case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from streams.oversight.evaluation import BOOTSTRAP, Estimate, Groups, Z
from training.evidence.cases import Agreement, Pair
from training.evidence.figure import Figure, figure
from training.evidence.paper import BLUE, GREY, ORANGE, panels, save

Values = NDArray[np.float64]
FEWEST, FEWEST_OF_A_STRATUM = 3, 8


def agree(agreement: Agreement) -> list[Figure]:
    """Bias, limits of agreement, mean absolute difference and r; bias and limits of each stratum of 8 pairs.

    Raises:
        ValueError: fewer than three pairs, or a value that is no number (or, for percent, a reference of 0).
    """
    if len(agreement.pairs) < FEWEST:
        raise ValueError(f"{agreement.about}: limits of agreement need at least {FEWEST} pairs.")
    rows = _rows(agreement, agreement.pairs, "")
    kinds = sorted({pair.stratum for pair in agreement.pairs if pair.stratum})
    for stratum in kinds if len(kinds) > 1 else ():
        pairs = tuple(pair for pair in agreement.pairs if pair.stratum == stratum)
        rows += _rows(agreement, pairs, stratum)[:2] if len(pairs) >= FEWEST_OF_A_STRATUM else []
    return rows


def apart(agreement: Agreement, pairs: tuple[Pair, ...]) -> tuple[Values, Values]:
    """Reference and difference (measured less reference), in the unit or in percent of the reference."""
    measured = np.asarray([pair.measured for pair in pairs], np.float64)
    reference = np.asarray([pair.reference for pair in pairs], np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = 100 * (measured / reference - 1) if agreement.relative else measured - reference
    if not np.isfinite(difference).all():
        broken = pairs[int(np.flatnonzero(~np.isfinite(difference))[0])].name
        raise ValueError(f"{agreement.about}: {broken} has no difference that is a number.")
    return reference, difference


def bias(difference: Values, groups: Groups) -> Estimate:
    """Mean difference: Student's interval where each group has one pair, else groups drawn anew."""
    between, method = _student(difference), "t"
    if not groups.single:
        between, method = groups.drawn_anew(lambda places: float(difference[places].mean())) or between, BOOTSTRAP
    return Estimate(
        value=float(difference.mean()), low=between[0], high=between[1], n=len(difference),
        groups=len(groups.members), method=method,
    )  # fmt: skip


def limits(difference: Values) -> tuple[float, float]:
    """Where 95 % of single differences lie: mean -/+ 1.96 standard deviations (Bland and Altman 1986)."""
    spread = float(difference.std(ddof=1))
    return float(difference.mean()) - Z * spread, float(difference.mean()) + Z * spread


def _student(difference: Values) -> tuple[float, float]:
    half = float(stats.t.ppf(0.975, len(difference) - 1) * difference.std(ddof=1) / np.sqrt(len(difference)))
    return float(difference.mean()) - half, float(difference.mean()) + half


def _rows(agreement: Agreement, pairs: tuple[Pair, ...], stratum: str) -> list[Figure]:
    reference, difference = apart(agreement, pairs)
    groups = Groups.of([pair.group for pair in pairs])
    unit = "%" if agreement.relative else agreement.unit
    of = agreement.quantity
    rows = [figure(agreement.about, f"{of}: bias", bias(difference, groups), unit, stratum)]
    low, high = limits(difference)
    rows.append(Figure(
        about=agreement.about, what=f"{of}: 95 % of differences lie between", stratum=stratum, unit=unit,
        value=float(difference.mean()), low=low, high=high, n=len(pairs), groups=len(groups.members),
        method="limits of agreement",
    ))  # fmt: skip
    size = np.abs(difference)
    rows.append(Figure(
        about=agreement.about, what=f"{of}: mean absolute difference", stratum=stratum, unit=unit,
        value=float(size.mean()), n=len(pairs), groups=len(groups.members),
    ))  # fmt: skip
    if len(pairs) > FEWEST and reference.std() > 0 and difference.std() + reference.std() > 0:
        rows += _correlation(agreement, pairs, groups, stratum)
    return rows


def _correlation(agreement: Agreement, pairs: tuple[Pair, ...], groups: Groups, stratum: str) -> list[Figure]:
    measured = np.asarray([pair.measured for pair in pairs], np.float64)
    reference = np.asarray([pair.reference for pair in pairs], np.float64)
    if measured.std() == 0:
        return []
    result = stats.pearsonr(reference, measured)
    between, method = result.confidence_interval(0.95), "Fisher z"
    if not groups.single:

        def of(places: NDArray[np.intp]) -> float:
            one, other = reference[places], measured[places]
            return float(np.corrcoef(one, other)[0, 1]) if one.std() > 0 and other.std() > 0 else float("nan")

        between, method = groups.drawn_anew(of) or between, BOOTSTRAP
    found = Estimate(
        value=float(result.statistic), low=float(between[0]), high=float(between[1]), n=len(pairs),
        groups=len(groups.members), method=method,
    )  # fmt: skip
    return [figure(agreement.about, f"{agreement.quantity}: Pearson's r", found, stratum=stratum)]


def draw(agreement: Agreement, path: Path) -> None:
    """Differences over the mean of both (over the reference where they are percent), bias and limits."""
    reference, difference = apart(agreement, agreement.pairs)
    across = reference if agreement.relative else reference + difference / 2
    sheet, (panel,) = panels(1, 3.4)
    panel.plot(across, difference, "o", color=BLUE, markersize=3, alpha=0.7)
    panel.axhline(float(difference.mean()), color=ORANGE)
    for limit in limits(difference):
        panel.axhline(limit, color=ORANGE, linestyle="--", linewidth=0.8)
    panel.axhline(0, color=GREY, linewidth=0.6, linestyle=":")
    said = "reference" if agreement.relative else "mean of model and reference"
    panel.set(
        xlabel=f"{agreement.quantity}, {said} ({agreement.unit})",
        ylabel=f"model less reference ({'%' if agreement.relative else agreement.unit})",
    )
    save(sheet, path, f"{agreement.about} (n = {len(agreement.pairs)})")
