"""One lesion at two times: change of volume and doubling time with their intervals, or why none can be told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from math import exp, hypot, log

from streams.events.measuring import Change
from streams.events.reading import Lesion
from streams.growth.kinds import Kind
from streams.growth.repeatability import SLICES_LEAST, Z95, slices_differ, sphere_mm, spread, stated_spread

LN2 = log(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A lesion as one study shows it."""

    study: str
    examined_on: date
    model_version: str
    slice_mm: float | None
    lesion: Lesion


def change(before: Seen, after: Seen, kind: Kind, *, sure: bool = True) -> Change:
    """What became of a lesion.

    Doubling time: days x ln 2 / ln(V2 / V1) (Schwartz, Cancer 1961). Volumes are taken as lognormal about the true one;
    the ends of the interval of ln(V2 / V1) give the ends of the others.

    Args:
        before: the lesion in an earlier study.
        after: the same one on a later day.
        kind: what is known of such lesions.
        sure: False: a neighbour might be the same lesion as well.
    """
    days = (after.examined_on - before.examined_on).days
    refusal = next(_refusals(before, after, kind, sure=sure), None)
    if refusal:
        return _told(before, days, verdict="not-told", why=refusal)
    ratio, half = log(after.lesion.volume_mm3 / before.lesion.volume_mm3), Z95 * _deviation(before, after, kind)
    low, high = ratio - half, ratio + half
    told = {"percent": _percent(ratio), "percent_low": _percent(low), "percent_high": _percent(high)}
    if low > 0:
        doubling = {
            "doubling_days": _doubling(days, ratio),
            "doubling_days_low": _doubling(days, high),
            "doubling_days_high": _doubling(days, low),
        }
        return _told(before, days, verdict="grown", **told, **doubling)
    if high < 0:
        return _told(before, days, verdict="shrunk", **told)
    return _told(
        before,
        days,
        verdict="not-told",
        why="the difference is within what two scans of the same day differ by",
        **told,
        doubling_days_low=_doubling(days, high) if high > 0 else None,
    )


def _refusals(before: Seen, after: Seen, kind: Kind, *, sure: bool) -> Iterator[str]:
    """Why the two volumes cannot be compared."""
    if not sure:
        yield f"two {kind.word}s lie too near each other to tell which is which"
    if min(before.lesion.volume_mm3, after.lesion.volume_mm3) <= 0:
        yield "there is no volume to compare"
        return
    if before.model_version != after.model_version:
        yield f"version {before.model_version} measured it then, {after.model_version} now"
    if kind.nodule:
        yield from _thickness(before, "then")
        yield from _thickness(after, "now")
    elif not (stated_spread(before.lesion) and stated_spread(after.lesion)):
        yield f"it is not known how well the volume of such a {kind.word} repeats"


def _thickness(seen: Seen, when: str) -> Iterator[str]:
    diameter = sphere_mm(seen.lesion.volume_mm3)
    if seen.slice_mm is None or seen.slice_mm <= 0:
        yield f"the distance of the slices {when} is not known"
    elif seen.slice_mm * SLICES_LEAST > diameter:
        yield f"slices of {seen.slice_mm:.1f} mm {when} are too thick for {diameter:.1f} mm"


def _deviation(before: Seen, after: Seen, kind: Kind) -> float:
    """Standard deviation of ln(V2 / V1)."""
    if not kind.nodule:
        return hypot(stated_spread(before.lesion) or 0.0, stated_spread(after.lesion) or 0.0)
    assert before.slice_mm is not None
    assert after.slice_mm is not None
    least = min(sphere_mm(before.lesion.volume_mm3), sphere_mm(after.lesion.volume_mm3))
    return hypot(
        spread(before.lesion, before.slice_mm),
        spread(after.lesion, after.slice_mm),
        slices_differ(least, before.slice_mm, after.slice_mm),
    )


def _percent(log_ratio: float) -> float:
    return round(100.0 * (exp(log_ratio) - 1.0), 1) + 0.0  # never minus nothing


def _doubling(days: int, log_ratio: float) -> float:
    return float(round(days * LN2 / log_ratio))


def _told(before: Seen, days: int, **found: object) -> Change:
    return Change(
        study=before.study,
        label=before.lesion.label,
        examined_on=before.examined_on,
        days=days,
        volume_mm3=before.lesion.volume_mm3,
        **found,  # type: ignore[arg-type]  # fields of Change, each from one place above
    )
