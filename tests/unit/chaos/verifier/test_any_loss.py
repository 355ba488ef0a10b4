"""Whatever is taken from a right history or altered in it, of what people rely on: the verifier notices."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.chaos.verifier.loading import load
from streams.chaos.verifier.verdict import violations
from tests.support.histories import a_day
from tests.support.history_rows import amend, body, set_head

day = cache(a_day)
RELIED_ON = (
    ("triage.alerts", "AlertRaised"),
    ("triage.outcomes", "StudyClosed"),
    ("imaging.instances", "InstancesStored"),
    ("imaging.studies", "StudyAssembled"),
    ("triage.findings", "FindingMade"),
)
OF_AN_INSTANCE = ("instance", "digest")
FREE_WORDS = {"mask", "value", "lesions", "grades", "quantities", "unit", "measure", "value_low", "value_high"}
"""Fields that nothing else on the record repeats."""


def accepted(rows) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        return not violations(load(rows.write(Path(folder))))


def rows_of(rows, topic, kind):
    return [r for r in rows.topics[topic] if ("ce_type", f"wetread.{kind}.v1") in map(tuple, r["headers"])]


def other(value):
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value.replace("2026", "2025") if value.startswith("2026-") else f"{value}0"
    if isinstance(value, list):
        return value[1:] if value else ["1.2.3"]
    return {**value, next(iter(value)): "another"}


@given(which=st.sampled_from(RELIED_ON), number=st.integers(0, 99), told=st.booleans())
@settings(max_examples=20, deadline=None)
def test_whatever_is_taken_away_is_missed(which, number, told):
    """One event less, and `why` knows of it or does not."""
    rows = day().bent()
    found = rows_of(rows, *which)
    gone = found[number % len(found)]
    rows.topics[which[0]].remove(gone)
    if not told:
        rows.untell(next(text for name, text in gone["headers"] if name == "ce_id"))
    assert not accepted(rows)


@given(data=st.data(), which=st.sampled_from(RELIED_ON[:2]), number=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_whatever_is_altered_in_an_alert_or_outcome_is_noticed(data, which, number):
    """Any field of it: everything that people are told follows from something that is on the record."""
    rows = day().bent()
    found = rows_of(rows, *which)
    row = found[number % len(found)]
    said = body(row)
    name = data.draw(st.sampled_from(sorted(said.keys() - FREE_WORDS)))
    amend(row, **{name: other(said[name])})
    assert not accepted(rows)


@given(number=st.integers(0, 99), one=st.integers(0, 99), name=st.sampled_from(OF_AN_INSTANCE))
@settings(max_examples=10, deadline=None)
def test_whatever_is_altered_in_an_instance_is_noticed(number, one, name):
    """Its UID, or the digest of its bytes."""
    rows = day().bent()
    found = rows_of(rows, "imaging.instances", "InstancesStored")
    row = found[number % len(found)]
    instances = body(row)["instances"]
    instances[one % len(instances)][name] += "0"
    amend(row, instances=instances)
    assert not accepted(rows)


@given(number=st.integers(0, 999), times=st.integers(1, 3))
@settings(max_examples=10, deadline=None)
def test_repeats_of_the_same_event_are_right(number, times):
    """At least once is what is promised."""
    rows = day().bent()
    every = [r for found in day().topics.values() for r in found]
    for _ in range(times):
        rows.repeat(every[number % len(every)])
    assert accepted(rows)


@given(number=st.integers(0, 999))
@settings(max_examples=10, deadline=None)
def test_a_repeat_that_differs_is_noticed(number):
    """By a single letter of its time."""
    rows = day().bent()
    every = [r for found in day().topics.values() for r in found]
    again = rows.repeat(every[number % len(every)])
    set_head(again, "ce_time", json.dumps(again["offset"]))
    assert not accepted(rows)
