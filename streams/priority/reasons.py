"""The reasons for a place, as sentences; the first decides it."""

from __future__ import annotations

from collections.abc import Iterator

from streams.events.telling import Reason
from streams.policy import WaitingPolicy
from streams.priority.state import Place, Routed, Told

_RANK = {"override": 0, "finding": 1, "order": 2, "no-ai-result": 3, "ineligible": 4, "shadow": 5}


def reasons(place: Place, routed: Routed, policy: WaitingPolicy) -> tuple[Reason, ...]:
    """Shortest wait first; reasons that move nothing stand behind."""
    found = [_base(place, routed, policy), *_findings(place, policy), *_no_answer(place, routed)]
    if routed.ineligible:
        found.append(Reason(kind="ineligible", sentence=routed.ineligible))
    return tuple(sorted(found, key=_rank))


def _rank(reason: Reason) -> tuple[bool, int, int, str]:
    return (reason.wait_s is None, reason.wait_s or 0, _RANK[reason.kind], reason.sentence)


def _base(place: Place, routed: Routed, policy: WaitingPolicy) -> Reason:
    """The order's class, or what a person said in its stead."""
    if place.override:
        sentence = f"{place.override_by} says {place.override}" if place.override_by else f"override: {place.override}"
        return Reason(kind="override", sentence=sentence, wait_s=policy.by_priority[place.override])
    priority = place.order or routed.priority
    known = routed.has_order or place.order
    sentence = f"order: {priority}" if known else f"no order: {priority}"
    return Reason(kind="order", sentence=sentence, wait_s=policy.by_priority[priority])


def _findings(place: Place, policy: WaitingPolicy) -> Iterator[Reason]:
    """One for each model and finding: the newest revision in which it is positive.

    A later revision that is negative takes nothing back: what was suspected is looked at by a person.
    """
    newest: dict[tuple[str, str], Told] = {}
    latest: dict[tuple[str, str], Told] = {}
    for told in sorted(place.findings.values(), key=lambda t: t.revision):
        latest[told.model, told.name] = told
        if told.positive:
            newest[told.model, told.name] = told
    for names, told in sorted(newest.items()):
        sentence = f"{told.name.replace('_', ' ')} suspected ({told.score:.2f}) at {told.at:%H:%M} UTC"
        if not latest[names].positive:
            sentence += f" in revision {told.revision}, not in revision {latest[names].revision}"
        if told.role == "shadow":
            yield Reason(kind="shadow", sentence=f"shadow model {told.model}: {sentence}")
            continue
        wait = None if told.overruled else policy.by_finding.get(told.name)
        yield Reason(kind="finding", sentence=sentence, wait_s=wait)


def _no_answer(place: Place, routed: Routed) -> Iterator[Reason]:
    """Live readings of the newest revision that failed, or are late: never shown as a negative."""
    waiting = False
    for name in routed.awaited:
        failure = place.failures.get(name)
        if name in place.findings:
            continue
        if failure is None:
            waiting = True
        elif failure.final:
            yield Reason(kind="no-ai-result", sentence=f"no AI result: {failure.reason}")
        else:
            yield Reason(kind="no-ai-result", sentence=f"no AI result yet, it is tried again: {failure.reason}")
    if waiting and place.late:
        yield Reason(kind="no-ai-result", sentence="no AI result yet")
