"""What a contract can say without code: a volume as patches, and their answers as one mask on the images."""

from __future__ import annotations

import numpy as np
import pytest

from streams.contract import Answer, Tensors, TensorSpec
from streams.errors import ReadingBroken
from streams.reading.masks import decode_mask
from streams.reading.planes import Axes
from streams.reading.stitching import volume_mask
from streams.reading.tensors import NoAnatomy
from streams.reading.volume import Volume
from streams.reading.windowed import Patches, recipe_of, volume_patches

USUAL = {"spacing_mm": 2.0, "clip_hu": (-100.0, 300.0), "scale_to": (0.0, 1.0), "patch": 16.0}


def volume(shape: tuple[int, int, int] = (20, 48, 56), dz: float = 4.0, axes: Axes | None = None) -> Volume:
    """Water with a ball of 250 HU, 1 mm pixels; the ball lies low, anterior and to the right."""
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    ball = ((z - 6) * dz) ** 2 + (y - 16.0) ** 2 + (x - 18.0) ** 2 < 10.0**2
    return Volume(
        hu=np.where(ball, 250, 0).astype(np.int16),
        spacing_mm=(dz, 1.0, 1.0),
        positions_mm=np.arange(shape[0]) * dz + 100.0,
        tilt_deg=0,
        instances=tuple(f"1.{k}" for k in range(shape[0])),
        axes=axes or Axes(),
    )


def tensors(**options: object) -> Tensors:
    spec = TensorSpec(datatype="FP32", shape=(-1, 1, -1, -1, -1))
    return Tensors(
        function="volume_patches",
        inputs={"image": spec},
        outputs={"pred": spec},
        options={**USUAL, **options},  # type: ignore[arg-type]
    )


def echo(patches: Patches) -> dict[str, np.ndarray]:
    """A model that answers two classes: what is not bright, and what is."""
    lost = [patches.recipe.lost[a] for a in patches.recipe.turned.order]
    cut = tuple(slice(n, -n or None) for n in lost)
    bright = patches.tensor[(slice(None), slice(None), *cut)]
    return {"pred": np.concatenate([1 - bright, bright], axis=1)}


ANSWER = Answer(function="volume_mask", mask="pred", options={"activation": "none", "classes": ("background", "ball")})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"overlap": 0.5},
        {"patch": (16.0, 20.0, 24.0), "lost": (2.0, 4.0, 3.0), "overlap": 0.25},
        {"patch": (12.0, 0.0, 0.0), "lost": 3.0, "multiple": 5.0},
        {"patch": 64.0},
        {"axes": "RAS", "patch": (20.0, 24.0, 16.0), "lost": (3.0, 4.0, 2.0), "spacing_mm": (2.0, 2.0, 3.0)},
        {"region": "body", "margin_mm": 4.0},
    ],
)
def test_a_model_that_echoes_gives_the_volume_back(options: dict[str, object]) -> None:
    """However it is cut, each voxel of the answer lies where it was asked: the ball comes back with its volume."""
    source = volume()
    patches = volume_patches(source, tensors(**options))
    said = volume_mask(ANSWER, echo(patches), patches, source)
    ball = source.hu > 125
    assert said.mask_ml == pytest.approx(ball.sum() * 4.0 / 1000, rel=0.15)
    assert said.quantities[0].name == "ball_volume"
    found = decode_mask(said.mask or b"")
    whole = np.zeros(ball.shape, bool)
    whole[[source.instances.index(uid) for uid in found.instances]] = found.bits
    overlap = 2 * (whole & ball).sum() / (whole.sum() + ball.sum())
    assert overlap > 0.9
    assert set(said.key_instances) == {"1.5", "1.6", "1.7"}


def test_patches_are_in_the_axes_of_the_model() -> None:
    """RAS: the first axis runs to the right, the second forward, the third up; ours run up, back and left."""
    source = volume()
    patches = volume_patches(source, tensors(axes="RAS", patch=64.0))
    (image,) = patches.tensor[:, 0]
    ball = np.argwhere(image > 0.8).mean(axis=0)
    middle = np.argwhere(image > 0.2).mean(axis=0)
    assert ball[0] > middle[0], "right of the middle"
    assert ball[1] > middle[1], "in front of it"
    assert ball[2] < middle[2], "below it"


