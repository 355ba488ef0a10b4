"""Laws of reading a chest for nodules, with a net that knows the truth: all is found where it was put, and sized."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import permutations

import numpy as np
import pytest

from streams.contract import Answer, Tensors
from streams.errors import ReadingBroken
from streams.phantom.chest import Nodule, chest_with_nodules, free_places, nodule_frame
from streams.phantom.head import Scan
from streams.phantom.lattice import Frame
from streams.phantom.texture import SOFT
from streams.reading.answers import Answered
from streams.reading.lung.nodules import LungPatches, lung_nodules, lung_patches, rules_of
from streams.reading.lung.patches import centre_of
from streams.reading.masks import decode_mask
from streams.reading.placing import Placing
from streams.reading.planes import Axes
from streams.reading.tensors import NoAnatomy
from streams.reading.volume import Volume

SIZES = (6.0, 9.0, 14.0, 22.0)
TENSORS = Tensors(function="lung_patches", inputs={}, outputs={})
ANSWER = Answer(function="lung_nodules", study_logit="LOGIT", options={"threshold": 0.5})


def volume_of(hu: np.ndarray, frame: Frame) -> Volume:
    """A phantom as the engine decodes one; its first voxel lies at (-half, -half, lowest slice) in the patient."""
    corners = np.asarray([[-frame.pixel * (frame.size - 1) / 2] * 2 + [z] for z in frame.z])
    step = np.eye(3) * frame.pixel
    return Volume(
        hu=np.rint(hu).astype(np.int16),
        spacing_mm=frame.spacing,
        positions_mm=np.asarray(frame.z),
        tilt_deg=0,
        instances=tuple(f"1.{k}" for k in range(len(frame.z))),
        axes=Axes(),
        placing=Placing(corners_mm=corners, down_mm=step[1], across_mm=step[0]),
    )


@lru_cache(maxsize=1)
def chest() -> tuple[Volume, tuple[Nodule, ...], LungPatches]:
    """A chest with four nodules, prepared."""
    frame = nodule_frame(2.5, size=256)
    nodules = tuple(Nodule(place, size) for place, size in zip(free_places(3, 4, 14.0), SIZES, strict=True))
    volume = volume_of(chest_with_nodules(3, nodules, frame, Scan(SOFT, 9.0, 1)), frame)
    return volume, nodules, lung_patches(volume, TENSORS)


def middle(nodule: Nodule, volume: Volume) -> np.ndarray:
    """z, y, x in mm of the volume's own axes."""
    half = volume.hu.shape[1] * volume.spacing_mm[1] / 2
    x, y, z = nodule.centre
    return np.asarray([z, y + half, x + half])


def knowing(prepared: LungPatches, volume: Volume, nodules: tuple[Nodule, ...]) -> dict[str, np.ndarray]:
    """What a perfect net says: a high score where the candidate lies in a nodule."""
    points = centre_of(prepared.grids, prepared.candidates)
    logits = np.full(len(points), -6.0, np.float32)
    for nodule in nodules:
        away = np.linalg.norm(points - middle(nodule, volume), axis=1)
        on = away <= max(0.35 * nodule.diameter_mm, 2.0)
        logits[on] = 5.0 - away[on] / 10
    return {"LOGIT": logits}


def answered() -> tuple[Answered, Volume, tuple[Nodule, ...]]:
    volume, nodules, prepared = chest()
    return lung_nodules(ANSWER, knowing(prepared, volume, nodules), prepared, volume), volume, nodules


def test_every_nodule_is_told_once_where_it_lies() -> None:
    """Within 1.5 mm in the patient's coordinates, on its own side, in the slice that cuts it fullest."""
    answer, volume, nodules = answered()
    assert answer.lesions is not None
    assert len(answer.lesions) == len(nodules)
    for nodule in nodules:
        away = [np.linalg.norm(np.subtract(lesion.centre_mm, nodule.centre)) for lesion in answer.lesions]
        lesion = answer.lesions[int(np.argmin(away))]
        assert min(away) < 1.5
        assert lesion.side == ("L" if nodule.centre[0] > 0 else "R")
        nearest = int(np.abs(volume.positions_mm - nodule.centre[2]).argmin())
        assert abs(volume.instances.index(lesion.instance) - nearest) <= 1
    assert answer.study_logit == max(answer.study_logit, 4.0)


