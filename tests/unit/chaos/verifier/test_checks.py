"""Each promise is held by its own check: the least bending of a right history is reported by exactly that one."""

from __future__ import annotations

from functools import cache

import pytest

from streams.chaos.verifier.loading import load
from streams.chaos.verifier.verdict import CHECKS, LAWS, violations
from tests.support.bends import ALERTS, BENT, LATE, OUTCOMES, PLACES, PLAIN, READ, letter_of, poison
from tests.support.histories import a_day
from tests.support.history_rows import Rows, body, head
from tests.support.studies import at

day = cache(a_day)


def broken(rows: Rows, folder) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for violation in violations(load(rows.write(folder))):
        found.setdefault(violation.check, []).append(violation.sentence)
    return found


@pytest.mark.parametrize("leaving", [False, True])
def test_a_right_history_is_accepted(leaving, tmp_path):
    """Every check finds nothing in what the flow itself said; repeats of events are right too."""
    rows = day(leaving=leaving).bent()
    rows.repeat(rows.find(ALERTS, "AlertRaised", LATE))
    rows.repeat(rows.find(OUTCOMES, "StudyClosed", PLAIN))
    rows.repeat(rows.find(PLACES, "PlaceChanged", READ))
    assert broken(rows, tmp_path) == {}


def test_what_was_let_go_may_have_left_the_store(tmp_path):
    """Its images are in nobody's way any more; those of the others are all there."""
    rows = day(leaving=True).bent()
    (row,) = [row for row in rows.topics["imaging.instances"] if head(row, "ce_type") == "wetread.StudyLetGo.v1"]
    assert row["key"] == READ
    ours = {one["instance"] for study in rows.studies if study["study"] == READ for one in study["instances"]}
    rows.objects = [one for one in rows.objects if one["instance"] not in ours]
    assert broken(rows, tmp_path / "after") == {}
    rows.topics["imaging.instances"].remove(row)
    assert broken(rows, tmp_path / "without").keys() == {"stored", "why"}


def test_every_check_says_its_law():
    """The table shows what each check holds; none is without words."""
    assert all(LAWS[name].endswith(".") for name in CHECKS)


def test_every_check_is_bent():
    """No check is without a history that it must find."""
    assert BENT.keys() == CHECKS.keys()


@pytest.mark.parametrize(("check", "bend"), [pytest.param(c, b, id=b.__name__) for c, bs in BENT.items() for b in bs])
def test_a_bent_history_is_reported_by_exactly_its_check(check, bend, tmp_path):
    """One thing is wrong, one check says so."""
    rows = day(leaving=check == "letgo").bent()
    bend(rows)
    assert list(found := broken(rows, tmp_path)) == [check], found


def test_a_poison_event_that_was_set_aside_breaks_nothing(tmp_path):
    """Bad events are none of the flow's; their letters hold their bytes."""
    rows = day().bent()
    rows.topics["triage.deadletters"].append(letter_of(poison(rows)))
    assert broken(rows, tmp_path) == {}


def test_nobody_needs_to_be_told_of_a_revision_that_was_replaced(tmp_path):
    """Its answer comes whenever it comes: since a newer one stands in its place, nobody waits for it."""
    rows = day().bent()
    row = rows.find("triage.findings", "ReadingAnswered", LATE)
    assert body(row)["revision"] == 1
    row["timestamp"] = round(at(1500).timestamp() * 1000)
    assert "waits" not in broken(rows, tmp_path)


def test_a_study_that_is_bad_in_the_end_may_have_been_read_before(tmp_path):
    """Without its bad image it has an answer; with it, any answer is another study's."""
    rows = day().bent()
    sent = next(study for study in rows.studies if study["study"] == LATE)
    rows.drop("triage.findings", "ReadingAnswered", LATE, 1)
    sent["expected"]["outcome"] = "rejected"
    assert "mixing" not in broken(rows, tmp_path / "before")
    rows = day().bent()
    next(study for study in rows.studies if study["study"] == LATE)["expected"]["outcome"] = "rejected"
    assert "mixing" in broken(rows, tmp_path / "in the end")
