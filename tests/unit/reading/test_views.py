"""An exam's views: which are read, in which order, and dense tissue always high."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streams.contract import Needs
from streams.errors import QualityRejected
from streams.events.imaging import InstanceFacts, SeriesFacts, ViewFacts
from streams.reading.views import exam_of, views_of

NEEDS = Needs(modality=("MG",), body_part="breast", views=("CC", "MLO"))
SERIES = SeriesFacts(series="1.2.1", modality="MG", presentation="FOR PRESENTATION")


def view(position="CC", laterality="L", **changes):
    name = f"1.2.1.{position}.{laterality}"
    facts = InstanceFacts(
        instance=name,
        sop_class="1.2.840.10008.5.1.4.1.1.1.2",
        digest="d" * 64,
        size=1,
        rows=100,
        columns=80,
        view=ViewFacts(position=position, laterality=laterality, pixel_mm=(0.1, 0.1)),
    )
    return replace(facts, **changes)


def test_views_stand_right_before_left_cc_before_mlo():
    exam = exam_of([(SERIES, [view("MLO"), view("CC")]), (SERIES, [view("MLO", "R"), view("CC", "R")])], NEEDS)
    assert [i.instance[6:] for i in exam.instances] == ["CC.R", "MLO.R", "CC.L", "MLO.L"]
    assert not exam.quality


@pytest.mark.parametrize(
    ("series", "instance", "sentence"),
    [
        (replace(SERIES, presentation="FOR PROCESSING"), view(), "made for processing"),
        (SERIES, view(fault="no pixels."), "no pixels"),
        (SERIES, view(frames=60), "holds 60 frames"),
        (SERIES, view(rows=32), "has no pixels to read"),
        (SERIES, view(view=None), "does not tell its view"),
        (SERIES, view("XCCL"), "is a view XCCL; CC and MLO are read"),
        (SERIES, view(laterality="B"), "does not tell its side"),
    ],
)
def test_what_is_left_out_is_said(series, instance, sentence):
    """Alone it is refused; beside another it is noted."""
    with pytest.raises(QualityRejected, match=sentence):
        exam_of([(series, [instance])], NEEDS)
    exam = exam_of([(series, [instance]), (SERIES, [view("MLO", "R")])], NEEDS)
    assert [i.instance for i in exam.instances] == ["1.2.1.MLO.R"]
    assert sentence in exam.quality[0].sentence


def test_inverted_images_are_turned_round():
    """MONOCHROME1 shows low values bright: both ways dense tissue is high."""
    pixels = np.arange(8000, dtype=np.int16).reshape(100, 80)
    plain = view()
    turned = view(view=replace(plain.view, inverted=True))
    first = views_of(exam_of([(SERIES, [plain])], NEEDS), [pixels]).views[0]
    second = views_of(exam_of([(SERIES, [turned])], NEEDS), [pixels.max() - pixels]).views[0]
    assert np.array_equal(first.pixels, second.pixels)
    assert first.pixel_mm == (0.1, 0.1)
