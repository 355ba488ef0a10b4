"""A study that is kept no longer: its instances and series go, how many revisions it had stays for a while."""

from __future__ import annotations

from collections.abc import Mapping

from streams.assembly.state import SeriesSoFar, StudySoFar


def is_at_rest(series: Mapping[str, SeriesSoFar]) -> bool:
    """Whether no image of it waits to be in a revision."""
    return not any(s.held and (s.grown or s.whole_by is None) for s in series.values())


def what_stays(study: StudySoFar, revision: int) -> StudySoFar:
    """The number of its newest revision, so that the next has another, and the priority of its orders."""
    return StudySoFar(orders=study.orders, revision=max(study.revision, revision))


def has_left(study: StudySoFar) -> bool:
    """Whether this is what stays of a study."""
    return study.facts is None and study.revision > 0
