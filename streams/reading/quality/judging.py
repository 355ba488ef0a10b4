"""One report per series: every rule that applies to what the model needs, held against policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from streams.contract import Needs
from streams.events.imaging import InstanceFacts, SeriesFacts
from streams.events.quality import QUALITY_CODES
from streams.policy import QualityPolicy
from streams.reading.quality import coverage, grid, pixels
from streams.reading.quality.body import IN_PLANE, Body, body_of
from streams.reading.quality.features import features
from streams.reading.quality.look import DARKEST, Look, look_at
from streams.reading.quality.parts import MODEL, PARTS
from streams.reading.quality.projections import judge_views
from streams.reading.quality.report import Bench, SeriesQuality
from streams.reading.quality.scale import Scale, scale_of
from streams.reading.quality.sentences import ORGANS, SENTENCES
from streams.reading.views import Views
from streams.reading.volume import Volume

LOSSY = {f"1.2.840.10008.1.2.4.{n}" for n in ("50", "51")}
"""Transfer Syntax UIDs of JPEG, which always loses detail (PS3.5 A.4.1)."""
MAY_LOSE = {f"1.2.840.10008.1.2.4.{n}" for n in ("81", "91", "93", "203", "112")}
"""JPEG-LS near-lossless, JPEG 2000, HTJ2K, JPEG XL: they do, unless the header says that they did not."""
BURNT_IN = (
    "The header says that text is burnt into the pixels (0028,0301): send the images without annotations, and see "
    "whether they name the patient."
)
HEADER_PARTS: dict[str, tuple[str, ...]] = {
    "head": ("HEAD", "BRAIN", "SKULL"),
    "chest": ("CHEST", "LUNG", "THORAX"),
    "abdomen": ("ABDOMEN", "LIVER", "KIDNEY", "PANCREAS"),
    "pelvis": ("PELVIS", "HIP"),
    "extremity": ("EXTREMITY", "KNEE", "FOOT", "ANKLE", "LEG", "HAND", "WRIST", "ELBOW", "ARM"),
}
"""Body Part Examined (0018,0015; PS3.16 annex L) by the part that it stands for."""
TOLD_BY_SCALE = 200.0
"""HU: a scale that is off by more makes nonsense of whatever is measured in Hounsfield units."""
AIR_PIXELS = 500
AIR_SPREAD_HU = 60.0
"""Air is even; a lung that the field's edge cuts open is not."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the headers say of a series."""

    series: SeriesFacts
    instances: Sequence[InstanceFacts]


def judge(source: Volume | Views, told: Told, needs: Needs, policy: QualityPolicy) -> SeriesQuality:
    """The report on a series, or on an exam of views, for a model with these needs.

    Measures on some slices and coarse pixels: 0.3 s for 30 slices of a head, 1 s for 300 of a chest.
    """
    bench = Bench(policy)
    if any(_lossy(facts) for facts in told.instances):
        bench.note("lossy", SENTENCES["lossy"])
    if any(facts.burnt_in for facts in told.instances):
        bench.note("text", BURNT_IN)
    measured = {code for code, unit in QUALITY_CODES.items() if unit}
    for note in source.quality:
        if note.code in policy.severity and note.code not in measured:
            bench.note(note.code, note.sentence)
    if isinstance(source, Views):
        judge_views(source, bench)
        return bench.quality("breast" if needs.body_part == "breast" else "")
    _judge_grid(source, told, bench)
    scale = scale_of(source)
    bench.hold("wrapped", scale.wrapped * 100)
    bench.hold("windowed", scale.windowed * 100)
    bench.hold("scale", scale.off)
    if scale.windowed or (scale.off is not None and abs(scale.off) > TOLD_BY_SCALE):
        return bench.quality()  # what follows is measured in Hounsfield units
    return _judge_anatomy(source, told, needs, bench, scale)


def _lossy(facts: InstanceFacts) -> bool:
    """By Lossy Image Compression (0028,2110), which stands though the images were stored anew, and by the syntax."""
    may = facts.lossy is None and facts.transfer_syntax in MAY_LOSE
    return bool(facts.lossy) or facts.transfer_syntax in LOSSY or may


