"""Each answer is that of the version which it names; a swap behind a reader's back is told."""

from __future__ import annotations

from functools import cache

import pytest

from streams.chaos.verifier.loading import load
from streams.chaos.verifier.verdict import violations
from tests.support.histories import SLOPE, a_day
from tests.support.history_rows import Rows, amend, body, uid

day = cache(a_day)
OTHER, FACTOR = "2.0.0", 1.5


def told(rows: Rows, folder) -> list[str]:
    """What is broken of versions."""
    return [v.sentence for v in violations(load(rows.write(folder))) if v.check == "mixing"]


@pytest.fixture
def rows() -> Rows:
    """A day with two versions known, of which the first answered everything."""
    made = day().bent()
    answered = body(made.find("triage.findings", "ReadingAnswered", uid(2)))
    version = answered["model_version"]
    made.plan["score"]["slopes"] = {version: SLOPE, OTHER: SLOPE * FACTOR}
    made.plan["model"]["digests"] = {version: answered["model_digest"], OTHER: "d2"}
    return made


def test_the_version_that_answered_is_named(rows, tmp_path):
    """Nothing is broken."""
    assert told(rows, tmp_path) == []


def test_an_answer_under_another_versions_name_is_told(rows, tmp_path):
    """With whose answer it is: the reader held the contract of before, other weights answered."""
    row = rows.find("triage.findings", "ReadingAnswered", uid(2))
    amend(row, study_logit=body(row)["study_logit"] * FACTOR)
    (sentence,) = told(rows, tmp_path)
    assert sentence.endswith(f"and is the answer of {OTHER}")


def test_an_answer_of_the_other_version_under_its_own_name_is_right(rows, tmp_path):
    """As long as the finding names it too."""
    row = rows.find("triage.findings", "ReadingAnswered", uid(2))
    amend(row, study_logit=body(row)["study_logit"] * FACTOR, model_version=OTHER, model_digest="d2")
    finding = rows.find("triage.findings", "FindingMade", uid(2))
    (sentence,) = told(rows, tmp_path / "finding")
    assert "the finding names" in sentence
    amend(finding, model_version=OTHER)
    assert told(rows, tmp_path / "both") == []


def test_a_digest_of_another_version_is_told(rows, tmp_path):
    """Who asks for the model by its digest must find the one that answered."""
    amend(rows.find("triage.findings", "ReadingAnswered", uid(2)), model_digest="d2")
    (sentence,) = told(rows, tmp_path)
    assert "digest" in sentence
