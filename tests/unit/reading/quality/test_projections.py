"""A view is known by its shape: tissue that is full at the chest wall and tapers to the nipple."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams.adapters.policy_files import read_policies
from streams.contract import Needs
from streams.events.imaging import SeriesFacts
from streams.reading.quality.judging import Told, judge
from streams.reading.quality.report import SeriesQuality
from streams.reading.views import View, Views
from tests.support.painted import chest

POLICY = read_policies(Path(__file__).parents[4] / "deploy" / "policies", {}).quality
NEEDS = Needs(modality=("MG",), body_part="breast", views=("CC", "MLO"))


def breast(*, border: int = 0) -> np.ndarray:
    """Half an ellipse against the left edge, brighter inside, with a dark border of the film."""
    y, x = np.mgrid[:320, :256].astype(float)
    inside = ((y - 160) / 130) ** 2 + (x / 170) ** 2 < 1
    shown = np.where(inside, 900 + 400 * ((y // 20 + x // 20) % 2), 20.0)
    shown += np.random.default_rng(5).normal(0, 5, shown.shape)
    return np.pad(shown, border) if border else shown


def judged(*pictures: np.ndarray) -> SeriesQuality:
    views = tuple(
        View(pixels=p.astype(np.float32), laterality="L", position="CC", pixel_mm=(0.1, 0.1), instance=f"1.{k}")
        for k, p in enumerate(pictures)
    )
    return judge(Views(views=views), Told(SeriesFacts(series="1", modality="MG"), ()), NEEDS, POLICY)


@pytest.mark.parametrize("shown", [breast(), breast()[:, ::-1], breast(border=24), breast()[40:280, :200]])
def test_a_breast_is_known(shown):
    """On either side, with the film's border, cut at the top."""
    assert judged(shown).faults == ()


@pytest.mark.parametrize(
    "shown",
    [np.full((200, 200), 7.0), chest()[38].astype(float), np.random.default_rng(1).normal(500, 90, (300, 240))],
    ids=["nothing", "chest", "noise"],
)
def test_something_else_is_rejected(shown):
    """Not one view shows a breast: no density is given of it."""
    (fault,) = judged(shown).faults
    assert (fault.code, fault.severity) == ("body-part", "reject")


def test_one_odd_view_among_good_ones_is_read():
    """An exam is rejected only if none of it is a breast."""
    quality = judged(breast(), breast()[:, ::-1], chest()[38].astype(float), breast())
    assert quality.faults == ()
    assert [m.value for m in quality.measured] == [75.0]
