"""Why no model reads a study, in one sentence: a clause for each series, of what all models say of it together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from streams.contract import Contract
from streams.events.imaging import SeriesSummary, StudyAssembled
from streams.routing.body_part import Rules
from streams.routing.eligibility import Got, Unfit, unfit

CLAUSES_MOST = 6
"""So many clauses make a sentence; the rest are counted. What each model says of each series stands in `declined`."""


def nobody(study: StudyAssembled, contracts: Sequence[Contract], off: Sequence[str], rules: Rules) -> str:
    """The sentence.

    Args:
        study: none of whose series is fit for a model.
        contracts: of the models that could be asked.
        off: names of those that are switched off.
        rules: of body parts, as routing has them.
    """
    said = [f"{_listed(off, 'and')} {'is' if len(off) == 1 else 'are'} switched off"] if off else []
    if contracts:
        said += dict.fromkeys(f"{_name(s)}: {_clause(s, contracts, study, rules)}" for s in study.series)
    if not said:
        return "no model is installed"
    more = f"; and {len(said) - CLAUSES_MOST} series more" if len(said) > CLAUSES_MOST else ""
    return f"no model reads it: {'; '.join(said[:CLAUSES_MOST])}{more}"


def _name(series: SeriesSummary) -> str:
    return "a series" if series.facts.number is None else f"series {series.facts.number}"


def _clause(series: SeriesSummary, contracts: Sequence[Contract], study: StudyAssembled, rules: Rules) -> str:
    """What keeps it from the models that it is nearest to.

    Another modality matters only where no model reads its own, another part of the body only where none reads that.
    """
    found = [(c.name, fault) for c in contracts if (fault := unfit(series, c.needs, study, rules))]
    furthest = max(fault.got for _, fault in found)
    nearest = [(name, fault) for name, fault in found if fault.got == furthest]
    if furthest is Got.MODALITY:
        wanted = _listed(sorted({word for _, fault in nearest for word in fault.wanted}), "and")
        return f"{series.facts.modality or 'no modality'}; {wanted} {'is' if ' and ' not in wanted else 'are'} read"
    by_seen: dict[str, list[tuple[str, Unfit]]] = {}
    for name, fault in nearest:
        by_seen.setdefault(fault.seen, []).append((name, fault))
    told = [(seen, _wanted(of), [name for name, _ in of]) for seen, of in by_seen.items()]
    if len(told) == 1:
        return f"{told[0][0]}{told[0][1]}"
    return ", ".join(f"{seen}{wanted} ({_listed(names, 'and')})" for seen, wanted, names in told)


def _wanted(faults: Iterable[tuple[str, Unfit]]) -> str:
    parts = sorted({word for _, fault in faults for word in fault.wanted})
    return f", not {_listed(parts, 'or')}" if parts else ""


def _listed(words: Sequence[str], last: str) -> str:
    """a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
