"""The best series for a model, and why each other one was not taken."""

from __future__ import annotations

from dataclasses import dataclass

from streams.contract import Contract, Needs
from streams.events.imaging import Choice, SeriesSummary, StudyAssembled
from streams.routing.body_part import Rules
from streams.routing.eligibility import unfit
from streams.routing.kernel import Kernel, kernel_of

_KERNELS: tuple[Kernel, ...] = ("soft", "unknown", "sharp")
_LAST = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a model is to read (None: nothing here), why that, and why not the others.

    Attributes:
        others: further series that are read together with the best one.
    """

    best: SeriesSummary | None
    others: tuple[SeriesSummary, ...] = ()
    why: str
    declined: tuple[Choice, ...]


def choose(contract: Contract, study: StudyAssembled, rules: Rules) -> Chosen:
    """The fit series that is nearest to the thickness preferred; then soft kernel, coverage, series number."""
    name, needs = contract.name, contract.needs
    found = {s.facts.series: unfit(s, needs, study, rules) for s in study.series}
    faults = {series: fault.why if fault else None for series, fault in found.items()}
    fit = sorted((s for s in study.series if not faults[s.facts.series]), key=lambda s: _preference(s, needs))
    if needs.views:
        return _exam(contract, study, fit, faults)
    best = fit[0] if fit else None
    declined = []
    for series in study.series:
        why = faults[series.facts.series]
        if best and not why and series is not best:
            why = _beaten(series, best, needs)
        if why:
            declined.append(Choice(model=name, series=series.facts.series, why=why))
    return Chosen(best=best, why=_taken(best) if best else "", declined=tuple(declined))


def _exam(contract: Contract, study: StudyAssembled, fit: list[SeriesSummary], faults: dict[str, str | None]) -> Chosen:
    """All fit series together, in the order of their numbers."""
    declined = tuple(
        Choice(model=contract.name, series=s.facts.series, why=why)
        for s in study.series
        if (why := faults[s.facts.series])
    )
    if not fit:
        return Chosen(best=None, why="", declined=declined)
    ordered = sorted(fit, key=lambda s: (_LAST if s.facts.number is None else s.facts.number, s.facts.series))
    views = sorted({view for s in ordered for view in s.views} & set(contract.needs.views))
    images = sum(s.count for s in ordered)
    why = f"{images} {'image' if images == 1 else 'images'}, views {' and '.join(views)}"
    return Chosen(best=ordered[0], others=tuple(ordered[1:]), why=why, declined=declined)


def _preference(series: SeriesSummary, needs: Needs) -> tuple[float, int, float, int, str]:
    number = series.facts.number
    return (
        _off(series, needs),
        _KERNELS.index(kernel_of(series.facts)),
        -series.coverage_mm,
        _LAST if number is None else number,
        series.facts.series,
    )


def _thickness(series: SeriesSummary) -> float:
    return series.thickness_mm if series.thickness_mm is not None else series.spacing_mm or 0.0


def _off(series: SeriesSummary, needs: Needs) -> float:
    return round(abs(_thickness(series) - needs.prefer_thickness_mm), 1)


def _taken(best: SeriesSummary) -> str:
    kernel = kernel_of(best.facts)
    tail = f", {kernel} kernel" if kernel != "unknown" else ""
    return f"{best.orientation}, {best.count} images of {_thickness(best):g} mm, {best.coverage_mm:.0f} mm{tail}"


def _beaten(series: SeriesSummary, best: SeriesSummary, needs: Needs) -> str:
    """What decided against a series that could be read too."""
    if _off(series, needs) != _off(best, needs):
        which = "thinner" if _thickness(series) < _thickness(best) else "thicker"
        return f"{which} series; {needs.prefer_thickness_mm:g} mm preferred"
    if kernel_of(series.facts) != kernel_of(best.facts):
        return f"{'sharp' if kernel_of(series.facts) == 'sharp' else 'unknown'} kernel; a soft one preferred"
    if series.coverage_mm != best.coverage_mm:
        return f"covers {series.coverage_mm:.0f} mm; another covers {best.coverage_mm:.0f} mm"
    return "another series is as good and comes first"
