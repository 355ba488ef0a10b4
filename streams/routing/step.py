"""Routing: which models read the study, which series of it, in which lane, and why not the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from streams.contract import Contract
from streams.events.identifiers import named_id
from streams.events.imaging import (
    Choice,
    PriorityChanged,
    StudyAssembled,
    StudyIneligible,
    StudyRouted,
)
from streams.events.reading import Lane, ReadingRequested, Role, SeriesToRead
from streams.policy import RoutingPolicy
from streams.routing.choosing import Chosen, choose
from streams.routing.state import Asked
from streams.routing.telling import nobody
from streams.stage import NOTHING, Outcome, Parts, Stage

ASKED = "asked"
OFF = "off"


def routing(policy: RoutingPolicy, contracts: Sequence[Contract]) -> Stage:
    """The stage; its state is one part, `asked`."""
    router = _Router(policy, contracts)
    return Stage(
        name="routing",
        hears=(StudyAssembled, PriorityChanged),
        says=(StudyRouted, StudyIneligible, ReadingRequested),
        kinds={ASKED: Asked},
        step=router.step,
        needs=lambda _event: (ASKED,),
    )


class _Router:
    def __init__(self, policy: RoutingPolicy, contracts: Sequence[Contract]) -> None:
        self._policy = policy
        self._contracts = sorted(contracts, key=lambda c: c.name)

    def step(self, parts: Parts, event: object, _now: datetime) -> Outcome:
        """See streams.stage.Stage.step."""
        asked = parts.get(ASKED)
        if isinstance(event, StudyAssembled):
            return self._route(asked if isinstance(asked, Asked) else None, event)
        assert isinstance(event, PriorityChanged)
        return self._hasten(asked, event) if isinstance(asked, Asked) else NOTHING

    def _route(self, asked: Asked | None, study: StudyAssembled) -> Outcome:
        lane = self._policy.lanes[study.priority]
        requests = dict(asked.requests) if asked else {}
        chosen: list[Choice] = []
        declined: list[Choice] = []
        new: list[ReadingRequested] = []
        for contract in self._contracts:
            role = self._policy.roles.get(contract.name, contract.role)
            if role == OFF:
                declined.append(Choice(model=contract.name, series=None, why="is switched off"))
                continue
            found = choose(contract, study, self._policy.body_parts)
            declined += (replace(choice, role=_role(role)) for choice in found.declined)
            if found.best is None:
                continue
            earlier = requests.get(contract.name)
            if earlier and earlier.role == _role(role) and _same(earlier, found):
                why = f"read in revision {earlier.revision}"
                chosen.append(_choice(earlier, why, earlier.revision))
                continue
            request = _request(study, contract.name, _role(role), lane, found)
            requests[contract.name] = request
            new.append(request)
            chosen.append(_choice(request, found.why, None))
        state = Asked(lane=lane, requests=requests, chosen=tuple(c.model for c in chosen))
        told = _routed(study, chosen, declined) if chosen else self._ineligible(study, declined)
        return Outcome(changes={ASKED: state}, says=(told, *new))

    def _ineligible(self, study: StudyAssembled, declined: Sequence[Choice]) -> StudyIneligible:
        off = [choice.model for choice in declined if choice.series is None]
        asked = [contract for contract in self._contracts if contract.name not in off]
        return StudyIneligible(
            facts=study.facts,
            revision=study.revision,
            priority=study.priority,
            modality=_modality(study, ()),
            declined=tuple(declined),
            reason=nobody(study, asked, off, self._policy.body_parts),
            first_stored_at=study.first_stored_at,
            last_stored_at=study.last_stored_at,
        )

    def _hasten(self, asked: Asked, event: PriorityChanged) -> Outcome:
        """Ask again in the urgent lane; the reading keeps its name, so it is answered once.

        A study that became less urgent stays where it stands: it is in the queue already.
        """
        lane = self._policy.lanes[event.priority]
        if lane == asked.lane:
            return NOTHING
        if lane == "routine":
            return Outcome(changes={ASKED: replace(asked, lane=lane)})
        hastened = {
            name: replace(request, lane=lane, priority=event.priority)
            for name, request in asked.requests.items()
            if name in asked.chosen and request.role == "live" and request.lane != lane
        }
        state = replace(asked, lane=lane, requests=asked.requests | hastened)
        return Outcome(changes={ASKED: state}, says=tuple(hastened[name] for name in sorted(hastened)))


def _role(role: str) -> Role:
    return "live" if role == "live" else "shadow"


def _same(earlier: ReadingRequested, found: Chosen) -> bool:
    """Whether exactly these images have been asked about."""
    assert found.best
    asked = {(earlier.series.series, earlier.manifest), *((o.series.series, o.manifest) for o in earlier.others)}
    return asked == {(s.facts.series, s.manifest) for s in (found.best, *found.others)}


def _choice(request: ReadingRequested, why: str, read_in: int | None) -> Choice:
    """In the role that was asked for: a reading that stands keeps the one that it was made in."""
    return Choice(model=request.model, series=request.series.series, why=why, read_in=read_in, role=request.role)


def _request(study: StudyAssembled, model: str, role: Role, lane: Lane, found: Chosen) -> ReadingRequested:
    """A shadow model never stands in the urgent lane: it moves nobody, so nobody waits for it."""
    series = found.best
    assert series
    uid, revision = study.facts.study, study.revision
    return ReadingRequested(
        reading=named_id("reading", uid, str(revision), model),
        study=uid,
        revision=revision,
        model=model,
        role=role,
        lane=lane if role == "live" else "routine",
        priority=study.priority,
        series=series.facts,
        manifest=series.manifest,
        others=tuple(SeriesToRead(series=s.facts, manifest=s.manifest) for s in found.others),
        last_stored_at=study.last_stored_at,
    )


def _modality(study: StudyAssembled, chosen: Sequence[Choice]) -> str:
    """Of the series that is read; else of the series with most images."""
    read = {choice.series for choice in chosen}
    largest = max(study.series, key=lambda s: (s.facts.series in read, s.count, s.facts.series))
    return largest.facts.modality


def _routed(study: StudyAssembled, chosen: Sequence[Choice], declined: Sequence[Choice]) -> StudyRouted:
    return StudyRouted(
        facts=study.facts,
        revision=study.revision,
        priority=study.priority,
        modality=_modality(study, chosen),
        chosen=tuple(chosen),
        declined=tuple(declined),
        first_stored_at=study.first_stored_at,
        last_stored_at=study.last_stored_at,
    )
