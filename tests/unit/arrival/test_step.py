"""What arrival refuses, and that it names each order once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.arrival.step import arrival
from streams.errors import EventUnreadable
from streams.events.imaging import AccessionSeen
from tests.support.stepping import Stepped
from tests.support.studies import ORDER, STUDY, slice_of, stack, stored, study_facts


@pytest.fixture
def stage():
    return Stepped(arrival())


def test_an_order_is_named_the_first_time_only(stage):
    assert stage.hear(stored(stack("1.2.1", 2))) == (AccessionSeen(order=ORDER, study=STUDY),)
    assert stage.hear(stored(stack("1.2.1", 3))) == ()


def test_a_study_without_an_order_names_none_until_one_comes(stage):
    assert stage.hear(stored(stack("1.2.1", 1), facts=study_facts(order=None))) == ()
    assert stage.hear(stored(stack("1.2.1", 2))) == (AccessionSeen(order=ORDER, study=STUDY),)


def test_orders_of_one_study_are_bounded(stage):
    for index in range(50):
        stage.hear(stored(stack("1.2.1", 1), facts=study_facts(order=f"o{index}")))
    assert len(stage.said) == 8
    assert len(stage.parts["seen"]) < 300


@pytest.mark.parametrize(
    ("event", "word"),
    [
        (stored([slice_of("1.2.1", 0)], facts=study_facts(study="1.2.9")), "another study"),
        (stored([slice_of("1.2.1", 0, instance="")]), "UID"),
        (stored([slice_of("1.2.1", 0, instance="1" * 65)]), "UID"),
        (stored([slice_of("1.2.1", 0, digest="")]), "digest"),
        (stored([]), "none is named"),
        (stored([slice_of("1.2.1", 0)], facts=study_facts(patient="")), "patient"),
    ],
)
def test_what_cannot_be_is_set_aside_with_a_reason(stage, event, word):
    stage.hear(stored(stack("1.2.1", 1)))
    before = dict(stage.parts)
    with pytest.raises(EventUnreadable, match=word):
        stage.hear(event)
    assert stage.parts == before


def test_a_uid_with_leading_zeros_is_taken(stage):
    """PS3.5 9.1 forbids them, scanners write them: no study is lost for it."""
    event = stored([slice_of("1.2.1", 0, instance="1.02.003")])
    assert stage.hear(replace(event, facts=study_facts(order=None))) == ()
