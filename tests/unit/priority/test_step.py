"""By when a study is to be read, and why: what shortens a wait, what never lengthens it, what people say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events.imaging import PriorityChanged, StudyIneligible
from streams.events.telling import PlaceChanged
from streams.events.watching import PriorityOverridden, ReportSigned, StudyOpened
from streams.priority.step import priority
from tests.support.stepping import Stepped
from tests.support.studies import STUDY, T0, WAITING, at, failure, found, routed, study_facts, timer

OPENED, SIGNED = StudyOpened(study=STUDY, by="anna"), ReportSigned(study=STUDY, by="anna")


def says(value):
    return PriorityOverridden(study=STUDY, by="anna", priority=value)


@pytest.fixture
def stage():
    return Stepped(priority(WAITING))


def place(driven) -> PlaceChanged:
    return driven.said[-1]


def wait(driven) -> float:
    return (place(driven).read_by - T0).total_seconds()


def sentences(driven):
    return [r.sentence for r in place(driven).reasons]


def ineligible(revision=1):
    return StudyIneligible(
        facts=study_facts(),
        revision=revision,
        priority="urgent",
        modality="CT",
        declined=(),
        reason="no model reads it: series 1: scout (localizer)",
        first_stored_at=T0,
        last_stored_at=at(1),
    )


@pytest.mark.parametrize(("order", "seconds"), [("stat", 1800), ("urgent", 3600), ("routine", 86400)])
def test_a_routed_study_waits_as_long_as_its_class_allows(stage, order, seconds):
    stage.hear(routed(priority=order))
    assert place(stage).read_by == T0 + timedelta(seconds=seconds)
    assert (place(stage).state, place(stage).arrived_at) == ("waiting", T0)
    assert sentences(stage) == [f"order: {order}"]


def test_a_study_without_an_order_says_so(stage):
    stage.hear(routed(facts=study_facts(order=None)))
    assert sentences(stage) == ["no order: routine"]


def test_a_suspicion_shortens_the_wait_and_explains_itself(stage):
    stage.hear(routed())
    stage.hear(found(0.93), 20)
    assert wait(stage) == 300
    assert sentences(stage) == ["intracranial haemorrhage suspected (0.93) at 10:37 UTC", "order: routine"]


def test_it_never_lengthens_one(stage):
    """A stat order whose time is shorter than a finding's keeps it."""
    waits = WAITING.__class__(by_priority=WAITING.by_priority, by_finding={found().name: 7200}, no_ai_after_s=120)
    driven = Stepped(priority(waits))
    driven.hear(routed(priority="stat"))
    driven.hear(found())
    assert wait(driven) == 1800


@pytest.mark.parametrize("event", [found(0.1), found(0.93, name="mass")])
def test_what_has_no_wait_of_its_own_moves_nothing(stage, event):
    stage.hear(routed())
    stage.hear(event)
    assert wait(stage) == 86400


def test_a_negative_finding_says_nothing_new(stage):
    stage.hear(routed())
    assert stage.hear(found(0.1)) == ()


def test_a_shadow_model_adds_a_reason_and_moves_nobody(stage):
    stage.hear(routed())
    stage.hear(found(0.99, model="new", role="shadow"))
    assert wait(stage) == 86400
    assert sentences(stage)[-1].startswith("shadow model new: intracranial haemorrhage suspected (0.99)")


def test_a_later_negative_revision_takes_nothing_back(stage):
    stage.hear(routed())
    stage.hear(found(0.93))
    stage.hear(routed(revision=2))
    stage.hear(found(0.2, revision=2))
    assert wait(stage) == 300
    assert sentences(stage)[0].endswith("in revision 1, not in revision 2")


def test_the_order_of_a_study_may_become_known_later(stage):
    stage.hear(routed())
    stage.hear(PriorityChanged(study=STUDY, priority="stat"))
    assert (wait(stage), place(stage).priority) == (1800, "stat")


def test_an_ineligible_study_waits_in_its_class(stage):
    stage.hear(ineligible())
    assert wait(stage) == 3600
    assert sentences(stage)[-1] == "no model reads it: series 1: scout (localizer)"
    assert "priority.no-ai" not in stage.timers


class TestNoAnswer:
    def test_a_failed_reading_is_shown_and_never_as_a_negative(self, stage):
        stage.hear(routed())
        stage.hear(failure("quality"))
        assert wait(stage) == 86400
        assert sentences(stage)[-1] == "no AI result: Gap of 20 mm."
        assert stage.timers == {}, "nothing is awaited any more"

    def test_a_failure_that_was_final_stays_so(self, stage):
        """A second lane that still tries does not take it back; an answer does."""
        stage.hear(routed())
        stage.hear(failure("quality"))
        assert stage.hear(failure(final=False)) == ()
        stage.hear(found(0.1))
        assert sentences(stage) == ["order: routine"]

    def test_one_that_is_tried_again_says_so_and_an_answer_clears_it(self, stage):
        stage.hear(routed())
        stage.hear(failure(final=False))
        assert sentences(stage)[-1] == "no AI result yet, it is tried again: The decoder crashed."
        stage.hear(found(0.1))
        assert sentences(stage) == ["order: routine"]

    def test_a_late_answer_is_shown_as_missing_until_it_comes(self, stage):
        stage.hear(routed(), 3)
        assert stage.due("no-ai") == 123
        assert stage.hear(timer("no-ai", "priority"), 122) == ()
        stage.hear(timer("no-ai", "priority"), 123)
        assert sentences(stage)[-1] == "no AI result yet"
        stage.hear(found(0.1))
        assert sentences(stage) == ["order: routine"]

    def test_an_answer_in_time_cancels_the_timer(self, stage):
        stage.hear(routed())
        stage.hear(found(0.1))
        assert stage.timers == {}

    def test_a_failing_shadow_model_is_nothing_to_people(self, stage):
        stage.hear(routed(shadows=("new",)))
        assert stage.hear(failure(model="new", role="shadow")) == ()

    def test_nor_is_one_that_is_late(self, stage):
        """Once the live models have answered, nothing is missing to anybody."""
        stage.hear(routed(shadows=("new",)))
        stage.hear(found(0.1))
        assert stage.timers == {}
        assert stage.hear(timer("no-ai", "priority"), 500) == ()

    def test_other_stages_timers_are_not_ours(self, stage):
        stage.hear(routed())
        assert stage.hear(timer("no-ai", "delivery"), 500) == ()

    def test_a_revision_that_rests_on_an_earlier_reading_awaits_that_one(self, stage):
        stage.hear(routed())
        stage.hear(routed(revision=2, read_in=1), 10)
        assert stage.due("no-ai") == 130
        stage.hear(found(0.1))
        assert stage.timers == {}


