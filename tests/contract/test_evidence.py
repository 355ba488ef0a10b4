"""Every shipped card and its evidence.json: the numbers are those that `make evidence` computed of these weights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from streams.adapters.contract_files import read_model
from streams.oversight.evaluation import Groups, area
from tests.structure.sources import ROOT, committed
from training.evidence import card

MODELS = ROOT / "triton_models"
JUDGED = sorted({path.parts[1] for path in committed() if path.match("triton_models/*/contract.toml")})
INTERVAL = re.compile(r"\[(-?\d[\d.]*) ?(?:-|\u2013|to) ?(-?\d[\d.]*)\]")
MOST_BYTES = 150_000
NOT_TO_BE_SHOWN = re.compile(r"bhsd|mias|ddsm|invesalius|nyu", re.IGNORECASE)

pytestmark = pytest.mark.parametrize("model", JUDGED)


def evidence(model: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((MODELS / model / "evidence.json").read_text())
    return told


def page(model: str) -> str:
    return (MODELS / model / "card.md").read_text()


def test_the_tables_of_a_card_are_those_of_its_evidence(model):
    """Written again from evidence.json, the card is the same to the letter."""
    assert card.put(page(model), evidence(model)) == page(model)


def test_prose_gives_no_interval_that_was_not_computed(model):
    """An interval outside the tables is one of evidence.json, or of the figures.json that the model's judge wrote."""
    before, rest = page(model).split(card.BEGIN)
    said = INTERVAL.findall(before + rest.split(card.END)[1])
    known = set(_intervals(evidence(model)))
    judged = ROOT / "training" / model / "figures.json"
    known |= set(_intervals(json.loads(judged.read_text()))) if judged.exists() else set()
    strange = [f"[{low}-{high}]" for low, high in said if not any(_rounds(low, high, pair) for pair in known)]
    assert not strange


def _intervals(told: Any) -> Iterator[tuple[float, float]]:
    """Every pair of numbers: `low` and `high` of a figure, or a list of two."""
    if isinstance(told, dict):
        if "low" in told:
            yield told["low"], told["high"]
        for value in told.values():
            yield from _intervals(value)
    elif isinstance(told, list):
        if len(told) == 2 and all(isinstance(value, float) for value in told):
            yield told[0], told[1]
        for value in told:
            yield from _intervals(value)


def _rounds(low: str, high: str, pair: tuple[float, float]) -> bool:
    """Whether both texts are these numbers, rounded (or cut after a rounding before) as they are written."""
    return all(
        abs(float(text) - value) <= 0.51 * 10 ** -len(text.partition(".")[2])
        for text, value in zip((low, high), pair, strict=True)
    )


def test_evidence_is_of_these_weights_and_this_contract(model):
    """A model that was trained or set anew is judged anew: `make evidence ARGS=<model>`."""
    assert evidence(model)["digest"] == read_model(MODELS / model).digest


def test_listed_cases_give_the_figures(model):
    """Whoever has evidence.json can compute the AUC again, interval and all."""
    told = evidence(model)
    for listed in told["cases"]:
        truth = np.asarray([label == 1 for _, _, label, _ in listed["cases"]])
        if truth.all() or not truth.any():
            continue
        score = np.asarray([float(score) for *_, score in listed["cases"]])
        again = area(truth, score, Groups.of([group for _, group, _, _ in listed["cases"]]))
        row = next(r for r in told["figures"]
                   if r["about"] == listed["about"] and r["what"] == "AUC" and "stratum" not in r)  # fmt: skip
        assert row["value"] == pytest.approx(again.value, abs=2e-3)
        assert (row["low"], row["high"]) == (pytest.approx(again.low, abs=5e-3), pytest.approx(again.high, abs=5e-3))


def test_every_figure_says_of_how_many_and_on_what_data(model):
    """n, groups, and a source with its licence; a share lies in its interval."""
    told = evidence(model)
    for row in told["figures"]:
        assert row["n"] >= 1
        assert row["groups"] >= 1
        assert told["data"][row["about"]]
        if row.get("low") is not None and row.get("method") != "limits of agreement":
            assert row["low"] <= row["value"] <= row["high"]


def test_pictures_are_small_shown_and_may_be_shown(model):
    """Each listed picture is there, none else is, none over 150 kB; no sheet of data that may not be shown."""
    listed = {row["file"]: row for row in evidence(model)["pictures"]}
    there = {path.name for path in committed() if path.parent.parts == ("triton_models", model, "evidence")}
    assert there == set(listed)
    for name, row in listed.items():
        assert (MODELS / model / "evidence" / name).stat().st_size <= MOST_BYTES
        assert not (name.startswith("sheet") and NOT_TO_BE_SHOWN.search(row["data"]))
