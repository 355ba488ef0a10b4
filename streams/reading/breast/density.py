"""From a net's masks to percent density per view and breast, and to the exam's grade A to D."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit, ndtr

from streams.contract import Answer, Option
from streams.errors import ReadingBroken
from streams.events.reading import Grade, Quantity
from streams.reading.answers import Answered
from streams.reading.breast.exam import MASK_CELL, BreastViews, Framed
from streams.reading.breast.muscle import muscle_of, wedge_of
from streams.reading.breast.rule import CUT, off_muscle, score_of
from streams.reading.masks import Mask, encode_mask
from streams.reading.views import Views

GRADES = ("A", "B", "C", "D")
SCREENING = ("CC", "MLO")
PERCENT = 100.0
MUSCLE = 0.5
"""From which a pixel's probability is muscle."""
HALF = 0.5
"""Of a mask's cell that lies inside, and more: the cell does."""
STEEP = 1.5
"""Logits to one point of the rule's score."""
SURE = 1e-4
"""A probability nearer than this to 0 or 1 is none that a percent density gives."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The contract's `[answer.options]`, in points of percent.

    Attributes:
        cuts: percent density between A, B, C and D.
        spread: how blurred the cuts are (a standard deviation).
        interval: half of the 95 % interval of an exam's percent density.
        by_rule: weight of `rule.score_of` beside the net's logit, 0 to 1, in images for which the rule holds.
    """

    cuts: tuple[float, float, float]
    spread: float
    interval: float
    by_rule: float = 0.0


def rules_of(options: Mapping[str, Option]) -> Rules:
    """The options as rules.

    Raises:
        ValueError: one is missing, unknown or cannot be; the sentence says which.
    """
    unknown = sorted(set(options) - {"cuts", "spread", "interval", "by_rule"})
    if unknown:
        raise ValueError(f"breast_density knows no option {unknown[0]}; it takes cuts, spread, interval and by_rule")
    cuts, spread, interval = (options.get(name) for name in ("cuts", "spread", "interval"))
    if not isinstance(cuts, tuple | list) or len(cuts) != len(GRADES) - 1:
        raise ValueError("cuts takes three percentages: between A and B, B and C, C and D")
    numbers = [float(cut) for cut in cuts]
    if not 0 < numbers[0] < numbers[1] < numbers[2] < PERCENT:
        raise ValueError("cuts takes three ascending percentages from 0 to 100")
    if not (isinstance(spread, float | int) and spread > 0 and isinstance(interval, float | int) and interval > 0):
        raise ValueError("spread and interval take more than 0 points of percent")
    by_rule = options.get("by_rule", 0.0)
    if not (isinstance(by_rule, float | int) and 0 <= by_rule <= 1):
        raise ValueError("by_rule takes a weight from 0 to 1")
    return Rules((numbers[0], numbers[1], numbers[2]), float(spread), float(interval), float(by_rule))


@dataclass(frozen=True, slots=True)
class Measured:
    """One view: percent of the breast off the muscle that is dense, and the masks of dense and muscle `[128, 96]`."""

    framed: Framed
    percent: float
    dense: NDArray[np.bool_]
    muscle: NDArray[np.bool_]


def percent_density(
    framed: Framed, dense: NDArray[np.float32], muscle: NDArray[np.float32], threshold: float, by_rule: float = 0.0
) -> Measured:
    """Of one view; dense and muscle are probabilities `[128, 96]`, the muscle counts in oblique views only."""
    whole = framed.frame.inside
    inside = _halved(whole) > HALF
    edge, wedge = np.zeros_like(whole), np.zeros_like(inside)
    if framed.view.position != "CC":
        edge = muscle_of(framed.shade, whole)
        wedge = wedge_of((muscle >= MUSCLE) | (_halved(edge) > HALF), inside)
    breast = inside & ~wedge
    said = logit(np.clip(dense, SURE, 1 - SURE))
    score = score_of(framed.shade, whole, off_muscle(whole, edge))
    if score.holds:
        said = (1 - by_rule) * said + by_rule * STEEP * (_halved(score.plane) - CUT)
    marked = (said >= logit(threshold)) & breast
    return Measured(framed, PERCENT * float(marked.sum()) / max(1.0, float(breast.sum())), marked, wedge)