class TestPeople:
    def test_an_override_stands_in_the_orders_stead(self, stage):
        stage.hear(routed())
        stage.hear(says("stat"))
        assert (wait(stage), place(stage).priority, sentences(stage)) == (1800, "stat", ["anna says stat"])
        stage.hear(PriorityChanged(study=STUDY, priority="urgent"))
        assert wait(stage) == 1800

    def test_it_wins_over_what_the_models_had_said(self, stage):
        stage.hear(routed())
        stage.hear(found(0.93))
        stage.hear(says("routine"))
        assert wait(stage) == 86400
        assert any("suspected" in s for s in sentences(stage)), "it moves nothing, and is still told"

    def test_the_same_answer_again_does_not_undo_that(self, stage):
        stage.hear(routed())
        stage.hear(found(0.93))
        stage.hear(says("routine"))
        assert stage.hear(found(0.93), 60) == ()

    def test_but_not_over_what_they_find_afterwards(self, stage):
        """Whoever said it could not know."""
        stage.hear(routed())
        stage.hear(says("routine"))
        stage.hear(found(0.93))
        assert wait(stage) == 300

    @pytest.mark.parametrize(("event", "state"), [(OPENED, "opened"), (SIGNED, "read")])
    def test_opened_or_read_is_off_the_list(self, stage, event, state):
        stage.hear(routed())
        stage.hear(event)
        assert place(stage).state == state

    def test_a_read_study_is_not_opened_again(self, stage):
        stage.hear(routed())
        stage.hear(SIGNED)
        assert stage.hear(OPENED) == ()

    def test_a_late_answer_on_the_images_that_were_read_leaves_it_off(self, stage):
        stage.hear(routed())
        stage.hear(SIGNED)
        stage.hear(found(0.93))
        assert place(stage).state == "read"

    @pytest.mark.parametrize("event", [OPENED, SIGNED])
    def test_a_suspicion_on_images_that_nobody_saw_puts_it_back(self, stage, event):
        """A bleed on the late slices of a study that is read must not be missed."""
        stage.hear(routed())
        stage.hear(event)
        stage.hear(routed(revision=2))
        assert place(stage).state != "waiting"
        stage.hear(found(0.93, revision=2))
        assert (place(stage).state, wait(stage)) == ("waiting", 300)

    @pytest.mark.parametrize("event", [found(0.1, revision=2), found(0.99, revision=2, role="shadow")])
    def test_nothing_else_does(self, stage, event):
        stage.hear(routed())
        stage.hear(SIGNED)
        stage.hear(routed(revision=2))
        stage.hear(event)
        assert place(stage).state == "read"


def test_the_listing_follows_the_place():
    stage = priority(WAITING)
    waiting = stage.step({}, routed(), T0)
    assert waiting.listing.read_by == T0 + timedelta(seconds=86400)
    assert stage.step(waiting.changes, SIGNED, T0).listing.read_by is None
    assert stage.step(waiting.changes, found(0.1), T0).listing is None


def test_the_same_again_says_nothing(stage):
    for event in (routed(), found(0.93), says("stat")):
        assert len(stage.hear(event)) == 1
        assert stage.hear(event) == ()


EVENTS = [
    routed(),
    routed(revision=2),
    found(0.93),
    found(0.4, revision=2),
    found(0.7, model="new", role="shadow"),
    failure(model="third"),
    PriorityChanged(study=STUDY, priority="urgent"),
]


@given(st.permutations(EVENTS), st.lists(st.sampled_from(EVENTS), max_size=4))
@settings(max_examples=100, deadline=None)
def test_the_place_hangs_on_what_is_known_not_on_the_order_in_which_it_came(events, again):
    """Findings may come before the study is routed, revisions may overtake each other, all may come twice."""
    driven = Stepped(priority(WAITING))
    for event in [*events, *again]:
        driven.hear(event)
    assert place(driven).revision == 2
    assert wait(driven) == 300
    assert sentences(driven)[:2] == [
        "intracranial haemorrhage suspected (0.93) at 10:37 UTC in revision 1, not in revision 2",
        "order: urgent",
    ]


@given(st.permutations(EVENTS))
@settings(max_examples=100, deadline=None)
def test_no_event_but_a_persons_lengthens_a_wait(events):
    driven = Stepped(priority(WAITING))
    for event in [e for e in events if not isinstance(e, PriorityChanged)]:
        driven.hear(event)
    times = [p.read_by for p in driven.said]
    assert times == sorted(times, reverse=True)
