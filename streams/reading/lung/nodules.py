"""A chest CT as measured candidates for a model, and what it says of them as nodules with their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from streams.contract import Answer, Option, Tensors
from streams.errors import ReadingBroken
from streams.events.reading import Lesion
from streams.reading.answers import KEY_INSTANCES, Answered, Outputs
from streams.reading.lung.candidates import Candidates, find_candidates, pyramid_of
from streams.reading.lung.grid import Axes, Grid, axes_of
from streams.reading.lung.lungs import Lungs, find_lungs
from streams.reading.lung.patches import centre_of, cut, hounsfield, patch_of
from streams.reading.lung.pieces import Piece, best_first, grouped, piece_at
from streams.reading.lung.rays import Measures, measures
from streams.reading.lung.sizes import Extent, extent
from streams.reading.masks import Mask, encode_mask
from streams.reading.pausing import between_steps
from streams.reading.tensors import NoAnatomy
from streams.reading.volume import Volume

LEAST_MM = 2.0
"""A smaller ball is no nodule that a slice could show."""
MOST_LOOKED_AT = 120
"""So many candidates are looked at, the likeliest first."""
CROWD, ON = 3, 0.55
"""So many of them at most on one nodule, within so much of its diameter from its middle: a large one has dozens."""
FINER_MM = 4.0
"""Between a candidate at which nothing can be outlined and one of a finer grid at which it is tried again."""
SHOWN = 0.5
"""Share of nodule from which a voxel is part of the mask."""
KNOWN = frozenset({"threshold", "interval", "most", "least_mm"})


@dataclass(frozen=True, slots=True, eq=False)
class LungPatches:
    """Candidates of a chest CT as a model's input, with the way back.

    measures: float32 `[n, COUNT]`, of the candidates' rays. patches: uint8 `[n, 1, 24, 24, 24]`, grey 0..255 =
        -1000..275 HU, of cubes of 1, 2 or 4 mm by the candidate's level.
    """

    measures: Measures
    patches: NDArray[np.uint8]
    candidates: Candidates
    grids: tuple[Grid, ...]
    lungs: Lungs
    axes: Axes

    @property
    def inputs(self) -> dict[str, Measures]:
        """The tensors by input name."""
        return {"MEASURES": self.measures}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The options of `lung_nodules`.

    Attributes:
        threshold: probability from which a candidate is told as a nodule.
        interval: (share, slope): the volume's 95 % interval reaches from it divided to it multiplied by
            1 + root of (share^2 + (slope x slice distance / diameter)^2).
        most: so many nodules are told at most.
        least_mm: smaller ones (longest diameter) are not told.
    """

    threshold: float
    interval: tuple[float, float]
    most: int
    least_mm: float


def rules_of(options: Mapping[str, Option]) -> Rules:
    """The options, checked.

    Raises:
        ValueError: a sentence that names the option.
    """
    if unknown := sorted(set(options) - KNOWN):
        raise ValueError(f"lung_nodules knows no option {unknown[0]}; it knows {', '.join(sorted(KNOWN))}.")
    threshold, most, least = (_number(options, *of) for of in (("threshold", 0.5), ("most", 20.0), ("least_mm", 3.0)))
    if not 0 < threshold < 1:
        raise ValueError("lung_nodules: threshold is a probability between 0 and 1.")
    interval = options.get("interval", (0.2, 0.5))
    if not isinstance(interval, tuple) or len(interval) != 2:
        raise ValueError("lung_nodules: interval is a share and a slope, such as [0.2, 0.5].")
    share, slope = (float(v) for v in interval)
    return Rules(threshold=threshold, interval=(share, slope), most=int(most), least_mm=least)


def _number(options: Mapping[str, Option], name: str, usual: float) -> float:
    value = options.get(name, usual)
    if isinstance(value, float | int):
        return float(value)
    raise ValueError(f"lung_nodules: {name} is a number.")