def test_a_mask_is_turned_back_to_the_stored_pixels() -> None:
    source = volume(axes=Axes(flip_x=True))
    patches = volume_patches(source, tensors())
    said = volume_mask(ANSWER, echo(patches), patches, source)
    found = decode_mask(said.mask or b"")
    assert np.argwhere(found.bits)[:, 2].mean() == pytest.approx(55 - 18, abs=1.5)


def test_the_score_is_the_probability_that_some_tissue_reaches() -> None:
    source = volume()
    patches = volume_patches(source, tensors())
    said = volume_mask(ANSWER, echo(patches), patches, source)
    assert said.study_logit == pytest.approx(np.log(0.875 / 0.125), abs=0.05)
    by_volume = Answer(function="volume_mask", mask="pred", options={**ANSWER.options, "score": "volume"})
    said = volume_mask(by_volume, echo(patches), patches, source)
    assert said.study_logit == pytest.approx(np.log(said.mask_ml or 0), abs=0.02)


def test_nothing_found_is_a_low_score_and_no_mask() -> None:
    source = volume()
    patches = volume_patches(source, tensors(clip_hu=(1000.0, 2000.0)))
    said = volume_mask(ANSWER, echo(patches), patches, source)
    assert said.mask is None
    assert said.mask_ml == 0
    assert said.study_logit < -10


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"spacing_mm": 0.0}, r"option spacing_mm is 0; it takes 3 numbers from 0.1 to 20"),
        ({"spacing_mm": (1.0, 1.0)}, r"option spacing_mm is \[1, 1\]; it takes 3 numbers"),
        ({"patch": 80.0, "lost": 40.0}, "a patch of 80 voxels that loses 40 on each side leaves none"),
        ({"patch": 16.5}, "option patch is 16.5; it takes whole numbers of voxels"),
        ({"axes": "RAA"}, "axes 'RAA' are no three axes of a patient"),
        ({"clip_hu": (100.0, -15.0)}, r"option clip_hu is \[100, -15\]; the smaller number comes first"),
        ({"region": "liver"}, "option region is 'liver'; all, body, skull are known"),
        ({"spacing": 1.0}, "no option 'spacing' of volume_patches"),
    ],
)
def test_a_wrong_option_is_named_with_what_it_takes(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        recipe_of({**USUAL, **options})  # type: ignore[arg-type]


def test_what_the_makers_must_say_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="option clip_hu is missing"):
        recipe_of({name: value for name, value in USUAL.items() if name != "clip_hu"})  # type: ignore[arg-type]


def test_patches_beyond_one_message_are_refused() -> None:
    with pytest.raises(ValueError, match="a coarser spacing_mm, less overlap or a smaller region is needed"):
        volume_patches(volume((64, 48, 56)), tensors(spacing_mm=0.1, overlap=0.9, patch=48.0))


def test_an_answer_of_another_shape_is_a_broken_reading() -> None:
    source = volume()
    patches = volume_patches(source, tensors(lost=2.0))
    wrong = {"pred": np.zeros((len(patches.tensor), 2, 16, 16, 16), np.float32)}
    with pytest.raises(ReadingBroken, match=r"16 x 16 x 16; .* x 2 x 12 x 12 x 12 is expected"):
        volume_mask(ANSWER, wrong, patches, source)


def test_logits_are_not_taken_for_probabilities() -> None:
    source = volume()
    patches = volume_patches(source, tensors())
    with pytest.raises(ReadingBroken, match="activation takes softmax or sigmoid"):
        volume_mask(ANSWER, {"pred": echo(patches)["pred"] * 9}, patches, source)


def test_a_region_that_is_not_there_is_no_anatomy() -> None:
    with pytest.raises(NoAnatomy, match="No brain inside a skull"):
        volume_patches(volume(), tensors(region="skull"))