def _judge_grid(volume: Volume, told: Told, bench: Bench) -> None:
    bench.hold("tilted", volume.tilt_deg)
    bench.hold("uneven", grid.uneven(volume.positions_mm))
    thick = grid.thickness(volume.instances, told.instances)
    if thick is not None:
        bench.hold("gap", grid.unseen(volume.positions_mm, thick))
        bench.hold("overlap", grid.overlap(volume.positions_mm, thick))
    bench.hold("duplicates", grid.duplicates(volume))


@dataclass(frozen=True, slots=True)
class _Seen:
    look: Look
    body: Body
    shares: NDArray[np.float64]
    part: NDArray[np.int64]

    @property
    def main(self) -> str:
        return PARTS[int(np.bincount(self.part, minlength=len(PARTS)).argmax())]

    def surest(self, part: str) -> float:
        """How sure the model is, in %, of the slices where it is surest that they show this part."""
        return float(self.shares[:, PARTS.index(part)].max() * 100)


def _judge_anatomy(volume: Volume, told: Told, needs: Needs, bench: Bench, scale: Scale) -> SeriesQuality:
    look = look_at(volume)
    body = body_of(look)
    shares = MODEL.probabilities(features(look, body), look.step_mm)
    seen = _Seen(look, body, shares, shares.argmax(1))
    bench.hold("air", _air(look, body))
    bench.hold("tissue", _unusual(scale.tissue))
    shown = _judge_part(seen, told.series, needs, bench)
    bench.hold("upside-down", coverage.upside_down(look, body, seen.part))
    bench.hold("back-to-front", coverage.spine_in_front(body, seen.part))
    head = needs.body_part == "head" and shown
    bench.hold("metal", pixels.metal(look, body, head=head))
    bench.hold("noise-head" if head else "noise", pixels.noise(volume, look, body))
    bench.hold("text", float(pixels.text(volume, look, body)))
    if shown:
        _judge_organ(seen, needs, bench)
    return bench.quality(seen.main)


def _unusual(tissue: float | None) -> float | None:
    """HU of soft tissue where it is outside of what muscle, brain and organs have; else 0."""
    if tissue is None:
        return None
    return 0.0 if 10 <= tissue <= 110 else tissue


def _air(look: Look, body: Body) -> float | None:
    """How far the air round the patient is from -1000 HU; None where none is shown."""
    outside = ~ndimage.binary_dilation(body.body, IN_PLANE, iterations=3)
    air = look.hu[outside & (look.hu > DARKEST + 1) & (look.hu < -700)]
    if len(air) < AIR_PIXELS:
        return None
    low, middle, high = np.percentile(air, [25, 50, 75])
    return float(middle) + 1000 if high - low <= AIR_SPREAD_HU else None


def _judge_part(seen: _Seen, facts: SeriesFacts, needs: Needs, bench: Bench) -> bool:
    """Whether the pixels show what the model reads, and what the header says."""
    if needs.body_part in PARTS:
        sure = seen.surest(needs.body_part)
        bench.hold("body-part", sure, below=True, part=needs.body_part, seen=_looks_like(seen))
        if sure < bench.policy.threshold["body-part"]:
            return False
    words = set(facts.body_part.split())
    said = [part for part, names in HEADER_PARTS.items() if words.intersection(names)]
    if said and needs.body_part not in said:
        sure = max(seen.surest(part) for part in said)
        bench.hold("header-part", sure, below=True, part=" and ".join(said), seen=_looks_like(seen))
    return True


def _looks_like(seen: _Seen) -> str:
    return "nothing of a patient" if seen.main == "none" else f"{seen.main}"


def _judge_organ(seen: _Seen, needs: Needs, bench: Bench) -> None:
    """What only a head, or only a chest, has."""
    look, body = seen.look, seen.body
    organ = ORGANS.get(needs.body_part, "body")
    if needs.body_part == "head":
        top, bottom = coverage.ends_of_head(look, body)
        bench.hold("vertex", top)
        bench.hold("skull-base", bottom)
        bench.hold("motion", pixels.motion(look, body))
        bench.hold("fov", coverage.at_the_edge(look, body.body), organ=organ)
        if needs.contrast == "none":
            bench.hold("contrast", pixels.bright_in_head(look, body))
        return
    if needs.body_part == "chest":
        top, bottom = coverage.ends_of_lungs(look, body)
        bench.hold("apex", top)
        bench.hold("lung-base", bottom)
        bench.hold("fov", coverage.at_the_edge(look, body.lungs), organ=organ)
    if needs.contrast == "none":
        bench.hold("contrast-trunk", pixels.bright_in_trunk(look, body))
