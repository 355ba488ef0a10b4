"""Lesions and their growth in words: what `wetread why` and the end of a day say of them."""

from __future__ import annotations

from streams.events.measuring import Change, GrowthMeasured, LesionGrowth, LesionsMeasured
from streams.events.words import size


def lesions_told(event: LesionsMeasured) -> str:
    """What was seen, and the day it was seen on."""
    day = f"on {event.examined_on}" if event.examined_on else "without a date"
    seen = "; ".join(f"{one.label}{_side(one.side)}: {size(one)}" for one in event.lesions) or "none"
    return f"{_plural(event.finding)} seen {day}: {seen}{_shadow(event.role)}"


def growth_told(event: GrowthMeasured) -> str:
    """Each lesion and what became of it, then what is no longer seen; figures with their 95 % intervals."""
    anew = f", measured anew (edition {event.edition})" if event.edition > 1 else ""
    against = f"against {len(event.compared)} earlier stud{'y' if len(event.compared) == 1 else 'ies'}"
    head = f"{_plural(event.finding)} {against if event.compared else 'without an earlier study'}{anew}"
    gone = (
        f"{u.label}{_side(u.side)} of {u.examined_on} ({u.diameter_mm:.1f} mm) is not seen now" for u in event.unseen
    )
    said = [*map(_lesion, event.lesions), *gone, *event.notes]
    return f"{head}: {'; '.join(said) or 'none'}{_shadow(event.role)}"


def _lesion(one: LesionGrowth) -> str:
    what = f"{one.label}{_side(one.side)} {one.diameter_mm:.1f} x {one.perpendicular_mm:.1f} mm"
    if one.state != "followed":
        became = "new" if one.state == "new" else "seen for the first time"
    else:
        became = ", and ".join(map(_change, one.changes))
    bands = ", ".join(f"{c.scheme}: {c.text}" for c in one.classes)
    return f"{what} {became}{f' ({bands})' if bands else ''}"


def _change(found: Change) -> str:
    since = f"since {found.examined_on}"
    if found.percent is None:
        return f"no change can be told {since}: {found.why}"
    interval = f"{found.percent:+.0f} % [{found.percent_low:+.0f} to {found.percent_high:+.0f}]"
    if found.verdict == "not-told":
        return f"no change can be told {since}: {interval} in volume, {found.why}"
    doubling = ""
    if found.doubling_days is not None:
        between = f"{found.doubling_days_low:.0f} to {found.doubling_days_high:.0f}"
        doubling = f", doubling in {found.doubling_days:.0f} days [{between}]"
    return f"has {found.verdict} {since}: {interval} in volume{doubling}"


def _side(side: str) -> str:
    return {"L": " left", "R": " right"}.get(side, "")


def _plural(finding: str) -> str:
    return f"{finding.replace('_', ' ')}s"


def _shadow(role: str) -> str:
    return " (shadow: moves nobody)" if role == "shadow" else ""
