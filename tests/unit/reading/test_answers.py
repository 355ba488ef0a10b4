"""Outputs become scores, key slices and a mask on the stored images."""

from __future__ import annotations

import numpy as np
import pytest

from streams.contract import Answer
from streams.errors import ReadingBroken
from streams.reading.answers import Answered, slices_and_mask
from streams.reading.masks import decode_mask
from streams.reading.planes import Axes
from streams.reading.tensors import HeadSlabs
from streams.reading.volume import Volume

ANSWER = Answer(function="slices_and_mask", study_logit="STUDY", slice_logit="SLICES", mask="MASK")
SLABS = 4
Z, ROWS, COLUMNS = 8, 192, 192


def slabs() -> HeadSlabs:
    """Four slabs of two 2.5 mm slices each, on 1 mm pixels that lie as the slabs' own do."""
    members = np.array([[2 * k, 2 * k + 2] for k in range(SLABS)])
    return HeadSlabs(
        tensor=np.zeros((SLABS, 4, 192, 192), np.uint8),
        source_index=members[:, 0] + 1,
        members=members,
        origin_mm=np.zeros((SLABS, 2)),
        slab_mm=np.full(SLABS, 5.0),
        pixel_mm=(1.0, 1.0),
        source_shape=(Z, ROWS, COLUMNS),
    )


def volume(axes: Axes | None = None) -> Volume:
    return Volume(
        hu=np.zeros((Z, ROWS, COLUMNS), np.int16),
        spacing_mm=(2.5, 1.0, 1.0),
        positions_mm=np.arange(Z) * 2.5,
        tilt_deg=0,
        instances=tuple(f"1.{k}" for k in range(Z)),
        axes=axes or Axes(),
    )


def outputs(**changes: np.ndarray) -> dict[str, np.ndarray]:
    mask = np.zeros((SLABS, 96, 96), np.float32)
    mask[1, 10:15, 20:30] = 0.9  # 50 pixels of 4 mm2 in a slab of 5 mm: 1 ml
    usual = {
        "STUDY": np.array([2.5], np.float32),
        "SLICES": np.array([-3, 4, 1, 4], np.float32),
        "MASK": mask,
    }
    return usual | changes


def answered(axes: Axes | None = None, **changes: np.ndarray) -> Answered:
    return slices_and_mask(ANSWER, outputs(**changes), slabs(), volume(axes))


def test_scores_and_key_slices():
    """The strongest slabs' middle slices, the strongest first, the lower first of equal ones."""
    said = answered()
    assert said.study_logit == 2.5
    assert said.slice_logits == (-3.0, 4.0, 1.0, 4.0)
    assert said.key_instances == ("1.3", "1.7", "1.5")


def test_the_mask_lies_on_the_slices_that_the_slab_was_made_of():
    """Both slices of the slab carry it, at its place, and its volume is that of the slab."""
    said = answered()
    assert said.mask is not None
    mask = decode_mask(said.mask)
    assert mask.instances == ("1.2", "1.3")
    assert mask.bits[0].sum() == 200
    assert mask.bits[0, 20:30, 40:60].all()
    assert said.mask_ml == pytest.approx(1.0)


def test_the_mask_lies_on_the_stored_pixels():
    """A patient that was turned upright is turned back: a viewer shows stored pixels."""
    mask = decode_mask(answered(Axes(transpose=True, flip_x=True)).mask or b"")
    assert mask.bits[0].T[20:30, ::-1][:, 40:60].all()
    assert mask.bits[0].sum() == 200


def test_nothing_marked_is_no_mask():
    """0 ml, and no object."""
    said = answered(MASK=np.zeros((SLABS, 96, 96), np.float32))
    assert (said.mask, said.mask_ml) == (None, 0.0)


def test_axes_of_length_one_are_left_out():
    """[n, 1] and [n, 1, side, side] are what some exporters write."""
    plain = answered()
    grown = answered(SLICES=outputs()["SLICES"][:, None], MASK=outputs()["MASK"][:, None], STUDY=np.array(2.5))
    assert grown == plain


def test_a_model_with_a_score_only():
    """No slices, no mask: none are made up."""
    answer = Answer(function="slices_and_mask", study_logit="STUDY")
    said = slices_and_mask(answer, outputs(), slabs(), volume())
    assert said == Answered(study_logit=2.5)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"STUDY": np.zeros(2, np.float32)}, "gave 2 scores"),
        ({"SLICES": np.zeros(3, np.float32)}, "SLICES has the shape 3, for 4 slabs"),
        ({"MASK": np.zeros((4, 2, 96, 96), np.float32)}, "MASK has the shape 4 x 2 x 96 x 96, for 4 slabs"),
    ],
)
def test_outputs_for_other_slabs_are_refused(changes: dict[str, np.ndarray], told: str):
    """An answer that does not fit its question is none."""
    with pytest.raises(ReadingBroken, match=told):
        answered(**changes)
