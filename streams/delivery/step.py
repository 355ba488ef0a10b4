"""Delivery: who is told; and that every revision of a study ends in exactly one outcome."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, TypeVar

from streams.delivery.alerts import Told, handled, heard
from streams.delivery.measuring import lesions, measurements
from streams.delivery.outcome import answered, failed, outcome
from streams.delivery.state import Ended, Known, Open, Standing
from streams.events.imaging import PriorityChanged, StudyIneligible, StudyRouted
from streams.events.measuring import LesionsMeasured
from streams.events.reading import FindingMade, ReadingFailed
from streams.events.telling import AlertClosed, AlertRaised, AlertUpdated, MeasurementMade
from streams.events.watching import ReportSigned, StudyClosed, StudyOpened
from streams.policy import AlertPolicy, WaitingPolicy
from streams.stage import Outcome, Parts, Stage, all_parts

STUDY, REVISION, READING, ALERT = "study", "revision", "reading", "alert"
Part = TypeVar("Part")


def delivery(alerts: AlertPolicy, waits: WaitingPolicy) -> Stage:
    """The stage; a study has few revisions, readings and alerts, so a step is given them all."""
    handler = _Delivery(alerts, waits)
    return Stage(
        name="delivery",
        hears=(
            StudyRouted,
            StudyIneligible,
            PriorityChanged,
            FindingMade,
            ReadingFailed,
            StudyOpened,
            ReportSigned,
        ),
        says=(AlertRaised, AlertUpdated, AlertClosed, MeasurementMade, LesionsMeasured, StudyClosed),
        kinds={STUDY: Known, REVISION: Open, READING: Ended, ALERT: Standing},
        step=handler.step,
        needs=all_parts,
        outlives=frozenset({ALERT}),
    )


@dataclass(slots=True)
class _Draft:
    """The state while a step changes it."""

    parts: dict[str, object]
    changes: dict[str, object] = field(default_factory=dict)
    says: list[object] = field(default_factory=list)

    def set(self, name: str, part: object) -> None:
        if self.parts.get(name) != part:
            self.parts[name] = self.changes[name] = part

    def all(self, kind: str, of: type[Part]) -> dict[str, Part]:
        prefix = f"{kind}:"
        found = {n[len(prefix) :]: p for n, p in sorted(self.parts.items()) if n.startswith(prefix)}
        return {name: part for name, part in found.items() if isinstance(part, of)}

    @property
    def known(self) -> Known | None:
        part = self.parts.get(STUDY)
        return part if isinstance(part, Known) else None


class _Delivery:
    def __init__(self, alerts: AlertPolicy, waits: WaitingPolicy) -> None:
        self._alerts, self._waits = alerts, waits

    def step(self, parts: Parts, event: object, _now: datetime) -> Outcome:
        """See streams.stage.Stage.step."""
        draft = _Draft(dict(parts))
        match event:
            case StudyRouted() | StudyIneligible():
                self._routed(draft, event)
            case PriorityChanged() if draft.known:
                draft.set(STUDY, replace(draft.known, priority=event.priority))
            case FindingMade():
                self._found(draft, event)
            case ReadingFailed() if event.final:
                self._failed(draft, event)
            case StudyOpened():
                self._handled(draft, "opened")
            case ReportSigned():
                self._handled(draft, "read")
            case _:
                pass
        return Outcome(changes=draft.changes, says=tuple(draft.says))

    def _routed(self, draft: _Draft, event: StudyRouted | StudyIneligible) -> None:
        name = f"{REVISION}:{event.revision}"
        if name in draft.parts:
            return
        before = draft.known
        if before is None or event.revision > before.revision:
            draft.set(STUDY, _known(event))
        for reading, ended in draft.all(READING, Ended).items():
            if ended.held:
                self._tell(draft, reading, ended.held)
        if isinstance(event, StudyIneligible):
            draft.says.append(_ineligible(event))
            draft.set(name, _open(event, ()))
        else:
            readings = tuple(f"{c.model}#{c.read_in or event.revision}" for c in event.chosen)
            draft.set(name, _open(event, readings))
            self._close(draft)

    def _found(self, draft: _Draft, event: FindingMade) -> None:
        name = f"{event.model}#{event.revision}"
        before = draft.all(READING, Ended).get(name)
        if before and before.how in ("answered", "held"):
            return
        if draft.known is None:
            draft.set(f"{READING}:{name}", Ended(how="held", role=event.role, held=event))
            return
        self._tell(draft, name, event)
        self._close(draft)

    def _tell(self, draft: _Draft, name: str, finding: FindingMade) -> None:
        """Alert and measurement of a finding whose study is known."""
        known = draft.known
        assert known is not None
        alert: str | None = None
        if finding.role == "live" and finding.name in self._alerts.findings:
            slot = f"{finding.model}/{finding.name}"
            told = heard(draft.all(ALERT, Standing).get(slot), finding, known, self._waits)
            _keep(draft, slot, told)
            alert = told.standing.alert if finding.positive else None
        draft.says += measurements(finding, known.patient)
        draft.says += filter(None, [lesions(finding, known)])
        ended = Ended(how="answered", role=finding.role, sentence=answered(finding), alert=alert)
        draft.set(f"{READING}:{name}", ended)

    def _failed(self, draft: _Draft, event: ReadingFailed) -> None:
        name = f"{event.model}#{event.revision}"
        if name not in draft.all(READING, Ended):
            draft.set(f"{READING}:{name}", Ended(how=event.kind, role=event.role, sentence=failed(event)))
            self._close(draft)

    def _close(self, draft: _Draft) -> None:
        """Say the outcome of each revision whose readings have all ended, once."""
        known = draft.known
        if known is None:
            return
        readings = draft.all(READING, Ended)
        for revision in sorted(draft.all(REVISION, Open).values(), key=lambda r: r.revision):
            said = None if revision.closed else outcome(revision, readings, known.study)
            if said:
                draft.says.append(said)
                draft.set(f"{REVISION}:{revision.revision}", replace(revision, closed=True))

    def _handled(self, draft: _Draft, how: Literal["opened", "read"]) -> None:
        known = draft.known
        if known is None:
            return
        for slot, standing in draft.all(ALERT, Standing).items():
            _keep(draft, slot, handled(standing, known, how))


def _keep(draft: _Draft, slot: str, told: Told) -> None:
    draft.set(f"{ALERT}:{slot}", told.standing)
    draft.says += told.says


def _known(event: StudyRouted | StudyIneligible) -> Known:
    return Known(
        study=event.facts.study,
        patient=event.facts.patient,
        priority=event.priority,
        arrived_at=event.first_stored_at,
        revision=event.revision,
        examined_on=event.facts.examined_on,
    )


def _open(event: StudyRouted | StudyIneligible, readings: tuple[str, ...]) -> Open:
    """A revision; one that no model reads is closed as it is opened."""
    models = tuple(name.rpartition("#")[0] for name in readings)
    return Open(
        revision=event.revision,
        models=models,
        readings=readings,
        last_stored_at=event.last_stored_at,
        closed=not readings,
    )


def _ineligible(event: StudyIneligible) -> StudyClosed:
    return StudyClosed(
        study=event.facts.study,
        revision=event.revision,
        outcome="ineligible",
        reason=event.reason,
        models=(),
        alerts=(),
        last_stored_at=event.last_stored_at,
    )
