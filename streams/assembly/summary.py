"""A whole series in a few figures, from the headers of its instances in whatever order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isclose, isfinite
from statistics import median
from typing import Literal

from streams.assembly.state import SeriesSoFar
from streams.events.imaging import InstanceFacts, SeriesSummary

Vector = tuple[float, float, float]
PlaneName = Literal["axial", "coronal", "sagittal", "mixed", "none"]

FAULTS_MOST = 8
CONFLICTED = "an image came again with other bytes; the first is kept"
FOREIGN = "some of its images name another patient than the study does"
LET_GO = "its earlier images were let go long ago; these came since"
_PLANES: tuple[PlaneName, PlaneName, PlaneName] = ("sagittal", "coronal", "axial")


def summarise(series: SeriesSoFar, instances: Sequence[InstanceFacts], manifest: str) -> SeriesSummary:
    """The summary of a series that is whole.

    Localizers and screenshots among its images are left out of its geometry, where there are others.
    """
    assert series.facts
    assert series.whole_by
    assert series.first_stored_at
    assert series.last_stored_at
    ordered = sorted(instances, key=lambda i: i.instance)
    images = [i for i in ordered if not i.localizer] or ordered
    originals = [i for i in images if not i.derived] or images
    placed = [(n, i.position_mm) for i in originals if (n := normal(i.orientation)) and _finite(i.position_mm)]
    thickness = [
        i.thickness_mm for i in originals if i.thickness_mm and isfinite(i.thickness_mm) and i.thickness_mm > 0
    ]
    thick = round(median(thickness), 3) if thickness else None
    along = sorted({round(_dot(placed[0][0], p), 2) for _n, p in placed if p}) if placed else []
    return SeriesSummary(
        facts=series.facts,
        count=len(ordered),
        manifest=manifest,
        whole_by=series.whole_by,
        localizer=all(i.localizer for i in ordered),
        derived=all(i.derived for i in images),
        multiframe=any(i.frames > 1 for i in originals),
        pixels=any(i.rows > 0 and i.columns > 0 for i in originals),
        views=tuple(sorted({i.view.position for i in images if i.view and i.view.position})),
        orientation=_plane([n for n, _p in placed]),
        coverage_mm=round(along[-1] - along[0] + (thick or 0.0), 2) if along else 0.0,
        spacing_mm=round(median(b - a for a, b in pairwise(along)), 3) if along[1:] else None,
        thickness_mm=thick,
        faults=_faults(series, ordered),
        first_stored_at=series.first_stored_at,
        last_stored_at=series.last_stored_at,
    )


def normal(orientation: Sequence[float] | None) -> Vector | None:
    """The slice's normal, row direction cross column direction (PS3.3 C.7.6.2.1.1); None: they are no directions."""
    if orientation is None or not all(map(isfinite, orientation)):
        return None
    (a, b, c), (d, e, f) = orientation[:3], orientation[3:]
    cross = (b * f - c * e, c * d - a * f, a * e - b * d)
    return cross if isclose(_dot(cross, cross), 1.0, abs_tol=0.05) else None


def _plane(normals: Sequence[Vector]) -> PlaneName:
    """By the axis of the patient that each normal is nearest to: a tilted gantry is still axial."""
    names = {_PLANES[max(range(3), key=lambda axis: (abs(n[axis]), axis))] for n in normals}
    if not names:
        return "none"
    return names.pop() if len(names) == 1 else "mixed"


def _faults(series: SeriesSoFar, instances: Sequence[InstanceFacts]) -> tuple[str, ...]:
    flags = ((series.conflicted, CONFLICTED), (series.foreign, FOREIGN), (series.let_go, LET_GO))
    own = [sentence for flag, sentence in flags if flag]
    seen = sorted({i.fault for i in instances if i.fault})
    kept = (*own, *seen[: FAULTS_MOST - len(own)])
    more = len(own) + len(seen) - len(kept)
    return (*kept, f"and {more} faults more") if more else kept


def _dot(one: Vector, other: Vector) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _finite(position: Vector | None) -> bool:
    return position is not None and all(map(isfinite, position))
