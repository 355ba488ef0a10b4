"""A sound head, a sound chest, and each with every fault that policy knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from streams.adapters.policy_files import read_policies
from streams.contract import Needs
from streams.events.imaging import InstanceFacts, SeriesFacts
from streams.events.reading import QualityNote
from streams.reading.quality.judging import Told, judge
from streams.reading.quality.report import SeriesQuality
from streams.reading.volume import Volume
from tests.support.painted import CHEST_MM, chest, head, volume
from tests.support.slices import facts

POLICY = read_policies(Path(__file__).parents[2] / "deploy" / "policies", {}).quality
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
    stored = np.clip(hu if changed is None else changed, -32768, 32767).astype(np.int16)
    spacing = whole.volume.spacing_mm
    return replace(whole, volume=volume(stored, spacing), instances=thick(len(stored), 5.0, 5.0))


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
    return np.asarray(np.clip(hu, 0, 80))


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
