"""What the robustness table does to images: each change does what it says, and refusals are counted."""

from __future__ import annotations

import numpy as np

from streams.reading.planes import Axes
from streams.reading.tensors import NoAnatomy
from streams.reading.volume import Volume
from training.evidence import robustness
from training.evidence.cases import Subject
from training.evidence.changes import VOLUME_CHANGES, cropped, nodding, noisy, sharper, shifted, softer, thicker
from training.evidence.robustness import Trial, summed, tried


def volume() -> Volume:
    hu = np.full((9, 40, 40), -1000, np.int16)
    hu[2:7, 10:30, 10:30] = 40
    hu[4, 12:15, 12:15] = 70
    return Volume(
        hu=hu, spacing_mm=(5.0, 1.0, 1.0), positions_mm=np.arange(9) * 5.0, tilt_deg=0.0,
        instances=tuple(map(str, range(9))), axes=Axes(),
    )  # fmt: skip


def test_noise_is_as_strong_as_said_and_the_same_each_time():
    """Its spread is sigma; a repeat gives the same bytes."""
    before = volume()
    change = noisy(10)
    after = change(before).hu
    apart = after.astype(float) - before.hu
    assert abs(apart.std() - 10) < 0.3
    assert (after == change(before).hu).all()


def test_kernels_keep_the_level_and_move_the_edges():
    """Inside a plain area nothing changes; at its edge a soft kernel lowers, a sharp one overshoots."""
    before = volume()
    soft, sharp = softer(0.8)(before).hu, sharper(1.0)(before).hu
    assert abs(int(soft[3, 20, 20]) - 40) <= 1
    assert abs(int(sharp[3, 20, 20]) - 40) <= 1
    assert soft[3, 10, 20] < 0
    assert sharp[3, 10, 20] > 41


def test_thick_slices_are_the_mean_of_two():
    """Half as many, twice as far apart, placed between; the odd one is left out."""
    after = thicker(volume())
    assert after.hu.shape[0] == len(after.instances) == len(after.positions_mm) == 4
    assert after.spacing_mm[0] == 10.0
    assert list(after.positions_mm) == [2.5, 12.5, 22.5, 32.5]
    assert after.hu[2, 13, 13] == 55


def test_tilting_turns_about_the_middle_in_millimetres():
    """No turn changes nothing; 10 degrees move 11 mm of depth by 1.9 mm of height."""
    before = volume()
    assert (nodding(0)(before).hu == before.hu).all()
    after = nodding(10)(before).hu.astype(float)
    weight = after[:, [14, 25], 20] + 1000
    front, back = (np.arange(9)[:, None] * weight).sum(axis=0) / weight.sum(axis=0)
    assert abs(abs(front - back) * 5 - 11 * np.tan(np.radians(10))) < 0.3


def test_a_shift_does_not_wrap_round():
    """Values stay within 16 bits."""
    high = volume()
    high.hu[0] = 32767
    assert shifted(5)(high).hu.max() == 32767
    assert (shifted(-5)(volume()).hu - volume().hu == -5).all()


def test_a_crop_keeps_the_middle():
    """5 % of each side: 2 of 40 columns."""
    assert cropped(0.05)(volume()).hu.shape == (9, 36, 36)


def test_a_refusal_is_a_result_and_no_change(monkeypatch):
    """What the model will not read is counted as refused, with its sentence; the rest is averaged."""

    def watch(source: Volume) -> dict[str, float]:
        if source.hu.shape[0] < 9:
            raise NoAnatomy("There is no head.")
        return {"chance": float(source.hu.max() > 70)}

    some = tuple(change for change in VOLUME_CHANGES if change.kind != "compression")  # the codec is not here
    monkeypatch.setattr(robustness, "changes_of", lambda _: some)
    trials = tried(watch, [Subject(name="block", source=volume(), label=True)])
    rows = {(row["change"], row["strength"]): row for row in summed(trials, 0.5)}
    assert next(t for t in trials if t.kind == "thickness").refused == "There is no head."
    assert rows["thickness", "doubled"]["refused"] == 1
    assert rows["shift", "+5 HU"]["calls_turned"] == 1
    assert rows["flip", "left and right"]["watched"]["chance"] == {"mean": 0.0, "largest": 0.0}


def test_the_largest_change_keeps_its_sign():
    """A fall of 0.4 is larger than a rise of 0.2."""
    made = [
        Trial(kind="noise", strength="1", subject=str(k), before={"chance": 0.5}, after={"chance": 0.5 + d})
        for k, d in enumerate((0.2, -0.4))
    ]
    (row,) = summed(made, 0.4)
    assert row["watched"]["chance"] == {"mean": -0.1, "largest": -0.4}
    assert row["calls_turned"] == 1
