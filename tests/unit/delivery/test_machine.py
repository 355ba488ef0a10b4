"""Delivery against an oracle that keeps the whole history and asks what it promises: one outcome, no missed alert."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from streams.delivery.step import delivery
from streams.events.imaging import PriorityChanged, StudyIneligible
from streams.events.reading import FindingMade, ReadingFailed
from streams.events.telling import AlertClosed, AlertRaised, AlertUpdated, MeasurementMade
from streams.events.watching import ReportSigned, StudyClosed, StudyOpened
from tests.support.stepping import Stepped
from tests.support.stepwise import SHORT, Counted
from tests.support.studies import ALERTS, PATIENT, STUDY, T0, WAITING, at, failure, found, routed, study_facts

LIVE, SHADOW = ("ich", "second"), ("new",)
REVISIONS = (1, 2, 3)


@dataclass
class Slot:
    """An alert as people see it: how many were raised, the one that stands, what was there when it was handled."""

    ids: list[str] = field(default_factory=list)
    stands: bool = False
    seen: int = 0


class DeliveryMachine(Counted):
    """Studies routed anew, answers and failures in any order and twice, people who open, read and override."""

    @initialize()
    def begin(self) -> None:
        self.stage = Stepped(delivery(ALERTS, WAITING))
        self.routed: dict[int, tuple[str, ...] | None] = {}
        self.answers: dict[str, FindingMade] = {}
        self.untold: list[str] = []
        self.failures: dict[str, ReadingFailed] = {}
        self.outcomes: dict[int, StudyClosed] = {}
        self.slots = {model: Slot() for model in LIVE}
        self.history: list[object] = []

    def _hear(self, event: object) -> tuple[object, ...]:
        self.history.append(event)
        said = self.stage.hear(event)
        self._alerts(said)
        for one in said:
            if isinstance(one, StudyClosed):
                assert one.revision not in self.outcomes, "a second outcome of one revision"
                self.outcomes[one.revision] = one
        return said

    @property
    def _newest(self) -> int:
        return max(self.routed, default=0)

    @rule(revision=st.sampled_from(REVISIONS), models=st.sets(st.sampled_from(LIVE)), shadow=st.booleans())
    def route(self, revision: int, models: set[str], shadow: bool) -> None:
        """A revision is routed, once and for all; again, it says nothing."""
        chosen = (*sorted(models), *(SHADOW if shadow else ()))
        again = revision in self.routed
        event: object = routed(revision, sorted(models), shadows=SHADOW if shadow else ())
        if not chosen:
            event = _ineligible(revision)
        told = [] if again else self.untold
        if not again:
            self.routed[revision], self.untold = chosen or None, []
        said = self._hear(event)
        assert not again or said == ()
        assert Counter(_measured(said)) == Counter(told)

    @rule(
        model=st.sampled_from((*LIVE, *SHADOW)),
        revision=st.sampled_from(REVISIONS),
        score=st.sampled_from([0.1, 0.4, 0.6, 0.9]),
    )
    def answer(self, model: str, revision: int, score: float) -> None:
        """The first answer to a reading counts; before the study is known it waits, and is not lost."""
        name = f"{model}#{revision}"
        role = "shadow" if model in SHADOW else "live"
        event = found(score, revision, model, role=role, measure="volume", value=1.0, unit="ml")
        first = name not in self.answers
        self.answers.setdefault(name, event)
        if first and not self.routed:
            self.untold.append(name)
        said = self._hear(event)
        assert _measured(said) == ([name] if first and self.routed else [])
        assert first or said == ()

    @rule(
        model=st.sampled_from((*LIVE, *SHADOW)),
        revision=st.sampled_from(REVISIONS),
        kind=st.sampled_from(["quality", "failed"]),
        final=st.booleans(),
    )
    def fail(self, model: str, revision: int, kind: str, final: bool) -> None:
        """A failure that is tried again ends nothing; one that is final does, unless an answer was there."""
        name = f"{model}#{revision}"
        event = failure(kind, revision, model, role="shadow" if model in SHADOW else "live", final=final)
        if final and name not in self.answers:
            self.failures.setdefault(name, event)
        self._hear(event)

    @rule(event=st.sampled_from([StudyOpened(study=STUDY, by="anna"), ReportSigned(study=STUDY, by="anna")]))
    def handle(self, event: object) -> None:
        """Somebody sees all that is there: what stands is closed, and only that."""
        standing = [slot.ids[-1] for slot in self.slots.values() if slot.stands]
        for slot in self.slots.values():
            if slot.ids and self.routed:
                slot.seen = self._newest
        said = self._hear(event)
        assert sorted(s.alert for s in said if isinstance(s, AlertClosed)) == sorted(standing)
        assert len(said) == len(standing)

    @rule(priority=st.sampled_from(["stat", "urgent", "routine"]))
    def order(self, priority: str) -> None:
        """An order says nothing to anybody by itself."""
        assert self._hear(PriorityChanged(study=STUDY, priority=priority)) == ()

    @rule(which=st.integers(0, 99))
    def repeat(self, which: int) -> None:
        """What a crash sends again under another id raises nothing, measures nothing, ends nothing twice."""
        past = [e for e in self.history if isinstance(e, FindingMade | ReadingFailed)]
        if past:
            event = past[which % len(past)]
            heard = isinstance(event, FindingMade) or event.final
            assert self._hear(event) == () or not heard

    def _alerts(self, said: tuple[object, ...]) -> None:
        """Each alert is raised once, and only what stands is changed or closed."""
        everything = [i for slot in self.slots.values() for i in slot.ids]
        for one in said:
            if isinstance(one, AlertRaised):
                slot = self.slots[one.model]
                assert not slot.stands
                assert one.alert not in everything, "an alert id with two contents"
                assert (one.study, one.patient) == (STUDY, PATIENT)
                assert one.score >= one.threshold
                assert not slot.ids or one.revision > slot.seen, "raised again for what somebody has seen"
                assert one.read_by <= at(WAITING.by_finding[one.finding])
                slot.ids.append(one.alert)
                slot.stands = True
                everything.append(one.alert)
            elif isinstance(one, AlertUpdated | AlertClosed):
                slot = next(s for s in self.slots.values() if one.alert in s.ids)
                assert slot.stands
                assert one.alert == slot.ids[-1]
                slot.stands = isinstance(one, AlertUpdated)

    @invariant()
    def each_revision_ends_once_and_rightly(self) -> None:
        """Exactly when all that it rests on has ended; with what a live model said, where one was asked."""
        for revision, chosen in getattr(self, "routed", {}).items():
            names = [f"{model}#{revision}" for model in chosen or ()]
            ended = all(n in self.answers or n in self.failures for n in names)
            assert (revision in self.outcomes) == ended
            if ended:
                self._is_right(self.outcomes[revision], names)
        assert set(getattr(self, "outcomes", ())) <= set(getattr(self, "routed", ()))

    def _is_right(self, outcome: StudyClosed, names: list[str]) -> None:
        deciding = [n for n in names if not n.startswith(SHADOW)] or names
        assert outcome.models == tuple(n.partition("#")[0] for n in names)
        if not names:
            assert outcome.outcome == "ineligible"
        elif any(n in self.answers and n not in self.failures for n in deciding):
            assert outcome.outcome == "analysed"
        elif all(n in self.failures and n not in self.answers for n in deciding):
            quality = all(self.failures[n].kind == "quality" for n in deciding)
            assert outcome.outcome == ("rejected" if quality else "failed")

    @invariant()
    def no_suspicion_is_missed(self) -> None:
        """Whatever a live model suspected on images that nobody had seen has had its alert."""
        for model, slot in getattr(self, "slots", {}).items():
            told = [a for n, a in self.answers.items() if a.model == model and a.positive and n not in self.untold]
            assert bool(slot.ids) == bool(told)
            if slot.ids and not slot.stands:
                assert all(a.revision <= slot.seen or self._was_seen(a) for a in told)

    def _was_seen(self, answer: FindingMade) -> bool:
        """Somebody handled the study after this answer had its alert."""
        since = self.history[self.history.index(answer) :]
        return any(isinstance(e, StudyOpened | ReportSigned) for e in since)


def _ineligible(revision: int) -> StudyIneligible:
    return StudyIneligible(
        facts=study_facts(),
        revision=revision,
        priority="routine",
        modality="CT",
        declined=(),
        reason="no model reads it",
        first_stored_at=T0,
        last_stored_at=at(3),
    )


def _measured(said: tuple[object, ...]) -> list[str]:
    return [f"{m.model}#{m.revision}" for m in said if isinstance(m, MeasurementMade)]


TestDelivery = DeliveryMachine.TestCase
TestDelivery.settings = SHORT
