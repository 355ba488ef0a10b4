"""One set of facts from headers that differ: the same whatever the order in which they came."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, TypeVar

from streams.events.imaging import SeriesFacts, StudyFacts

Facts = TypeVar("Facts", SeriesFacts, StudyFacts)


def merged_series(known: SeriesFacts | None, said: SeriesFacts) -> SeriesFacts:
    """Of each field what is stated; where two differ, the lesser, so that order does not matter."""
    return said if known is None else _merged(known, said, ("series",))


def merged_study(known: StudyFacts | None, said: StudyFacts) -> StudyFacts:
    """As merged_series; but the patient stays the first one: another is a fault, never a correction."""
    return said if known is None else _merged(known, said, ("study", "patient"))


def _merged(known: Facts, said: Facts, fixed: tuple[str, ...]) -> Facts:
    if known == said:
        return known
    names = [f.name for f in fields(known) if f.name not in fixed]
    return replace(known, **{name: _lesser(getattr(known, name), getattr(said, name)) for name in names})


def _lesser(one: Any, other: Any) -> Any:
    stated = [value for value in (one, other) if value is not None and value is not False and value != ""]
    return min(stated) if stated else one
