"""A study that is let go: what goes, what stays, and that nothing open does."""

from __future__ import annotations

import pytest

from streams.assembly.state import StudySoFar
from streams.assembly.step import assembly
from streams.events.imaging import OrderMatched, StudyAssembled
from streams.events.watching import StudyLetGo
from streams.policy import RetentionPolicy
from streams.stage import LAST
from tests.support.stepping import Stepped
from tests.support.studies import ASSEMBLY, ORDER, STUDY, T0, released, series_facts, slice_of, stack, stored, timer

THICK, THIN, DAY = "1.2.1", "1.2.2", 86_400.0
POLICY = RetentionPolicy(ended_days=30, remembered_days=60)


class Leaving(Stepped):
    """As the edge does it: where a step lets go, all parts go but what it writes."""

    def _keep(self, outcome):
        if outcome.leaves:
            self.parts.clear()
        super()._keep(outcome)


@pytest.fixture
def stage():
    driven = Leaving(assembly(ASSEMBLY, "routine", POLICY))
    driven.hear(OrderMatched(study=STUDY, order=ORDER, priority="stat"))
    driven.hear(stored(stack(THICK)))
    driven.hear(released({THICK: 28}))
    driven.hear(timer("forget"), 3600)
    return driven


def let_go(revision=1):
    return StudyLetGo(study=STUDY, revision=revision, ended_at=T0)


def made(says):
    return [s.revision for s in says if isinstance(s, StudyAssembled)]


def test_all_goes_but_the_number_of_revisions_and_the_order(stage):
    """Series and facts go; after the days of remembering the rest does too."""
    assert stage.hear(let_go(), 30 * DAY) == ()
    assert sorted(stage.parts) == ["study"]
    assert stage.part("study") == StudySoFar(revision=1, orders={ORDER: "stat"})
    assert stage.due(LAST) == 90 * DAY
    assert stage.due("forget") is None


def test_what_comes_later_is_the_next_revision(stage):
    """In the class of its order, and it is not forgotten while it is there."""
    stage.hear(let_go(), 30 * DAY)
    stage.hear(stored(stack(THICK), association="B"), 40 * DAY)
    assert stage.due(LAST) is None
    (assembled,) = [s for s in stage.hear(released({THICK: 28}, "B"), 40 * DAY + 1) if isinstance(s, StudyAssembled)]
    assert (assembled.revision, assembled.priority, assembled.series[0].count) == (2, "stat", 28)


def test_a_revision_that_is_not_ended_yet_keeps_the_study(stage):
    """It was let go for its first, while a second had come."""
    stage.hear(stored(stack(THIN, 40, 1.0), series_facts(THIN, number=3), association="B"), 9000)
    assert made(stage.hear(released({THIN: 40}, "B"), 9001)) == [2]
    before = dict(stage.parts)
    stage.hear(let_go(1), 30 * DAY)
    assert stage.parts == before


def test_images_that_wait_keep_it_until_they_are_in_a_revision(stage):
    """Then whoever lets studies go hears of that revision, and says it again."""
    stage.hear(stored([slice_of(THIN, 0)], series_facts(THIN, number=3), association="B"), 30 * DAY)
    stage.hear(let_go(), 30 * DAY + 1)
    assert f"instance:{THIN}.0" in stage.parts
    assert stage.due("leave") == 30 * DAY + 1 + ASSEMBLY.longest_s
    assert made(stage.hear(timer(f"quiet:{THIN}"), 30 * DAY + 2)) == [2]
    stage.hear(timer("leave"), 30 * DAY + 61)
    assert f"series:{THIN}" in stage.parts


def test_images_that_make_no_revision_do_not_keep_it_for_ever(stage):
    """A whole series sent again is the one that it was: nobody is told of it, and it leaves by its own timer."""
    stage.hear(stored(stack(THICK), association="B"), 30 * DAY)
    stage.hear(let_go(), 30 * DAY + 1)
    assert made(stage.hear(released({THICK: 28}, "B"), 30 * DAY + 2)) == []
    stage.hear(timer("leave"), 30 * DAY + 61)
    assert sorted(stage.parts) == ["study"]


def test_it_is_let_go_once(stage):
    """Said again, or of a study that nothing is known of, it changes nothing."""
    stage.hear(let_go(), 30 * DAY)
    before, timers = dict(stage.parts), dict(stage.timers)
    stage.hear(let_go(), 31 * DAY)
    assert (stage.parts, stage.timers) == (before, timers)
    unknown = Leaving(assembly(ASSEMBLY, "routine", POLICY))
    unknown.hear(let_go(), 0)
    assert (unknown.parts, unknown.timers) == ({}, {})
