"""Orders meet their studies whichever comes first, and again when the priority changes."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.events.imaging import AccessionSeen, OrderMatched, OrderPlaced
from streams.oversight.orders import orders
from streams.policy import RetentionPolicy
from streams.stage import LAST
from tests.support.stepping import Stepped


@pytest.fixture
def stage():
    return Stepped(orders())


def placed(priority):
    return OrderPlaced(order="o", priority=priority)


def seen(study):
    return AccessionSeen(order="o", study=study)


def matched(study, priority):
    return OrderMatched(study=study, order="o", priority=priority)


@pytest.mark.parametrize("events", list(permutations([placed("stat"), seen("1"), seen("2")])))
def test_each_study_hears_its_priority_once_in_every_order(events):
    stage = Stepped(orders())
    for event in events:
        stage.hear(event)
    assert sorted(m.study for m in stage.said) == ["1", "2"]
    assert {m.priority for m in stage.said} == {"stat"}


def test_a_changed_priority_is_said_to_every_study(stage):
    for event in (placed("routine"), seen("1"), seen("2")):
        stage.hear(event)
    assert stage.hear(placed("stat")) == (matched("1", "stat"), matched("2", "stat"))
    assert stage.hear(placed("stat")) == ()


def test_an_accession_seen_again_says_nothing(stage):
    stage.hear(seen("1"))
    assert stage.hear(seen("1")) == ()
    assert stage.hear(placed("urgent")) == (matched("1", "urgent"),)


def test_a_study_more_reads_one_part_more(stage):
    """An accession number that half the hospital uses costs no step more than another."""
    assert stage.stage.needs(seen("1")) == ("order", "study:1")


@given(st.permutations([placed("routine"), placed("stat"), seen("1"), seen("2"), seen("1")]))
def test_the_last_word_is_the_last_order(events):
    stage = Stepped(orders())
    for event in events:
        stage.hear(event)
    last = [e for e in events if isinstance(e, OrderPlaced)][-1].priority
    assert {study: [m.priority for m in stage.said if m.study == study][-1] for study in "12"} == {"1": last, "2": last}


def test_a_study_that_names_its_order_again_hears_it_again(stage):
    """It was let go, and came back: its class is that of its order."""
    stage.hear(placed("stat"))
    assert stage.hear(seen("1")) == (matched("1", "stat"),)
    assert stage.hear(seen("1")) == (matched("1", "stat"),)


def test_an_order_leaves_when_it_has_not_been_heard_of_for_long():
    """Nothing else tells that it is done; without such a policy it stays."""
    stage = Stepped(orders(RetentionPolicy(orders_days=400)))
    stage.hear(placed("stat"))
    assert stage.due(LAST) == 400 * 86_400
    stage.hear(seen("1"), 86_400)
    assert stage.due(LAST) == 401 * 86_400
    plain = Stepped(orders())
    plain.hear(placed("stat"))
    assert plain.timers == {}
