"""From an exam's views to percent and grade, on phantoms whose dense share is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contract import Answer, Tensors
from streams.errors import ReadingBroken
from streams.phantom.breast import Machine, Mammogram, mammogram, woman_of
from streams.reading.breast import rule
from streams.reading.breast.density import GRADES, breast_density, grades_of, percent_density, rules_of
from streams.reading.breast.exam import BreastViews, breast_views
from streams.reading.breast.frames import HEIGHT, WIDTH
from streams.reading.functions import TENSORS
from streams.reading.masks import decode_mask
from streams.reading.tensors import NoAnatomy
from streams.reading.views import View, Views

ANSWER = Answer(
    function="breast_density",
    outputs={"dense": "DENSE", "muscle": "MUSCLE"},
    options={"cuts": (10.0, 30.0, 65.0), "spread": 8.0, "interval": 12.0},
)
PIXEL_MM = 0.5


def seen(position: str, side: str, dense: float = 0.3) -> Mammogram:
    return mammogram(woman_of(11, dense=dense), position, Machine(label=False), PIXEL_MM, side=int(side == "L"))


def view(made: Mammogram, position: str, side: str, *, implant: bool = False) -> View:
    grey = (made.grey * 4095).astype(np.float32)
    return View(
        pixels=grey if side == "L" else grey[:, ::-1],
        laterality=side,
        position=position,
        pixel_mm=(PIXEL_MM, PIXEL_MM),
        instance=f"1.2.{side}.{position}",
        implant=implant,
    )


@pytest.fixture(scope="module")
def made() -> dict[tuple[str, str], Mammogram]:
    return {(side, position): seen(position, side) for side in "RL" for position in ("CC", "MLO")}


def exam_of(made: dict[tuple[str, str], Mammogram], **changes: bool) -> Views:
    return Views(views=tuple(view(m, position, side, **changes) for (side, position), m in made.items()))


def truth(made: dict[tuple[str, str], Mammogram], exam: BreastViews) -> dict[str, np.ndarray]:
    """The masks that a net which knows would give."""
    masks = {"DENSE": [], "MUSCLE": []}
    for framed in exam.framed:
        image = made[framed.view.laterality, framed.view.position]
        for name, bits in (("DENSE", image.dense), ("MUSCLE", image.muscle)):
            turned = bits if framed.view.laterality == "L" else bits[:, ::-1]
            turned = turned[:, ::-1] if framed.breast.flipped else turned
            y = (np.arange(HEIGHT // 2) + 0.5) * 2 / framed.frame.scale * framed.breast.step + framed.breast.corner[0]
            x = (np.arange(WIDTH // 2) + 0.5) * 2 / framed.frame.scale * framed.breast.step + framed.breast.corner[1]
            rows, columns = (np.minimum(a.astype(int), n - 1) for a, n in zip((y, x), bits.shape, strict=True))
            masks[name].append(turned[np.ix_(rows, columns)].astype(np.float32))
    return {name: np.stack(planes) for name, planes in masks.items()}


def test_right_masks_give_the_percent_of_the_denser_breast(made):
    """Within 3 points of the truth; the exam's is the mean of the views of the denser side; all views are named."""
    exam = breast_views(exam_of(made))
    said = breast_density(ANSWER, truth(made, exam), exam, exam_of(made))
    by_name = {q.name: q.value for q in said.quantities}
    for (side, position), image in made.items():
        assert by_name[f"percent_density_{side}_{position}"] == pytest.approx(image.percent, abs=3)
    sides = [np.mean([by_name[f"percent_density_{s}_{p}"] for p in ("CC", "MLO")]) for s in "RL"]
    assert by_name["percent_density"] == pytest.approx(max(sides))
    assert sum(grade.probability for grade in said.grades) == pytest.approx(1)
    assert said.notes == ()


def test_the_mask_lies_on_the_dense_tissue_of_the_stored_image(made):
    """Also of a right breast, whose picture was turned round on the way."""
    for side in "RL":
        one = {(side, "MLO"): made[side, "MLO"]}
        exam = breast_views(exam_of(one))
        said = breast_density(ANSWER, truth(one, exam), exam, exam_of(one))
        bits = decode_mask(said.mask).bits[0]
        dense = one[side, "MLO"].dense
        wanted = dense if side == "L" else dense[:, ::-1]
        assert bits.shape == wanted.shape
        assert 2 * (bits & wanted).sum() / (bits.sum() + wanted.sum()) > 0.85


def test_the_rule_speaks_only_for_images_of_its_kind(made, monkeypatch):
    """At weight 1 the net's dense mask does not count where the rule holds; in a coarser image the net alone does."""
    exam = breast_views(exam_of({("L", "CC"): made["L", "CC"]}))
    (framed,) = exam.framed
    nothing, muscle = np.zeros((2, HEIGHT // 2, WIDTH // 2), np.float32)
    percents = {}
    for texture in (0.0, 1.0):
        monkeypatch.setattr(rule, "MOST_TEXTURE", texture)
        both = [percent_density(framed, dense, muscle, 0.5, 1.0).percent for dense in (nothing, nothing + 1)]
        percents[texture] = both
    assert percents[0.0] == [0, 100]
    assert percents[1.0][0] == percents[1.0][1] > 10


def test_missing_views_and_implants_are_told(made):
    one = {("R", "CC"): made["R", "CC"]}
    exam = breast_views(Views(views=(*exam_of(one).views, view(made["L", "CC"], "CC", "L", implant=True))))
    said = breast_density(ANSWER, truth(one, exam), exam, exam_of(one))
    assert said.notes == (
        "View L CC shows an implant and is not measured.",
        "No measured view R MLO, L CC, L MLO: the density rests on the others.",
    )
    with pytest.raises(NoAnatomy, match="implant"):
        breast_views(exam_of(one, implant=True))


def test_what_is_no_breast_is_refused():
    blank = View(pixels=np.zeros((300, 200), np.float32), laterality="L", position="CC", pixel_mm=None, instance="1.2")
    with pytest.raises(NoAnatomy, match="one grey only"):
        TENSORS["breast_views"](Views(views=(blank,)), Tensors(function="breast_views", inputs={}, outputs={}))


def test_masks_that_are_not_one_for_each_view_are_refused(made):
    exam = breast_views(exam_of(made))
    wrong = {name: planes[:2] for name, planes in truth(made, exam).items()}
    with pytest.raises(ReadingBroken, match="for 4 views"):
        breast_density(ANSWER, wrong, exam, exam_of(made))


@given(st.floats(0, 100), st.floats(0, 100))
def test_more_percent_never_means_a_lower_grade(one: float, other: float):
    """The chance of each grade or more grows with the percent (stochastic order); chances add up to 1."""
    low, high = sorted((one, other))
    below, above = (np.cumsum([g.probability for g in grades_of(p, (10, 30, 65), 8)]) for p in (low, high))
    assert (below >= above - 1e-12).all()
    assert below[-1] == pytest.approx(1)
    assert [g.name for g in grades_of(low, (10, 30, 65), 8)] == list(GRADES)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "cuts takes three"),
        ({"cuts": (30.0, 10.0, 65.0), "spread": 8.0, "interval": 12.0}, "ascending"),
        ({"cuts": (10.0, 30.0, 65.0), "spread": 0.0, "interval": 12.0}, "more than 0"),
        ({"cut": 1.0}, "no option cut"),
        ({"cuts": (10.0, 30.0, 65.0), "spread": 8.0, "interval": 12.0, "by_rule": 1.5}, "weight from 0 to 1"),
    ],
)
def test_options_that_cannot_be(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        rules_of(options)
