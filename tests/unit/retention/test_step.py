"""When a study has ended, when it is kept no longer, and that nothing open ever leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.events.imaging import TimerFired
from streams.events.telling import AlertClosed, AlertRaised, PlaceChanged
from streams.events.watching import StudyClosed, StudyLetGo
from streams.policy import FOR_EVER, RetentionPolicy
from streams.retention.step import retention
from streams.stage import LAST
from tests.support.examples import example
from tests.support.stepping import Stepped
from tests.support.studies import STUDY, at, routed

DAY = 86_400.0
POLICY = RetentionPolicy(ended_days=30, remembered_days=60, orders_days=400)
DUE = TimerFired(key=STUDY, stage="retention", name="leave")


def place(state):
    return replace(example(PlaceChanged), study=STUDY, state=state)


def closed(revision=1):
    return replace(example(StudyClosed), study=STUDY, revision=revision)


def raised(alert="a"):
    return replace(example(AlertRaised), study=STUDY, alert=alert)


def seen(alert="a"):
    return replace(example(AlertClosed), study=STUDY, alert=alert)


@pytest.fixture
def stage():
    return Stepped(retention(POLICY))


@pytest.fixture
def ended(stage):
    """Routed, ended as analysed, alerted and read within nine seconds."""
    for second, event in enumerate([routed(), place("waiting"), raised(), closed(), seen(), place("read")], start=4):
        stage.hear(event, second)
    return stage


def test_an_ended_study_leaves_after_its_days(ended):
    """Once: with the number of its newest revision, and when it ended."""
    assert ended.due("leave") == 9 + 30 * DAY
    assert ended.hear(DUE, 9 + 30 * DAY) == (StudyLetGo(study=STUDY, revision=1, ended_at=at(9)),)
    assert ended.due(LAST) == 9 + 90 * DAY


@pytest.mark.parametrize(
    "opens",
    [routed(2), raised("b"), place("waiting"), place("opened")],
    ids=["a revision", "an alert", "back on the list", "opened again"],
)
def test_what_is_open_again_stays(ended, opens):
    """Its timer goes; one that is under way already finds it open."""
    ended.hear(opens, 20 * DAY)
    assert ended.due("leave") is None
    assert ended.hear(DUE, 9 + 30 * DAY) == ()
    assert ended.parts


@pytest.mark.parametrize("left_out", range(5))
def test_only_what_has_ended_in_every_way_has_ended(stage, left_out):
    """Read without an outcome, with an alert that nobody saw, or not read at all: it is open."""
    events = [routed(), closed(), raised(), seen(), place("read")]
    for event in events[:left_out] + events[left_out + 1 :]:
        stage.hear(event)
    assert (stage.due("leave") is not None) == (left_out in (2, 3) and events[left_out] != seen())


def test_days_are_counted_from_its_last_end(ended):
    """A second revision that is analysed and read begins them anew; what changes nothing does not."""
    ended.hear(place("read"), 5 * DAY)
    ended.hear(closed(), 6 * DAY)
    assert ended.due("leave") == 9 + 30 * DAY
    ended.hear(routed(2), 20 * DAY)
    ended.hear(closed(2), 21 * DAY)
    assert ended.due("leave") == 51 * DAY


def test_zero_is_for_ever():
    """Nothing of it is due."""
    stage = Stepped(retention(FOR_EVER))
    for event in (routed(), closed(), place("read")):
        stage.hear(event)
    assert stage.due("leave") is None
    assert stage.hear(DUE, 10_000 * DAY) == ()


def test_a_longer_policy_counts_for_those_that_have_ended(ended):
    """What was set under the shorter one waits on."""
    longer = Stepped(retention(replace(POLICY, ended_days=100)))
    longer.parts, longer.timers = ended.parts, ended.timers
    assert longer.hear(DUE, 9 + 30 * DAY) == ()
    assert longer.due("leave") == 9 + 100 * DAY


def test_a_study_that_comes_back_is_not_forgotten(ended):
    """Its last timer is cancelled by its next revision."""
    ended.hear(DUE, 9 + 30 * DAY)
    ended.parts.clear()
    ended.hear(routed(2), 40 * DAY)
    assert ended.due(LAST) is None


def test_a_study_whose_routing_was_not_heard_stays(stage):
    """It came before this stage did: what is open of it is not known."""
    for event in (closed(), place("read"), DUE):
        assert stage.hear(event, 40 * DAY) == ()
    assert stage.parts == {}


EVENTS = [routed(1), routed(2), closed(1), closed(2), raised("a"), raised("b"), seen("a"), seen("b")]
EVENTS += [place("waiting"), place("opened"), place("read"), DUE]


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.sampled_from([0.0, 1.0, 31 * DAY])), max_size=30))
def test_nothing_open_is_let_go(history):
    """In any order: by what was heard since it was last let go, a study that is let go was over, and long enough."""
    stage, now = Stepped(retention(POLICY)), 0.0
    revisions, outcomes, alerts, read, since = set(), set(), set(), "waiting", 0.0
    for event, gap in history:
        now += gap
        match event:
            case StudyClosed():
                outcomes |= {event.revision} & revisions if stage.parts else set()
            case AlertRaised():
                alerts |= {event.alert} if stage.parts else set()
            case AlertClosed():
                alerts -= {event.alert}
            case PlaceChanged():
                read = event.state if stage.parts else read
            case TimerFired():
                pass
            case _:
                revisions |= {event.revision} if event.revision > max(revisions, default=0) else set()
        over = bool(revisions) and revisions <= outcomes and not alerts and read == "read"
        since = since if over and since else (now if over else 0.0)
        if stage.hear(event, now):
            assert over
            assert now - since >= 30 * DAY - 1
            stage.parts.clear()
            revisions, outcomes, alerts, read, since = set(), set(), set(), "waiting", 0.0
