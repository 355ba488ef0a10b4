"""The figures of cards: each against a value that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evidence import card
from training.evidence.bland_altman import agree
from training.evidence.cases import (
    Agreement,
    Case,
    Detection,
    FrocScan,
    Graded,
    Grading,
    Mark,
    MaskPair,
    Overlap,
    Pair,
    Picture,
    Ranking,
)
from training.evidence.dice import dice, hausdorff_95, overlap
from training.evidence.figure import Figure, plain
from training.evidence.froc import curve, detect
from training.evidence.grading import grade
from training.evidence.roc import curve as roc_curve
from training.evidence.roc import rank
from training.evidence.sheet import chosen


def case(name: str, *, label: bool, score: float, stratum: str = "") -> Case:
    return Case(name=name, group=name, label=label, score=score, stratum=stratum, picture=lambda: Picture(grey=None))


def ranking(*cases: Case) -> Ranking:
    return Ranking(about="heads", data="made here", cases=cases, threshold=0.5)


def by_name(rows: list[Figure], stratum: str = "") -> dict[str, Figure]:
    return {row.what: row for row in rows if row.stratum == stratum}


def test_a_stratum_is_judged_against_all_cases_without_the_finding():
    """Thin bleeds: their sensitivity, and their AUC against every head without a bleed."""
    rows = rank(ranking(
        case("a", label=True, score=0.9, stratum="thick"), case("b", label=True, score=0.4, stratum="thin"),
        case("c", label=False, score=0.5), case("d", label=False, score=0.1),
    ))  # fmt: skip
    thin = by_name(rows, "thin")
    assert (thin["AUC"].value, thin["AUC"].n, thin["sensitivity"].hits) == (0.5, 3, 0)
    assert set(thin) == {"AUC", "sensitivity"}
    assert by_name(rows)["AUC"].value == 0.75


def test_a_score_that_is_no_number_is_refused_by_name():
    """No figure is made of what the model did not say."""
    with pytest.raises(ValueError, match="score of b is no number"):
        rank(ranking(case("a", label=True, score=0.9), case("b", label=False, score=float("nan"))))


def test_the_roc_curve_ends_where_all_are_called():
    """From nobody called to everybody called; equal scores are one step."""
    points = roc_curve(np.asarray([True, False, True, False]), np.asarray([0.9, 0.9, 0.2, 0.1]))
    assert points == {"false": [0.0, 0.5, 0.5, 1.0], "true": [0.0, 0.5, 1.0, 1.0],
                      "precision": [1.0, 0.5, 0.6667, 0.5]}  # fmt: skip


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=50))
def test_the_sheet_shows_no_case_twice(cases):
    """Best and worst are chosen by score alone, and are other cases."""
    made = [case(str(k), label=label, score=score) for k, (label, score) in enumerate(cases)]
    shown = [c.name for _, row in chosen(ranking(*made)) for c in row]
    assert len(shown) == len(set(shown))


SCANS = (
    FrocScan(name="s", group="s", lesions=("big", "small"),
             marks=(Mark(score=0.9, lesion=0), Mark(score=0.8, lesion=None), Mark(score=0.7, lesion=0),
                    Mark(score=0.2, lesion=1))),
    FrocScan(name="t", group="t", lesions=(), marks=(Mark(score=0.85, lesion=None), Mark(score=0.1, lesion=None))),
)  # fmt: skip


def test_froc_counts_a_lesion_once_and_false_marks_of_all_scans():
    """A second mark on a lesion is neither; a scan without lesions still gives false marks."""
    found = curve(SCANS)
    assert found.at(0.0)[0] == 0.5
    assert found.at(1.0) == (1.0, pytest.approx(0.2))
    assert (found.false[-1], found.found[-1]) == (1.5, 1.0)


def test_froc_by_stratum_and_at_the_threshold():
    """Small lesions alone, with the false marks of all; at 0.5 one of two lesions and one false mark a scan."""
    rows = detect(Detection(about="chests", data="made here", scans=SCANS, at_false=(0.5,), threshold=0.5))
    assert by_name(rows)["sensitivity at the threshold"].hits == 1
    assert by_name(rows)["false marks a scan at the threshold"].value == 1.0
    assert by_name(rows, "big")["sensitivity at 0.5 false marks a scan"].value == 1.0
    assert by_name(rows, "small")["sensitivity at 0.5 false marks a scan"].value == 0.0


def test_froc_without_a_lesion_is_refused():
    """No share of nothing."""
    with pytest.raises(ValueError, match="at least one lesion"):
        curve(SCANS[1:])


def pairs(*values: tuple[float, float]) -> tuple[Pair, ...]:
    return tuple(Pair(name=str(k), group=str(k), measured=m, reference=r) for k, (m, r) in enumerate(values))


def test_bland_altman_by_hand():
    """Differences 1, 2, 3: bias 2 [t: 2 -/+ 4.3027/sqrt 3], limits 2 -/+ 1.96, mean absolute 2."""
    told = agree(Agreement(about="v", data="", quantity="volume", unit="ml", pairs=pairs((11, 10), (22, 20), (33, 30))))
    rows = by_name(told)
    bias = rows["volume: bias"]
    assert (bias.value, bias.low) == (2.0, pytest.approx(2 - 4.302653 / 3**0.5))
    between = rows["volume: 95 % of differences lie between"]
    assert (between.low, between.high) == (pytest.approx(2 - 1.959964), pytest.approx(2 + 1.959964))


def test_bland_altman_in_percent_of_the_reference():
    """All 10 % too large: bias 10 %, no spread; a reference of 0 is refused by name."""
    some = pairs((11, 10), (22, 20), (33, 30))
    told = agree(Agreement(about="v", data="", quantity="q", unit="ml", relative=True, pairs=some))
    assert by_name(told)["q: bias"].value == pytest.approx(10)
    with pytest.raises(ValueError, match="3 has no difference"):
        agree(Agreement(about="v", data="", quantity="q", unit="ml", relative=True, pairs=(*some, Pair(
            name="3", group="3", measured=1, reference=0))))  # fmt: skip


def test_dice_and_hausdorff_of_two_shifted_bars():
    """Bars of 4 voxels, shifted by 2: half in common; every far border voxel lies 2 voxels of 0.5 mm away."""
    one, other = np.zeros((1, 10), bool), np.zeros((1, 10), bool)
    one[0, 2:6] = other[0, 4:8] = True
    assert dice(one, other) == 0.5
    assert hausdorff_95(one, other, (1.0, 0.5)) == pytest.approx(1.0, abs=0.1)
    assert hausdorff_95(one, one, (1.0, 0.5)) == 0.0
    assert hausdorff_95(one, np.zeros_like(one), (1.0, 0.5)) is None
    assert dice(np.zeros(3, bool), np.zeros(3, bool)) == 1.0


def test_a_mask_that_is_missing_counts_as_no_overlap():
    """It pulls the mean down; there is no distance to it, and none is made up."""
    full = np.ones((3, 3), bool)
    masks = (MaskPair(name="a", group="a", found=full, truth=full, spacing_mm=(1, 1)),
             MaskPair(name="b", group="b", found=~full, truth=full, spacing_mm=(1, 1)))  # fmt: skip
    rows = by_name(overlap(Overlap(about="m", data="", masks=iter(masks))))
    assert (rows["Dice, mean"].value, rows["Dice, mean"].n) == (0.5, 2)
    assert rows["95 % Hausdorff distance, median"].n == 1
    assert rows["Dice, mean"].low is None, "two cases have no interval"


def test_linear_weighted_kappa_by_hand():
    """Counts [[2,1],[0,3]]: observed disagreement 1/6, expected (3*4 + 3*2)/36 = 1/2, kappa 2/3."""
    given = [("F", "F"), ("F", "F"), ("F", "G"), ("G", "G"), ("G", "G"), ("G", "G")]
    cases = tuple(Graded(name=str(k), group=str(k), truth=t, given=g) for k, (t, g) in enumerate(given))
    rows = by_name(grade(Grading(about="d", data="", scale=("F", "G"), cases=cases)))
    assert rows["linear-weighted kappa"].value == pytest.approx(2 / 3)
    assert rows["accuracy (F/G)"].hits == 5


def test_a_card_without_its_markers_is_refused():
    """Figures are never written somewhere else."""
    with pytest.raises(ValueError, match="needs one line"):
        card.put("# card\n<!-- /evidence -->\n<!-- evidence -->\n", {"model": "m", "figures": []})


def test_the_table_holds_what_evidence_holds():
    """Value, unit, interval, hits and patients; written twice it is the same."""
    row = Figure(about="heads", what="sensitivity", value=0.64, low=0.445, high=0.797, n=25, groups=20, hits=16)
    evidence = {"model": "m", "figures": [plain(row)]}
    page = card.put(f"# m\n{card.BEGIN}\nold\n{card.END}\nprose\n", evidence)
    assert "| heads | sensitivity | 0.640 [0.445 to 0.797] | 16 of 25 in 20 groups |" in page
    assert page.startswith("# m\n")
    assert page.endswith("prose\n")
    assert "old" not in page
    assert card.put(page, evidence) == page