def lung_patches(volume: Volume, _tensors: Tensors) -> LungPatches:
    """Finds the lungs and what might be a nodule in them.

    Raises:
        NoAnatomy: there are no lungs in the pixels.
    """
    axes = axes_of(volume.hu.shape, volume.spacing_mm, volume.positions_mm)
    lungs = find_lungs(volume.hu, axes)
    if lungs is None:
        raise NoAnatomy("No lungs were found in the series.")
    between_steps()
    pyramid = pyramid_of(volume.hu, axes, lungs)
    between_steps()
    found = find_candidates(pyramid, lungs)
    if not len(found.index):  # the model is asked about something in any case
        middle = np.asarray([np.asarray(pyramid.grids[0].shape) // 2])
        found = Candidates(middle, np.zeros(1, np.int64), np.ones(1, np.float32), np.zeros((1, 3), np.float32))
    between_steps()
    told = measures(pyramid, lungs, found)
    return LungPatches(told, cut(pyramid, found), found, pyramid.grids, lungs, axes)


@dataclass(frozen=True, slots=True, eq=False)
class Nodule:
    """A nodule: its highest logit, and its extent on the slices."""

    logit: float
    extent: Extent


def lung_nodules(answer: Answer, outputs: Outputs, prepared: LungPatches, volume: Volume) -> Answered:
    """Nodules with their sizes, the likeliest first, and one mask of all; the study's logit is the highest one.

    Raises:
        ReadingBroken: the output does not have one entry for each candidate.
    """
    rules = rules_of(answer.options)
    logits = _checked(answer, outputs, len(prepared.measures))
    least = float(np.log(rules.threshold / (1 - rules.threshold)))
    found = nodules(prepared, volume, logits, least)
    told = [nodule for nodule in found if nodule.extent.diameter_mm >= rules.least_mm][: rules.most]
    notes: tuple[str, ...] = ()
    if len(found) > rules.most:
        notes = (f"More than {rules.most} places look like nodules; only the likeliest are told.",)
    slices = [nodule.extent.fullest for nodule in told[:KEY_INSTANCES]]
    return Answered(
        study_logit=told[0].logit if told else min(float(logits.max()), least - 1e-3),
        key_instances=tuple(dict.fromkeys(volume.instances[k] for k in slices)),
        mask=_mask(told, volume),
        mask_ml=sum(nodule.extent.volume_mm3 for nodule in told) / 1000,
        lesions=tuple(_lesion(k, n, prepared, volume, rules) for k, n in enumerate(told, start=1)),
        notes=notes,
    )


def _checked(answer: Answer, outputs: Outputs, count: int) -> NDArray[np.float64]:
    logits = np.asarray(outputs[answer.study_logit or "LOGIT"], dtype=np.float64).reshape(-1)
    if len(logits) != count:
        raise ReadingBroken(f"The model gave {len(logits)} scores for {count} candidates.")
    if not np.isfinite(logits).all():
        raise ReadingBroken("The model gave scores that are no numbers.")
    return logits


def nodules(prepared: LungPatches, volume: Volume, logits: NDArray[np.float64], least: float) -> list[Nodule]:
    """The nodules whose logit is `least` or higher, each once, the likeliest first."""
    pieces = _pieces(prepared, logits, least)
    out: list[Nodule] = []
    for group in grouped(pieces):
        for piece in best_first(group):
            measured = extent(volume.hu, prepared.axes, piece.patch, piece.mask)
            if measured is not None and measured.ball_mm >= LEAST_MM:
                out.append(Nodule(max(p.logit for p in group), measured))
                break
    return out


def _pieces(prepared: LungPatches, logits: NDArray[np.float64], least: float) -> list[Piece]:
    """What is outlined at the likeliest candidates, few of them on one nodule."""
    points = centre_of(prepared.grids, prepared.candidates)
    out: list[Piece] = []
    left = MOST_LOOKED_AT
    for k in np.argsort(-logits, kind="stable").tolist():
        if not left or logits[k] < least:
            break
        on = sum(float(np.linalg.norm(points[k] - piece.centre)) <= ON * piece.diameter for piece in out)
        if on < CROWD:
            left -= 1
            tried = (_piece(prepared, at, float(logits[k])) for at in (k, *_finer(prepared, points, k)))
            piece = next((piece for piece in tried if piece is not None), None)
            out += [] if piece is None else [piece]
    return out


def _finer(prepared: LungPatches, points: NDArray[np.float64], which: int) -> list[int]:
    """The nearest candidate of a finer grid: what is small there may be too small for cubes of this one."""
    finer = np.flatnonzero(prepared.candidates.level < prepared.candidates.level[which])
    away = np.linalg.norm(points[finer] - points[which], axis=1)
    return [int(finer[away.argmin()])] if len(finer) and away.min() <= FINER_MM else []


def _piece(prepared: LungPatches, which: int, logit: float) -> Piece | None:
    patch = patch_of(prepared.grids, prepared.candidates, which)
    level = int(prepared.candidates.level[which])
    return piece_at(patch, hounsfield(prepared.patches[which, 0]), prepared.lungs, level, logit)


def _lesion(number: int, nodule: Nodule, prepared: LungPatches, volume: Volume, rules: Rules) -> Lesion:
    seen = nodule.extent
    z, y, x = (float(v) for v in seen.centre)
    index = prepared.axes.index_of(seen.centre)
    where = (x, y, z) if volume.placing is None else volume.placing.patient((index[0], index[1], index[2]))
    share, slope = rules.interval
    spread = 1 + float(np.hypot(share, slope * volume.spacing_mm[0] / max(seen.ball_mm, 1.0)))
    return Lesion(
        label=f"n{number}",
        score=round(float(expit(nodule.logit)), 4),
        instance=volume.instances[seen.fullest],
        centre_mm=(round(where[0], 1), round(where[1], 1), round(where[2], 1)),
        place=prepared.lungs.place(seen.centre),
        side="R" if x < prepared.lungs.middle else "L",
        volume_mm3=round(seen.volume_mm3, 1),
        volume_low_mm3=round(seen.volume_mm3 / spread, 1),
        volume_high_mm3=round(seen.volume_mm3 * spread, 1),
        diameter_mm=round(seen.diameter_mm, 1),
        perpendicular_mm=round(seen.perpendicular_mm, 1),
        texture=seen.texture,
    )


def _mask(told: list[Nodule], volume: Volume) -> bytes | None:
    """All nodules on the stored slices."""
    if not told:
        return None
    bits = np.zeros(volume.hu.shape, np.bool_)
    for nodule in told:
        bits[nodule.extent.box] |= nodule.extent.share >= SHOWN
    return encode_mask(Mask(instances=volume.instances, bits=volume.axes.turn_back(bits)))
