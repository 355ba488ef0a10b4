"""The slices as a grid: what lies between them unseen, what overlaps, what is there twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streams.events.imaging import InstanceFacts
from streams.reading.volume import Volume

SAMPLE = 8


def uneven(positions: NDArray[np.float64]) -> float:
    """Largest deviation of a distance from the median one, in % of it."""
    steps = np.diff(positions)
    if not len(steps):
        return 0.0
    median = float(np.median(steps))
    return float(np.abs(steps - median).max() / median * 100)


def thickness(slices: Sequence[str], instances: Sequence[InstanceFacts]) -> NDArray[np.float64] | None:
    """Slice Thickness (0018,0050) of these slices, by SOP Instance UID; None where it is not told of each."""
    told = {facts.instance: facts.thickness_mm for facts in instances if facts.thickness_mm}
    return np.asarray([told[uid] for uid in slices]) if all(uid in told for uid in slices) else None


def unseen(positions: NDArray[np.float64], thick_mm: NDArray[np.float64]) -> float:
    """% of the length that no slice covers."""
    steps = np.diff(positions)
    if not len(steps):
        return 0.0
    covered = (thick_mm[1:] + thick_mm[:-1]) / 2
    return float(np.maximum(steps - covered, 0).sum() / steps.sum() * 100)


def overlap(positions: NDArray[np.float64], thick_mm: NDArray[np.float64]) -> float:
    """% of a slice's thickness that its neighbour shows too."""
    steps = np.diff(positions)
    if not len(steps):
        return 0.0
    thick = float(np.median(thick_mm))
    return float(max(0.0, thick - np.median(steps)) / thick * 100)


def duplicates(volume: Volume) -> int:
    """Slices whose pixels are those of the slice below, though they lie elsewhere; empty ones do not count."""
    rows, columns = volume.hu.shape[1] // 3 % SAMPLE, volume.hu.shape[2] // 3 % SAMPLE
    sample = volume.hu[:, rows::SAMPLE, columns::SAMPLE]
    same = (sample[1:] == sample[:-1]).all((1, 2)) & (np.ptp(sample[1:], axis=(1, 2)) > 0)
    full = [index for index in np.flatnonzero(same) if np.array_equal(volume.hu[index], volume.hu[index + 1])]
    return len(full)