def _halved(plane: NDArray[Any]) -> NDArray[np.float32]:
    """Means of the frame's pixels on the grid of the net's masks."""
    rows, columns = (size // MASK_CELL for size in plane.shape)
    return np.asarray(plane.reshape(rows, MASK_CELL, columns, MASK_CELL).mean((1, 3)), np.float32)


def grades_of(percent: float, cuts: Sequence[float], spread: float) -> tuple[Grade, ...]:
    """A to D as a percent density tells them: normal about each cut, in points of percent.

    ACR BI-RADS 5th ed. gives no percentages; the cuts are the contract's, and its card says where they come from.
    """
    above = [float(ndtr((percent - cut) / spread)) for cut in cuts]
    edges = [1.0, *above, 0.0]
    return tuple(Grade(name=name, probability=edges[k] - edges[k + 1]) for k, name in enumerate(GRADES))


def breast_density(answer: Answer, outputs: Mapping[str, NDArray[Any]], exam: BreastViews, _views: Views) -> Answered:
    """Percent density by view, the denser breast's as the exam's (BI-RADS 5th ed.), and the grade.

    Raises:
        ReadingBroken: an output does not have one mask for each view.
    """
    masks = [np.asarray(outputs[answer.outputs[name]], np.float32) for name in ("dense", "muscle")]
    count, shape = len(exam.framed), tuple(n // MASK_CELL for n in exam.tensor.shape[2:])
    for mask in masks:
        if mask.shape != (count, *shape):
            raise ReadingBroken(f"The model gave masks of the shape {mask.shape} for {count} views.")
    rules = rules_of(answer.options)
    views = [
        percent_density(framed, dense, muscle, answer.mask_threshold, rules.by_rule)
        for framed, dense, muscle in zip(exam.framed, *masks, strict=True)
    ]
    percent = max(_by_breast(views).values())
    grades = grades_of(percent, rules.cuts, rules.spread)
    dense = float(np.clip(grades[2].probability + grades[3].probability, SURE, 1 - SURE))
    shown = sorted(views, key=lambda v: (-v.percent, v.framed.view.instance))
    return Answered(
        study_logit=log(dense / (1 - dense)),
        key_instances=tuple(view.framed.view.instance for view in shown),
        mask=_mask(shown[0]),
        quantities=_quantities(percent, views, rules.interval),
        grades=grades,
        notes=(*exam.notes, *_missing(views)),
    )


def _by_breast(views: Sequence[Measured]) -> dict[str, float]:
    """Mean percent of each side's views."""
    sides = sorted({view.framed.view.laterality for view in views})
    return {side: float(np.mean([v.percent for v in views if v.framed.view.laterality == side])) for side in sides}


def _quantities(percent: float, views: Sequence[Measured], half: float) -> tuple[Quantity, ...]:
    """The exam's percent with its interval, then each view's."""
    low, high = max(0.0, percent - half), min(100.0, percent + half)
    exam = Quantity(name="percent_density", value=percent, unit="%", low=low, high=high)
    each = [
        Quantity(name=f"percent_density_{v.framed.view.laterality}_{v.framed.view.position}", value=v.percent, unit="%")
        for v in views
    ]
    return (exam, *each)


def _missing(views: Sequence[Measured]) -> list[str]:
    """Views of a screening exam that were not measured: the figure rests on fewer."""
    there = {(v.framed.view.laterality, v.framed.view.position) for v in views}
    lacking = [f"{side} {position}" for side in ("R", "L") for position in SCREENING if (side, position) not in there]
    return [f"No measured view {', '.join(lacking)}: the density rests on the others."] if lacking else []


def _mask(view: Measured) -> bytes | None:
    """Of the densest view: views differ in size, and one mask lies on pixels of one size."""
    bits = view.framed.to_source(view.dense)[None]
    return encode_mask(Mask(instances=(view.framed.view.instance,), bits=bits))
