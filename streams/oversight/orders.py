"""Orders joined to the studies that name them, whichever is known first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from streams.events.imaging import AccessionSeen, OrderMatched, OrderPlaced, Priority
from streams.policy import FOR_EVER, RetentionPolicy
from streams.stage import ALL, LAST, Outcome, Parts, Stage

ORDER, STUDY = "order", "study"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The order as it was last placed."""

    order: str
    priority: Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """A study that names the order, and the priority that was last said of it; None: none yet."""

    study: str
    said: Priority | None = None


def orders(retention: RetentionPolicy = FOR_EVER) -> Stage:
    """The stage, keyed by order; one part per study, so that an accession number used often costs no more.

    Nothing tells that an order is done, so it leaves when it has not been heard of for long.
    """

    def step(parts: Parts, event: object, now: datetime) -> Outcome:
        leaves = retention.order_leaves_at(now)
        outcome = _step(parts, event)
        return replace(outcome, timers={LAST: leaves}) if leaves else outcome

    return Stage(
        name="orders",
        hears=(OrderPlaced, AccessionSeen),
        says=(OrderMatched,),
        kinds={ORDER: Placed, STUDY: Naming},
        step=step,
        needs=_needs,
    )


def _needs(event: object) -> tuple[str, ...] | None:
    return (ORDER, f"{STUDY}:{event.study}") if isinstance(event, AccessionSeen) else ALL


def _step(parts: Parts, event: object) -> Outcome:
    if isinstance(event, OrderPlaced):
        placed = Placed(order=event.order, priority=event.priority)
        naming = [part for _name, part in sorted(parts.items()) if isinstance(part, Naming)]
        changes: dict[str, object] = {} if parts.get(ORDER) == placed else {ORDER: placed}
        return _tell(placed, naming, changes)
    assert isinstance(event, AccessionSeen)
    known, study = parts.get(ORDER), Naming(study=event.study)
    if isinstance(known, Placed):
        return _tell(known, [study], {})
    name = f"{STUDY}:{event.study}"
    return Outcome(changes={} if name in parts else {name: study})


def _tell(placed: Placed, naming: list[Naming], changes: dict[str, object]) -> Outcome:
    untold = [n for n in naming if n.said != placed.priority]
    told = {f"{STUDY}:{n.study}": Naming(study=n.study, said=placed.priority) for n in untold}
    says = tuple(OrderMatched(study=n.study, order=placed.order, priority=placed.priority) for n in untold)
    return Outcome(changes=changes | told, says=says)
