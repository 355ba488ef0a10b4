"""Every fault that policy names is told of a series that has it, and not of the same series without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.adapters.policy_files import read_policies
from streams.contract import Needs
from streams.errors import QualityRejected
from streams.events.imaging import InstanceFacts, SeriesFacts
from streams.events.quality import QUALITY_CODES
from streams.events.reading import QualityNote
from streams.reading.quality.judging import Told, judge
from streams.reading.quality.report import SeriesQuality
from streams.reading.volume import Volume
from tests.support.painted import CHEST_MM, HEAD_MM, chest, head, volume
from tests.support.slices import facts

POLICY = read_policies(Path(__file__).parents[4] / "deploy" / "policies", {}).quality
HEAD = Needs(modality=("CT",), body_part="head", contrast="none")
CHEST = Needs(modality=("CT",), body_part="chest", contrast="none")
JPEG = "1.2.840.10008.1.2.4.51"


@dataclass(frozen=True)
class Asked:
    """A series and what it is judged for."""

    volume: Volume
    needs: Needs
    series: SeriesFacts = SeriesFacts(series="1.2.3", modality="CT")  # noqa: RUF009  # frozen
    instances: tuple[InstanceFacts, ...] = field(default=())

    def judged(self) -> SeriesQuality:
        return judge(self.volume, Told(self.series, self.instances), self.needs, POLICY)


def thick(count: int, thickness_mm: float, step: float, **changes: Any) -> tuple[InstanceFacts, ...]:
    return tuple(facts(n, (n - 1) * step, thickness_mm=thickness_mm, **changes) for n in range(1, count + 1))


def a_head(**changes: Any) -> Asked:
    return replace(Asked(volume(head()), HEAD, instances=thick(30, 5.0, 5.0)), **changes)


def a_chest(**changes: Any) -> Asked:
    return replace(Asked(volume(chest(), CHEST_MM), CHEST, instances=thick(70, 5.0, 5.0)), **changes)


Change = Callable[[np.ndarray], np.ndarray | None]


def pixels(change: Change, asked: Callable[..., Asked] = a_head) -> Asked:
    """The series with other pixels; `change` may work in place."""
    whole = asked()
    hu = whole.volume.hu.astype(np.int32)
    changed = change(hu)
    hu = np.clip(hu if changed is None else changed, -32768, 32767).astype(np.int16)
    spacing = whole.volume.spacing_mm
    return replace(whole, volume=volume(hu, spacing), instances=thick(len(hu), 5.0, 5.0))


def put(value: int, *where: slice) -> Change:
    def change(hu: np.ndarray) -> None:
        hu[where] = value

    return change


def positions(asked: Asked, positions_mm: np.ndarray) -> Asked:
    return replace(asked, volume=replace(asked.volume, positions_mm=positions_mm))


def noted(code: str) -> Asked:
    asked = a_head()
    note = QualityNote(code=code, sentence="The headers say so.")
    return replace(asked, volume=replace(asked.volume, quality=(note,)))


def moved(hu: np.ndarray) -> None:
    hu[15:22] = np.roll(hu[15:22], 9, axis=2)


def written(hu: np.ndarray) -> None:
    """Twelve characters of 9 x 5 pixels in a corner of every slice, as a console writes them."""
    for k in range(12):
        hu[:, 6:15, 6 + 8 * k : 11 + 8 * k] = 3000
        hu[:, 8:13, 8 + 8 * k : 9 + 8 * k] = -1000


def vessels(hu: np.ndarray) -> None:
    z, y, x = np.ogrid[: hu.shape[0], : hu.shape[1], : hu.shape[2]]
    for cy, cx in ((70, 80), (70, 112), (90, 96), (120, 90), (115, 105), (100, 70), (100, 122)):
        hu[(np.hypot(y - cy, x - cx) < 4) & (z > 5) & (z < 20)] = 260


def stained(hu: np.ndarray) -> None:
    _, y, x = np.ogrid[: hu.shape[0], : hu.shape[1], : hu.shape[2]]
    hu[(np.hypot(y - 80, x - 95) < 14) & (hu > 0)] = 220


def noisy(hu: np.ndarray) -> np.ndarray:
    return hu + np.rint(np.random.default_rng(3).normal(0, 15, hu.shape)).astype(np.int32)


def very_noisy(hu: np.ndarray) -> np.ndarray:
    return hu + np.rint(np.random.default_rng(3).normal(0, 60, hu.shape)).astype(np.int32)


def screws(hu: np.ndarray) -> None:
    hu[8:24, 90:100, 60:70] = 3071


def long_gap() -> Asked:
    places = np.arange(30) * 5.0
    places[15:] += 20.0
    return positions(a_head(), places)


def overlapping() -> Asked:
    return replace(positions(a_head(), np.arange(30) * 1.0), instances=thick(30, 5.0, 1.0))


def doubled(hu: np.ndarray) -> None:
    hu[12] = hu[11]


def cut_off(hu: np.ndarray) -> np.ndarray:
    return hu[:, :, 44:]


def lungs_cut(hu: np.ndarray) -> np.ndarray:
    return hu[:, :, 62:]


def windowed(hu: np.ndarray) -> np.ndarray:
    return np.clip(hu, 0, 80)


def shifted(by: int) -> Change:
    return lambda hu: hu + by


FAULTS: dict[str, Callable[[], Asked]] = {
    "acquired-twice": lambda: noted("acquired-twice"),
    "air": lambda: pixels(lambda hu: np.where(hu < -700, hu + 90, hu)),
    "apex": lambda: pixels(lambda hu: hu[:45], a_chest),
    "back-to-front": lambda: pixels(lambda hu: hu[:, ::-1], a_chest),
    "body-part": lambda: a_chest(needs=HEAD),
    "clipped": lambda: noted("clipped"),
    "contrast": lambda: pixels(vessels),
    "contrast-trunk": lambda: pixels(stained, a_chest),
    "derived": lambda: noted("derived"),
    "duplicates": lambda: pixels(doubled),
    "fov": lambda: pixels(cut_off),
    "gap": long_gap,
    "header-part": lambda: a_chest(
        needs=replace(CHEST, body_part="any"), series=SeriesFacts(series="1", modality="CT", body_part="HEAD")
    ),
    "incomplete": lambda: noted("incomplete"),
    "left-out": lambda: noted("left-out"),
    "lossy": lambda: a_head(instances=thick(30, 5.0, 5.0, transfer_syntax=JPEG)),
    "lung-base": lambda: pixels(lambda hu: hu[30:], a_chest),
    "metal": lambda: pixels(screws),
    "motion": lambda: pixels(moved),
    "noise": lambda: pixels(very_noisy, a_chest),
    "noise-head": lambda: pixels(noisy),
    "overlap": overlapping,
    "scale": lambda: pixels(shifted(1024)),
    "shifted": lambda: noted("shifted"),
    "skull-base": lambda: pixels(lambda hu: hu[10:]),
    "text": lambda: pixels(written),
    "tilted": lambda: a_head(volume=replace(volume(head()), tilt_deg=27.0)),
    "tissue": lambda: pixels(lambda hu: np.where((hu > -50) & (hu < 100), hu + 90, hu)),
    "uneven": long_gap,
    "upside-down": lambda: pixels(lambda hu: hu[::-1]),
    "vertex": lambda: pixels(lambda hu: hu[:20]),
    "windowed": lambda: pixels(windowed),
    "wrapped": lambda: pixels(lambda hu: np.where(hu < -500, hu + 31000, hu)),
}
IGNORED = {code for code, severity in POLICY.severity.items() if severity == "ignore"}


@cache
def judged(code: str) -> SeriesQuality:
    """The report on the series that has this fault."""
    return FAULTS[code]().judged()


def codes(quality: SeriesQuality) -> set[str]:
    return {fault.code for fault in quality.faults}


@pytest.mark.parametrize("asked", [a_head, a_chest])
def test_a_sound_series_has_no_fault(asked: Callable[[], Asked]):
    """Nothing is told of it, it is read, and what it shows is known."""
    quality = asked().judged()
    assert quality.faults == ()
    assert quality.notes == ()
    quality.demand()
    assert quality.part == asked().needs.body_part
    assert len(quality.measured) > 15


def test_every_fault_is_tried():
    """A code that policy decides about can happen."""
    assert set(FAULTS) == set(QUALITY_CODES)


@pytest.mark.parametrize("code", sorted(set(FAULTS) - IGNORED))
def test_a_fault_is_told(code: str):
    """Under its code, with the severity of policy, the unit, and a whole sentence."""
    found = {fault.code: fault for fault in judged(code).faults}
    assert code in found
    fault = found[code]
    assert fault.severity == POLICY.severity[code]
    assert fault.unit == QUALITY_CODES[code]
    assert fault.sentence[0].isupper()
    assert fault.sentence.endswith(".")
    assert "{" not in fault.sentence
    assert (fault.value is None) == (fault.threshold is None)


@pytest.mark.parametrize("code", sorted(set(FAULTS) - {"body-part", "scale", "wrapped"}))
def test_what_can_be_read_is_not_rejected(code: str):
    """Only what makes an answer meaningless takes the answer away: a rejected study raises no alert."""
    judged(code).demand()


@pytest.mark.parametrize("code", ["body-part", "scale", "wrapped"])
def test_what_makes_no_sense_is_rejected(code: str):
    """With the sentence for the technologist as its reason."""
    quality = judged(code)
    with pytest.raises(QualityRejected, match=r"\.$"):
        quality.demand()
    assert quality.faults[0].severity == "reject"


@pytest.mark.parametrize("code", sorted(IGNORED))
def test_what_policy_ignores_is_measured_only(code: str):
    """Nobody is told; what has a unit stands among the measurements."""
    quality = judged(code)
    assert code not in codes(quality)
    if QUALITY_CODES[code]:
        (measured,) = [m for m in quality.measured if m.code == code]
        assert measured.value >= POLICY.threshold[code]


def test_policy_decides():
    """Another threshold makes another fault of the same measurement, another severity another outcome."""
    tilted = a_head(volume=replace(volume(head()), tilt_deg=12.0))
    strict = replace(
        POLICY, threshold={**POLICY.threshold, "tilted": 10}, severity={**POLICY.severity, "tilted": "reject"}
    )
    assert tilted.judged().faults == ()
    quality = judge(tilted.volume, Told(tilted.series, tilted.instances), HEAD, strict)
    with pytest.raises(QualityRejected, match=r"tilted by 12\.0 degrees"):
        quality.demand()


def test_a_bleed_is_no_fault():
    """Fresh blood of 60 ml is neither contrast agent nor anything else that lowers what is claimed."""

    def bleed(hu: np.ndarray) -> None:
        z, y, x = np.ogrid[: hu.shape[0], : hu.shape[1], : hu.shape[2]]
        ball = ((z - 14) * 5.0) ** 2 + ((y - 80) * 1.2) ** 2 + ((x - 70) * 1.2) ** 2 < 24**2
        hu[ball] += 38

    assert pixels(bleed).judged().faults == ()


def test_a_tilted_or_turned_head_is_still_a_head():
    """Sheared, mirrored, smaller or cut at the neck: the part is known, nothing is rejected."""
    sheared = np.stack([np.roll(plane, 2 * k - 30, axis=0) for k, plane in enumerate(head())])
    for hu in (sheared, head()[:, :, ::-1], head()[:, ::-1], head()[4:], head()[:, ::2, ::2]):
        spacing = HEAD_MM if hu.shape[1] == 192 else (5.0, 2.4, 2.4)
        quality = replace(a_head(), volume=volume(np.ascontiguousarray(hu), spacing)).judged()
        quality.demand()
        assert quality.part == "head"


def test_air_alone_is_no_patient():
    """Nothing in the field of view: rejected as what it is."""
    empty = pixels(lambda hu: np.full_like(hu, -1000) + np.arange(hu.shape[2]) % 7)
    with pytest.raises(QualityRejected, match="nothing of a patient"):
        empty.judged().demand()


def test_the_same_series_gets_the_same_report():
    """To the last digit: a crash repeats what was said."""
    assert a_head().judged() == a_head().judged()


J2K, JPEG_LS = "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.80"


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"lossy": True}, True),
        ({"lossy": True, "transfer_syntax": JPEG_LS}, True),
        ({"lossy": False, "transfer_syntax": J2K}, False),
        ({"lossy": False, "transfer_syntax": JPEG}, True),
        ({"transfer_syntax": J2K}, True),
        ({"transfer_syntax": JPEG_LS}, False),
    ],
)
def test_loss_is_told_by_the_header_and_the_syntax(told: dict[str, Any], found: bool):
    """Detail that is gone stays gone when the images are stored anew without loss (PS3.3 C.7.6.1.1.5)."""
    assert ("lossy" in codes(a_head(instances=thick(30, 5.0, 5.0, **told)).judged())) is found


def test_the_header_tells_of_text_too():
    """Burned In Annotation (0028,0301)."""
    assert codes(a_head(instances=thick(30, 5.0, 5.0, burnt_in=True)).judged()) == {"text"}