def test_volumes_and_diameters_are_the_balls() -> None:
    """From 6 mm: volume within 12 per cent and inside its interval, both diameters within 1 mm; all are solid."""
    answer, _, nodules = answered()
    lesions = sorted(answer.lesions or (), key=lambda lesion: lesion.volume_mm3)
    for lesion, nodule in zip(lesions, nodules, strict=True):
        assert lesion.volume_mm3 == pytest.approx(nodule.volume_mm3, rel=0.12)
        assert (lesion.volume_low_mm3 or 0) < nodule.volume_mm3 < (lesion.volume_high_mm3 or 0)
        assert lesion.diameter_mm == pytest.approx(nodule.diameter_mm, abs=1.0)
        assert lesion.perpendicular_mm == pytest.approx(nodule.diameter_mm, abs=1.0)
        assert lesion.texture == "solid"


def test_the_place_in_the_lungs_follows_the_patient() -> None:
    """From right to left, front to back, foot to head, in the order of the planted places."""
    answer, _, nodules = answered()
    lesions = sorted(answer.lesions or (), key=lambda lesion: lesion.volume_mm3)
    for (one, first), (other, second) in permutations(zip(lesions, nodules, strict=True), 2):
        for axis in range(3):
            if second.centre[axis] - first.centre[axis] > 4:
                assert other.place[axis] > one.place[axis]


def test_the_mask_lies_on_the_nodules_slices() -> None:
    """Its millilitres are those of the balls, within a fifth."""
    answer, volume, nodules = answered()
    assert answer.mask is not None
    mask = decode_mask(answer.mask)
    ml = float(mask.bits.sum()) * float(np.prod(volume.spacing_mm)) / 1000
    assert ml == pytest.approx(sum(nodule.volume_mm3 for nodule in nodules) / 1000, rel=0.2)


def test_ground_glass_is_told_from_solid() -> None:
    """By density: a ball of two fifths tissue."""
    _, nodules, _ = chest()
    frame = nodule_frame(2.5, size=256)
    faint = (replace(nodules[2], tissue=0.4),)
    other = volume_of(chest_with_nodules(3, faint, frame, Scan(SOFT, 9.0, 1)), frame)
    prepared = lung_patches(other, TENSORS)
    answer = lung_nodules(ANSWER, knowing(prepared, other, faint), prepared, other)
    assert [lesion.texture for lesion in answer.lesions or ()] == ["ground-glass"]


def test_nothing_above_the_threshold_is_no_nodule() -> None:
    """An empty list, not none: it was looked for; and no mask."""
    volume, _, prepared = chest()
    answer = lung_nodules(ANSWER, knowing(prepared, volume, ()), prepared, volume)
    assert answer.lesions == ()
    assert answer.mask is None
    assert answer.study_logit < 0


def test_a_volume_without_lungs_is_refused_in_words() -> None:
    """A block of water holds no lungs, and neither does air."""
    volume, _, _ = chest()
    for value in (0, -1000):
        with pytest.raises(NoAnatomy, match="No lungs"):
            lung_patches(replace(volume, hu=np.full_like(volume.hu, value)), TENSORS)


def test_outputs_of_another_count_are_refused() -> None:
    """One score for each candidate."""
    volume, nodules, prepared = chest()
    outputs = knowing(prepared, volume, nodules)
    with pytest.raises(ReadingBroken, match="scores"):
        lung_nodules(ANSWER, {"LOGIT": outputs["LOGIT"][1:]}, prepared, volume)


@pytest.mark.parametrize("options", [{"threshold": 1.5}, {"interval": 3.0}, {"most": "many"}, {"colour": 1.0}])
def test_options_that_make_no_sense_are_named(options: dict[str, object]) -> None:
    """Before the first study does."""
    with pytest.raises(ValueError, match=next(iter(options))):
        rules_of(options)  # type: ignore[arg-type]
