"""Masks compared: Dice and the 95 % Hausdorff distance, mean and median over cases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt

from streams.oversight.evaluation import BOOTSTRAP, Groups
from training.evidence.cases import Bits, MaskPair, Overlap
from training.evidence.figure import Figure

MARGIN = 2
FEWEST = 5


def dice(one: Bits, other: Bits) -> float:
    """Twice the common voxels over the sum of both (Dice 1945); 1 where both masks are empty."""
    total = int(one.sum()) + int(other.sum())
    return 1.0 if not total else 2 * int((one & other).sum()) / total


def hausdorff_95(one: Bits, other: Bits, spacing_mm: tuple[float, ...]) -> float | None:
    """The larger of both directed 95th percentiles of distances between the borders, in mm (Huttenlocher 1993).

    None: a mask is empty, so that there is no distance.
    """
    if not one.any() or not other.any():
        return None
    one, other = _cropped(one, other)
    first, second = _border(one), _border(other)
    there = distance_transform_edt(~second, sampling=spacing_mm)[first]
    back = distance_transform_edt(~first, sampling=spacing_mm)[second]
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def _border(mask: Bits) -> Bits:
    return np.asarray(mask & ~binary_erosion(mask), bool)


def _cropped(one: Bits, other: Bits) -> tuple[Bits, Bits]:
    """Both in their common box, a margin of background around it."""
    box = [slice(int(k.min()), int(k.max()) + 1) for k in np.nonzero(one | other)]
    return np.pad(one[tuple(box)], MARGIN), np.pad(other[tuple(box)], MARGIN)


def overlap(judged: Overlap) -> list[Figure]:
    """Figures of all cases and of each stratum. A mask missing where one is true has Dice 0 and no distance.

    Raises:
        ValueError: the masks of a pair have different shapes.
    """
    kept = [(pair.group, pair.stratum, *_compared(judged.about, pair)) for pair in judged.masks]
    rows = _rows(judged.about, kept, "")
    kinds = sorted({stratum for _, stratum, _, _ in kept if stratum})
    for stratum in kinds if len(kinds) > 1 else ():
        rows += [
            r for r in _rows(judged.about, [k for k in kept if k[1] == stratum], stratum) if r.what == "Dice, mean"
        ]
    return rows


def _compared(about: str, pair: MaskPair) -> tuple[float, float | None]:
    if pair.found.shape != pair.truth.shape:
        raise ValueError(f"{about}: the masks of {pair.name} are {pair.found.shape} and {pair.truth.shape}.")
    found, truth = np.asarray(pair.found, bool), np.asarray(pair.truth, bool)
    return dice(found, truth), hausdorff_95(found, truth, pair.spacing_mm)


def _rows(about: str, kept: list[tuple[str, str, float, float | None]], stratum: str) -> list[Figure]:
    overlaps = np.asarray([value for _, _, value, _ in kept])
    rows = [
        _statistic(about, "Dice, mean", overlaps, [g for g, *_ in kept], stratum),
        _statistic(about, "Dice, median", overlaps, [g for g, *_ in kept], stratum, median=True),
    ]
    far = [(group, value) for group, _, _, value in kept if value is not None]
    if far:
        names = [group for group, _ in far]
        what = "95 % Hausdorff distance, median"
        rows.append(_statistic(about, what, np.asarray([v for _, v in far]), names, stratum, median=True))
    return [row if "Dice" in row.what else _in_mm(row) for row in rows]


def _in_mm(row: Figure) -> Figure:
    return Figure(
        about=row.about, what=row.what, stratum=row.stratum, value=row.value, unit="mm", low=row.low, high=row.high,
        n=row.n, groups=row.groups, method=row.method,
    )  # fmt: skip


def _statistic(
    about: str, what: str, values: NDArray[np.float64], names: list[str], stratum: str, *, median: bool = False
) -> Figure:  # fmt: skip
    """Mean or median with its interval by groups drawn anew; below five groups none is given."""
    of = np.median if median else np.mean
    groups = Groups.of(names)
    between = groups.drawn_anew(lambda places: float(of(values[places]))) if len(groups.members) >= FEWEST else None
    low, high = between or (None, None)
    return Figure(
        about=about, what=what, stratum=stratum, value=float(of(values)), low=low, high=high, n=len(values),
        groups=len(groups.members), method=BOOTSTRAP if between else "",
    )  # fmt: skip
