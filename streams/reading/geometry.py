"""Order and check the slices of a series by their headers, before a pixel is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import cast

import numpy as np
from numpy.typing import NDArray

from streams.contract import Needs
from streams.errors import QualityRejected
from streams.events.imaging import InstanceFacts, SeriesFacts
from streams.events.reading import QualityNote
from streams.reading.duplicates import Placed, one_per_position
from streams.reading.planes import Axes, Orientation, Plane, plane_of
from streams.reading.slices import Names, noted, readable_slices

SAME_POSITION_MM = 0.01
"""Positions nearer than this are one: the decimal strings of a header round at about 0.001 mm."""
SAME_DIRECTION_DEG = 1.0
COVERED_BY_THICKNESS = 1.1
"""A distance up to this much of the slices' own thickness leaves no anatomy out."""
UNEVEN = 0.1
"""Distances that differ by more than this share of their median are noted."""
TILT_NOTED_DEG = 1.0
SHIFT_NOTED_MM = 2.0
LARGEST_PIXEL_MM = 10.0
LARGEST_SLICE_MM = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Slices in order from foot to head, and the grid that they make.

    Attributes:
        instances: one for each slice.
        positions_mm: along the normal, strictly ascending.
        spacing_mm: dz (median distance), dy, dx of the patient's axes.
        rows, columns: of the stored pixels, before they are turned.
    """

    instances: tuple[InstanceFacts, ...]
    positions_mm: tuple[float, ...]
    spacing_mm: tuple[float, float, float]
    rows: int
    columns: int
    tilt_deg: float
    axes: Axes
    quality: tuple[QualityNote, ...]


def arrange(series: SeriesFacts, instances: Sequence[InstanceFacts], needs: Needs) -> Geometry:
    """Order the instances of a series and hold them against what a model needs.

    Raises:
        QualityRejected: a sentence for a technologist: what is wrong, where, by how much.
    """
    slices, notes = readable_slices(instances)
    pixel_mm = _pixel_spacing(series)
    plane = _common_plane(slices)
    if plane.name != "axial":
        raise QualityRejected(f"The slices are {plane.name}; only axial series are read.")
    placed: list[Placed] = [(float(plane.normal @ np.asarray(f.position_mm)), f) for f in slices]
    placed, doubled = one_per_position(placed, SAME_POSITION_MM)
    positions = np.asarray([position for position, _ in placed])
    ordered = tuple(facts for _, facts in placed)
    notes += doubled + _distances(positions, ordered, needs) + _told(plane, ordered) + _shift(plane, ordered)
    _enough(positions, ordered, needs)
    dy, dx = reversed(pixel_mm) if plane.axes.transpose else pixel_mm
    return Geometry(
        instances=ordered,
        positions_mm=tuple(positions.tolist()),
        spacing_mm=(float(np.median(np.diff(positions))), dy, dx),
        rows=ordered[0].rows,
        columns=ordered[0].columns,
        tilt_deg=plane.tilt_deg,
        axes=plane.axes,
        quality=tuple(notes),
    )


def _pixel_spacing(series: SeriesFacts) -> tuple[float, float]:
    spacing = series.pixel_spacing_mm
    if spacing is None:
        raise QualityRejected("The size of a pixel is not told: Pixel Spacing (0028,0030) is missing.")
    if not all(isfinite(mm) and 0 < mm <= LARGEST_PIXEL_MM for mm in spacing):
        raise QualityRejected(f"Pixel Spacing (0028,0030) of {spacing[0]} x {spacing[1]} mm cannot be.")
    return spacing


def _common_plane(slices: Sequence[InstanceFacts]) -> Plane:
    names = Names(slices)
    first: Plane | None = None
    for facts in slices:
        plane = plane_of(cast("Orientation", facts.orientation))
        if plane is None:
            raise QualityRejected(f"Slice {names.of(facts)} has an orientation that is no orientation.")
        first = first or plane
        cosine = float(np.clip(plane.normal @ first.normal, -1.0, 1.0))
        turned = plane.name == "axial" and plane.axes != first.axes
        if turned or np.degrees(np.arccos(cosine)) > SAME_DIRECTION_DEG:
            which = names.pair(slices[0], facts)
            raise QualityRejected(f"The slices lie in different directions (slices {which}).")
    assert first is not None
    return first


def _distances(positions: NDArray[np.float64], ordered: Sequence[InstanceFacts], needs: Needs) -> list[QualityNote]:
    """Gaps are refused, uneven distances noted."""
    if len(ordered) < 2:
        raise QualityRejected("The series holds one slice; a stack of slices is needed.")
    distances = np.diff(positions)
    median = float(np.median(distances))
    names = Names(ordered)
    gaps = []
    for index, distance in enumerate(distances):
        thickness = _thickness(ordered[index : index + 2])
        if distance > needs.max_gap * median and distance > COVERED_BY_THICKNESS * thickness:
            gaps.append((distance, names.pair(ordered[index], ordered[index + 1])))
    if gaps:
        distance, which = max(gaps, key=lambda gap: gap[0])
        more = f", and {len(gaps) - 1} more" if len(gaps) > 1 else ""
        where = f"between slices {which} (spacing {median:.3g} mm){more}"
        raise QualityRejected(f"Gap of {distance:.3g} mm {where}: slices are missing.")
    if float(np.abs(distances - median).max()) > UNEVEN * median:
        low, high = distances.min(), distances.max()
        return [noted("uneven", f"The slices lie {low:.3g} to {high:.3g} mm apart.")]
    return []


def _thickness(slices: Sequence[InstanceFacts]) -> float:
    """Mean thickness of these slices in mm; 0 where it is not told."""
    told = [facts.thickness_mm or 0.0 for facts in slices]
    known = [mm for mm in told if 0 < mm <= LARGEST_SLICE_MM]
    return sum(known) / len(known) if known else 0.0


def _told(plane: Plane, ordered: Sequence[InstanceFacts]) -> list[QualityNote]:
    """What the headers tell beside the grid: tilt, derivation, a number of images that did not all come."""
    notes = []
    if plane.tilt_deg > TILT_NOTED_DEG:
        notes.append(noted("tilted", f"The slices are tilted by {plane.tilt_deg:.1f} degrees."))
    if any(facts.derived for facts in ordered):
        notes.append(noted("derived", "The slices are reformats, computed from other images."))
    announced = {f.acquisition: f.images_in_acquisition for f in ordered if f.images_in_acquisition}
    for acquisition, count in announced.items():
        came = sum(facts.acquisition == acquisition for facts in ordered)
        if came < count:
            notes.append(noted("incomplete", f"The scanner announced {count} images, {came} are here."))
    return notes


def _shift(plane: Plane, ordered: Sequence[InstanceFacts]) -> list[QualityNote]:
    """Slices that do not lie above each other, beyond the even shear of a tilted gantry."""
    corners = np.asarray([facts.position_mm for facts in ordered])
    along = corners @ plane.normal
    aside = corners - along[:, None] * plane.normal
    line = np.stack([along, np.ones_like(along)], axis=1)
    fitted = line @ np.linalg.lstsq(line, aside, rcond=None)[0]
    worst = float(np.linalg.norm(aside - fitted, axis=1).max())
    if worst > SHIFT_NOTED_MM:
        return [noted("shifted", f"The slices are shifted against each other by up to {worst:.3g} mm.")]
    return []


def _enough(positions: NDArray[np.float64], ordered: Sequence[InstanceFacts], needs: Needs) -> None:
    if len(ordered) < needs.slices_min:
        raise QualityRejected(f"The series holds {len(ordered)} slices; the model needs {needs.slices_min}.")
    thickness = _thickness(ordered)
    covered = float(positions[-1] - positions[0]) + thickness
    if covered < needs.coverage_mm:
        raise QualityRejected(f"The slices cover {covered:.0f} mm; the model needs {needs.coverage_mm:.0f}.")
    low, high = needs.thickness_mm
    if thickness and not low <= thickness <= high:
        read = f"the model reads {low:.3g} to {high:.3g}"
        raise QualityRejected(f"The slices are {thickness:.3g} mm thick; {read}.")
