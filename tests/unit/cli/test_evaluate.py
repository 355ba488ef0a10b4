"""`wetread evaluate`: a hospital's cases in, figures out; a file that cannot be used gets a sentence."""

from __future__ import annotations

import io
import math

import pytest
import typer

from streams.cli.evaluate import judged, read
from streams.contract import Calibration

HEADER = "study,label,score,group\n"


def test_a_file_of_cases_becomes_figures():
    """Columns in any case and order, labels as words, the study as its own group where none is told."""
    rows = read(io.StringIO("Score,Label,Study\n0.9,yes,a\n0.2,no,b\n0.7,1,c\n0.4,0,d\n"), None)
    found = judged(rows, 0.5)
    assert (found["cases"], found["with_finding"], found["groups"]) == (4, 2, 4)
    assert found["figures"]["AUC"]["value"] == 1.0
    assert found["figures"]["sensitivity"]["hits"] == 2
    assert "study" not in str(found)


def test_logits_are_calibrated_as_the_contract_says():
    """1 / (1 + exp(-(a x + b))), also far out."""
    text = io.StringIO(HEADER + "a,1,2,p\nb,0,-1e9,q\n")
    rows = read(text, Calibration(a=2.0, b=-1.0))
    assert [row.score for row in rows] == [pytest.approx(1 / (1 + math.exp(-3))), pytest.approx(0, abs=1e-9)]


def test_strata_have_rows_of_their_own():
    """Each named stratum is judged alone; cases without one count in all."""
    text = "study,label,score,stratum\na,1,.9,thin\nb,0,.2,thin\nc,1,.1,thick\nd,0,.3,thick\ne,1,.9,\n"
    found = judged(read(io.StringIO(text), None), 0.5)
    assert {name: told["AUC"]["value"] for name, told in found["strata"].items()} == {"thin": 1.0, "thick": 0.0}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("study,score\na,1\n", "no column label"),
        ("", "no column study, label, score"),
        (HEADER, "no cases"),
        (HEADER + "a,1,0.5,p\n,0,0.5,q\n", "Line 3 names no study"),
        (HEADER + "a,maybe,0.5,p\n", "Line 2: the label is 'maybe'"),
        (HEADER + "a,1,high,p\n", "Line 2: the score is 'high'"),
        (HEADER + "a,1,nan,p\n", "Line 2: the score is 'nan'"),
        (HEADER + "a,1,3.2,p\n", "for logits say --raw"),
        (HEADER + "a,1,0.5,p\nb,1,0.6,q\n", "same label"),
        (HEADER + "a,1,0.5,p\nb,0,0.6,p\n", "one patient"),
    ],
)
def test_what_cannot_be_used_is_told_by_its_line(text, sentence):
    """A sentence with the line and what to write instead; the study's name is not repeated."""
    with pytest.raises(typer.BadParameter, match=sentence):
        read(io.StringIO(text), None)
