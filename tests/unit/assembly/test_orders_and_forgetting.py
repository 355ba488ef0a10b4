"""What else a study remembers: its order's priority, and when it forgets all."""

from __future__ import annotations

import pytest

from streams.assembly.step import assembly
from streams.events.imaging import OrderMatched, PriorityChanged, StudyAssembled
from tests.support.stepping import Stepped
from tests.support.studies import (
    ASSEMBLY,
    ORDER,
    STUDY,
    released,
    series_facts,
    slice_of,
    stack,
    stored,
    timer,
)

THICK, THIN = "1.2.1", "1.2.2"


@pytest.fixture
def stage():
    return Stepped(assembly(ASSEMBLY, "routine"))


def one(says) -> StudyAssembled:
    """The one revision among what was said."""
    (found,) = [s for s in says if isinstance(s, StudyAssembled)]
    return found


class TestOrders:
    def test_an_order_before_the_first_revision_is_in_it(self, stage):
        stage.hear(stored(stack(THICK)))
        assert stage.hear(OrderMatched(study=STUDY, order=ORDER, priority="stat")) == ()
        assert one(stage.hear(released({THICK: 28}))).priority == "stat"

    def test_an_order_after_it_changes_the_priority_once(self, stage):
        stage.hear(stored(stack(THICK)))
        assert one(stage.hear(released({THICK: 28}))).priority == "routine"
        order = OrderMatched(study=STUDY, order=ORDER, priority="stat")
        assert stage.hear(order) == (PriorityChanged(study=STUDY, priority="stat"),)
        assert stage.hear(order) == ()

    def test_of_two_orders_the_more_urgent_counts(self, stage):
        stage.hear(stored(stack(THICK)))
        stage.hear(OrderMatched(study=STUDY, order="o1", priority="stat"))
        stage.hear(OrderMatched(study=STUDY, order="o2", priority="routine"))
        assert one(stage.hear(released({THICK: 28}))).priority == "stat"


class TestForgetting:
    @pytest.fixture
    def forgotten(self, stage):
        stage.hear(stored(stack(THICK)))
        stage.hear(released({THICK: 28}))
        assert stage.due("forget") == 3600
        stage.hear(timer("forget"), 3600)
        return stage

    def test_instances_go_and_the_study_stays(self, forgotten):
        assert sorted(forgotten.parts) == [f"series:{THICK}", "study"]

    def test_a_timer_that_images_have_overtaken_forgets_nothing(self, stage):
        stage.hear(stored(stack(THICK)))
        stage.hear(released({THICK: 28}))
        stage.hear(stored([slice_of(THICK, 28)], association="B"), 100)
        stage.hear(timer(f"quiet:{THICK}"), 102)
        stage.hear(timer("forget"), 3600)
        assert len([n for n in stage.parts if n.startswith("instance:")]) == 29

    def test_the_same_series_again_makes_no_revision(self, forgotten):
        """A study sent again weeks later, as a prior, is the same study."""
        forgotten.hear(stored(stack(THICK), association="B"), 9000)
        assert forgotten.hear(released({THICK: 28}, "B"), 9001) == ()

    def test_another_series_makes_one_that_still_holds_the_first(self, forgotten):
        forgotten.hear(stored(stack(THIN, 40, 1.0), series_facts(THIN, number=3), association="B"), 9000)
        made = one(forgotten.hear(released({THIN: 40}, "B"), 9001))
        assert (made.revision, made.changed, [s.count for s in made.series]) == (2, (THIN,), [28, 40])

    def test_images_that_come_later_stand_alone_and_say_so(self, forgotten):
        forgotten.hear(stored([slice_of(THICK, i) for i in (28, 29)], association="B"), 9000)
        (series,) = one(forgotten.hear(released({THICK: 2}, "B"), 9001)).series
        assert series.count == 2
        assert "let go" in series.faults[0]
