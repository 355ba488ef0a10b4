"""A chest CT as measured candidates for a net, and what the net says of them as nodules with their sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

from streams.contract import Answer, Option, Tensors
from streams.errors import ReadingBroken
from streams.events.reading import Lesion
from streams.reading.answers import KEY_INSTANCES, Answered, Outputs
from streams.reading.lung.candidates import Candidates, find_candidates, pyramid_of
from streams.reading.lung.features import Features, features
from streams.reading.lung.grid import Axes, Grid, axes_of
from streams.reading.lung.lungs import Lungs, find_lungs
from streams.reading.lung.outlining import outline
from streams.reading.lung.patches import SIDE, Patch, cut, hounsfield, patch_of
from streams.reading.lung.sizes import Extent, Share, extent
from streams.reading.masks import Mask, encode_mask
from streams.reading.pausing import between_steps
from streams.reading.tensors import NoAnatomy
from streams.reading.volume import Volume

MARKED = 0.5
RIM = 2
"""A piece this near to the edge of its patch may go on beyond it."""
SAME = 0.6
"""Two pieces are of one nodule where their middles are nearer than this share of the larger one's diameter."""
SAME_MM = 2.5
LEAST_PART = 0.79
"""Of the diameter: half of the volume."""
LEAST_MM = 2.0
"""A smaller ball is no nodule that a slice could show."""
MOST_LOOKED_AT = 60
"""So many candidates are looked at, the likeliest first."""
SHOWN = 0.5
"""Share of nodule from which a voxel is part of the mask."""
KNOWN = frozenset({"threshold", "interval", "most", "least_mm"})


@dataclass(frozen=True, slots=True, eq=False)
class LungPatches:
    """Candidates of a chest CT as a net's input, with the way back.

    measures: float32 `[n, COUNT]`, of the patches. patches: uint8 `[n, 1, 24, 24, 24]`, grey 0..255 = -1000..275 HU,
        of cubes of 1, 2 or 4 mm by the candidate's level.
    """

    measures: Features
    patches: NDArray[np.uint8]
    candidates: Candidates
    grids: tuple[Grid, ...]
    lungs: Lungs
    axes: Axes

    @property
    def inputs(self) -> dict[str, Features]:
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
        found = Candidates(middle, np.zeros(1, np.int64), np.zeros(1, np.float32))
    patches = cut(pyramid, found)
    between_steps()
    return LungPatches(features(patches, found.level), patches, found, pyramid.grids, lungs, axes)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """What is outlined at one candidate."""

    logit: float
    level: int
    patch: Patch
    mask: Share
    centre: NDArray[np.float64]
    diameter: float
    whole: bool


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
    order = [int(k) for k in np.argsort(-logits, kind="stable")[:MOST_LOOKED_AT] if logits[k] >= least]
    pieces = [piece for k in order if (piece := _piece(prepared, k, float(logits[k]))) is not None]
    out: list[Nodule] = []
    for group in _grouped(pieces):
        for piece in _best_first(group):
            measured = extent(volume.hu, prepared.axes, piece.patch, piece.mask)
            if measured is not None and measured.ball_mm >= LEAST_MM:
                out.append(Nodule(max(p.logit for p in group), measured))
                break
    return out


def _piece(prepared: LungPatches, which: int, logit: float) -> Piece | None:
    """What is outlined at the middle of a patch; None where nothing can be."""
    between_steps()
    level = int(prepared.candidates.level[which])
    patch = patch_of(prepared.grids, prepared.candidates, which)
    share = outline(hounsfield(prepared.patches[which, 0]), _depth(prepared.lungs, patch))
    cubes = None if share is None else np.argwhere(share >= MARKED)
    if share is None or cubes is None or not len(cubes):
        return None
    diameter = float((6 * share.sum() / np.pi) ** (1 / 3)) * patch.grid.step
    whole = bool(cubes.min() >= RIM and cubes.max() < SIDE - RIM)
    return Piece(logit, level, patch, share, patch.grid.at(cubes.mean(axis=0)), diameter, whole)


def _depth(lungs: Lungs, patch: Patch) -> Share:
    """How many mm a patch's cubes lie inside the closed lungs."""
    points = np.stack(np.meshgrid(*(patch.grid.axis(k) for k in range(3)), indexing="ij"), axis=-1)
    at = np.moveaxis(lungs.grid.index_of(points), -1, 0)
    return np.asarray(ndimage.map_coordinates(lungs.depth, at, order=1, mode="nearest"), dtype=np.float32)


def _grouped(pieces: list[Piece]) -> Iterator[list[Piece]]:
    """Pieces of one nodule together, in the order of the likeliest of each."""
    groups: list[list[Piece]] = []
    for piece in pieces:
        for group in groups:
            if any(_same(piece, other) for other in group):
                group.append(piece)
                break
        else:
            groups.append([piece])
    yield from groups


def _same(one: Piece, other: Piece) -> bool:
    reach = max(SAME_MM, SAME * max(one.diameter, other.diameter))
    return bool(np.linalg.norm(one.centre - other.centre) <= reach)


def _best_first(group: list[Piece]) -> list[Piece]:
    """The finest patch that shows the nodule whole comes first; where none does, the widest.

    A piece with less than half of the volume of another whole one is a part of the nodule: a lobe, a solid core.
    """
    largest = max((p.diameter for p in group if p.whole), default=0.0)

    def order(piece: Piece) -> tuple[bool, int, float]:
        good = piece.whole and piece.diameter >= LEAST_PART * largest
        return not good, piece.level if good else -piece.level, -piece.logit

    return sorted(group, key=order)


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
