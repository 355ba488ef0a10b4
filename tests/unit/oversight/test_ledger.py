"""One line per study: what arrived, how each revision ended, who stands where; repeats count once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from streams.events import imaging, reading, telling, watching
from streams.events.envelope import Envelope
from streams.events.identifiers import named_id
from streams.oversight.ledger import Ledger
from tests.flow.test_whole_studies import a_day, play
from tests.support.examples import TIME, example
from tests.support.studies import assembled, found, stack, stored, study_facts, summary


def heard(*events: object, at: datetime = TIME) -> Ledger:
    """A ledger that has taken these events, each with an id of its own."""
    ledger = Ledger()
    for number, event in enumerate(events):
        name = named_id("ledger", str(number), repr(event))
        ledger.take("topic", Envelope(id=name, time=TIME, key="k", data=event), at)
    return ledger


def closed(revision: int = 1, study: str = "1.2.840.1") -> watching.StudyClosed:
    return replace(example(watching.StudyClosed), study=study, revision=revision, outcome="analysed")


def place(study: str, minutes: int, state: str = "waiting") -> telling.PlaceChanged:
    made = example(telling.PlaceChanged)
    return replace(made, study=study, read_by=TIME + timedelta(minutes=minutes), state=state)


@pytest.fixture(scope="module")
def day() -> tuple[Ledger, int]:
    """A recorded day with every kind of end, taken twice as after a crash; and how often it was taken anew."""
    ledger, anew = Ledger(), 0
    flow = play(a_day())
    for _ in range(2):
        for topic, envelopes in flow.records.items():
            anew += sum(ledger.take(topic, envelope, envelope.time) for envelope in envelopes)
    return ledger, anew


def test_every_study_of_a_day_is_settled(day: tuple[Ledger, int]) -> None:
    """When all has been heard, each study has one outcome for each revision."""
    ledger, _anew = day
    assert {study: line.outcome.outcome for study, line in ledger.lines.items() if line.outcome} == {
        "1": "analysed", "2": "analysed", "3": "rejected", "4": "failed", "5": "ineligible",
        "6": "ineligible", "7": "analysed", "8": "analysed", "9": "analysed",
    }  # fmt: skip
    assert all(line.settled and line.whole for line in ledger.lines.values())
    assert ledger.lines["8"].revision == 2


def test_repeats_are_passed_over(day: tuple[Ledger, int]) -> None:
    """An event that comes again changes nothing: one outcome each, one measurement each."""
    ledger, _anew = day
    assert all(len(ends) == 1 for line in ledger.lines.values() for ends in line.outcomes.values())
    assert all(len(line.alerts) <= 1 for line in ledger.lines.values())
    assert len(ledger.lines["1"].measurements) <= 1


def test_the_worklist_is_in_the_order_of_read_by_times() -> None:
    """The earliest read-by time is place 1; what is opened or read has none."""
    ledger = heard(place("late", 60), place("first", 5), place("read", 1, "read"), place("between", 30))
    assert [line.study for line in ledger.worklist()] == ["first", "between", "late"]
    assert [ledger.place_of(s) for s in ("first", "between", "late", "read", "unknown")] == [1, 2, 3, None, None]


def test_two_outcomes_of_one_revision_are_seen() -> None:
    """A broken promise is not settled."""
    arrived = (stored(stack("1.2.1")), assembled(summary()))
    assert heard(*arrived, closed()).line("1.2.840.1").settled
    assert not heard(*arrived, closed(), replace(closed(), outcome="failed")).line("1.2.840.1").settled


def test_an_outcome_that_is_ahead_of_its_answer_is_not_whole() -> None:
    """Topics are read side by side: a row that is printed then has no finding, and no alert."""
    end = replace(closed(), models=("ich",), alerts=())
    assert not heard(end).line("1.2.840.1").whole
    assert heard(end, found(0.2, 1)).line("1.2.840.1").whole
    assert heard(found(0.2, 1), end).line("1.2.840.1").whole
    assert not heard(found(0.2, 2), end).line("1.2.840.1").whole
    failure = replace(example(reading.ReadingFailed), study="1.2.840.1", revision=1, model="ich")
    assert heard(end, replace(failure, final=True)).line("1.2.840.1").whole
    assert not heard(end, replace(failure, final=False)).line("1.2.840.1").whole
    raised = replace(example(telling.AlertRaised), study="1.2.840.1")
    named = replace(end, models=(), alerts=(raised.alert,))
    assert not heard(named).line("1.2.840.1").whole
    assert heard(named, raised).line("1.2.840.1").whole


def test_a_study_with_images_in_no_revision_is_open() -> None:
    """What was stored must be in a revision before the study counts as ended."""
    more = stored(stack("1.2.1", 29))
    line = heard(stored(stack("1.2.1")), assembled(summary()), closed(), more).line("1.2.840.1")
    assert line.outcome is not None
    assert not line.settled
    assert not heard(stored(stack("1.2.1"))).line("1.2.840.1").settled


def test_the_outcome_is_the_newest_revisions() -> None:
    """An earlier revision's end does not stand for a later one."""
    line = heard(closed(1), assembled(summary(), revision=2)).line("1.2.840.1")
    assert line.outcome is None
    assert not line.settled


def test_findings_are_the_newest_of_each_model() -> None:
    """A later revision's finding replaces the earlier one of the same model only."""
    line = heard(found(0.2, 2), found(0.9, 1), found(0.4, 1, "other")).line("1.2.840.1")
    assert {(f.model, f.score) for f in line.newest_findings} == {("ich", 0.2), ("other", 0.4)}


def test_the_time_to_an_alert_is_from_last_slice_to_kafka() -> None:
    """By the time that Kafka wrote the first alert, not by ours."""
    alert = replace(example(telling.AlertRaised), study="1.2", last_stored_at=TIME)
    assert heard(alert, at=TIME + timedelta(seconds=2.5)).line("1.2").seconds_to_alert == 2.5
    assert heard(closed(study="1.2")).line("1.2").seconds_to_alert is None


def test_an_object_leads_to_its_study() -> None:
    """A file given to the folder is known again by its digest."""
    slices = stack("1.2.1", 3)
    ledger = heard(stored(slices, facts=study_facts(study="7.7")))
    assert {ledger.studies_of_object[i.digest] for i in slices} == {"7.7"}


def test_what_is_no_study_is_not_taken() -> None:
    """The ledger says so when an event tells nothing of a study's end."""
    event = replace(example(reading.ReadingRequested), study="1.2")
    assert not Ledger().take("t", Envelope(id=named_id("x"), time=TIME, key="k", data=event), TIME)


def test_the_place_tells_the_priority_whichever_topic_is_read_first() -> None:
    """Topics are read side by side: a study's routing that is heard late does not undo what its place says."""
    routed = replace(example(imaging.StudyRouted), priority="stat")
    moved = replace(place(routed.facts.study, 5), priority="routine")
    assert heard(routed, moved).line(routed.facts.study).priority == "routine"
    assert heard(moved, routed).line(routed.facts.study).priority == "routine"
