"""`wetread evaluate`: a hospital's cases in, figures out; a file that cannot be used gets a sentence."""

from __future__ import annotations

import io
import json
import math
from shutil import copytree, ignore_patterns

import pytest
import typer
from typer.testing import CliRunner

from streams.cli.evaluate import judged, read, register
from streams.contract import Calibration
from tests.structure.sources import ROOT

HEADER = "study,label,score,group\n"


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The verb on a file of four cases, with one model; its exit code and what it printed."""
    copytree(ROOT / "triton_models/ich_ct", tmp_path / "models/ich_ct", ignore=ignore_patterns("*.onnx"))
    monkeypatch.setenv("WETREAD_MODELS", str(tmp_path / "models"))
    file = tmp_path / "cases.csv"
    file.write_text(HEADER + "a,1,0.9,p\nb,0,0.2,q\nc,1,0.45,r\nd,0,0.4,s\n")
    app = typer.Typer()
    register(app)
    app.command("other")(lambda: None)  # typer runs a lone command without its name

    def run(*words: str):
        return CliRunner().invoke(app, ["evaluate", *words, "--cases", str(file)])

    return run


def test_the_verb_takes_the_models_threshold_or_another(asked):
    """Both are told in the document; a figure of them is that of the threshold."""
    told = json.loads(asked("ich_ct", "--json").stdout)
    other = json.loads(asked("ich_ct", "--json", "--threshold", "0.95").stdout)
    assert (told["model"], told["cases"]) == ("ich_ct", 4)
    assert 0 < told["threshold"] < 1
    assert (other["threshold"], other["figures"]["sensitivity"]["hits"]) == (0.95, 0)


def test_the_verb_prints_a_table_for_people(asked):
    """Value and interval of each figure, and how far probabilities hold."""
    shown = asked("ich_ct")
    assert shown.exit_code == 0
    for word in ("AUC", "sensitivity", "1.000", "95 % interval", "How often the finding was there", "4 patients"):
        assert word in shown.stdout


def test_a_model_that_is_not_there_is_told_with_those_that_are(asked):
    """A slip of the pen costs no search."""
    shown = asked("ich-ct")
    assert shown.exit_code == 2
    assert "ich_ct" in shown.output


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
