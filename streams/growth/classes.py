"""The size bands that published schemes give a nodule of the lung, in words: no category, no advice.

Checked against, at second hand, for the ACR's own table could not be had here:

- Lung-RADS 2022: Radiopaedia's "Lung-RADS" (October 2023, naming what 2019 and 2022 changed) and a reprint of the
  ACR's notes: solid under 6, 6 to under 8, 8 to under 15, 15 mm and more; new ones 4, 6, 8 mm; part-solid 6 mm in
  total; ground-glass 30 mm; mean of the two axes to one decimal, in any plane; growth: more than 1.5 mm within twelve
  months. Bands go by size alone: smooth solid nodules at the pleura under 10 mm, airway nodules and cysts are classed
  otherwise there, and growth that stays under 1.5 mm a year over several years counts there too; neither is looked at
  here.
- Fleischner 2017: Radiology 284:228 (abstract read), its table by two reprints: solid under 6, 6 to 8, over 8 mm;
  subsolid under 6, 6 mm and more; not for screening, under 35 years, known cancer or immune suppression. That the
  mean diameter is rounded to the whole millimetre stands in Bankier et al., Radiology 285:584 (from memory).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from streams.events.measuring import SizeClass
from streams.events.reading import Lesion

LUNG_RADS = (
    "ACR Lung-RADS 2022 (screening; by mean diameter alone: nodules at pleura or airways and cysts are classed "
    "otherwise there; checked by reprints of its table)"
)
FLEISCHNER = (
    "Fleischner Society 2017, Radiology 284:228 (incidental nodules, 35 years and older, no known cancer, "
    "no immune suppression; by mean diameter, to the nearest mm; checked by reprints of its table)"
)
GROWTH_MM = 1.5
YEAR_DAYS = 366
_SOLID, _NEW_SOLID = (6.0, 8.0, 15.0), (4.0, 6.0, 8.0)
_SUBSOLID, _GROUND_GLASS = (6.0,), (30.0,)
State = Literal["baseline", "new", "followed"]


def classes(lesion: Lesion, state: State) -> tuple[SizeClass, ...]:
    """Its bands; where the texture is not told they are those of solid ones, and the text says so."""
    return (
        SizeClass(scheme="Lung-RADS 2022", text=_lung_rads(lesion, state), source=LUNG_RADS),
        SizeClass(scheme="Fleischner 2017", text=_fleischner(lesion), source=FLEISCHNER),
    )


def lung_rads_growth(before: Lesion, after: Lesion, days: int) -> SizeClass | None:
    """Growth as Lung-RADS 2022 defines it: mean diameter more than 1.5 mm larger within twelve months (second hand)."""
    grown = round(mean_mm(after), 1) - round(mean_mm(before), 1)
    if days > YEAR_DAYS or round(grown, 1) <= GROWTH_MM:
        return None
    text = f"mean diameter {grown:+.1f} mm in {days} days: more than {GROWTH_MM} mm within 12 months"
    return SizeClass(scheme="Lung-RADS 2022 growth", text=text, source=LUNG_RADS)


def mean_mm(lesion: Lesion) -> float:
    """Mean of the longest diameter and the one across it."""
    return (lesion.diameter_mm + lesion.perpendicular_mm) / 2.0


def _lung_rads(lesion: Lesion, state: State) -> str:
    size = round(mean_mm(lesion), 1)
    edges: tuple[float, ...]
    if lesion.texture == "ground-glass":
        edges, tail = _GROUND_GLASS, ""
    elif lesion.texture == "part-solid":
        edges, tail = _SUBSOLID, "; its solid part is not measured"
    else:
        edges, tail = (_NEW_SOLID if state == "new" else _SOLID), ""
    new = "new, " if state == "new" else ""
    return f"{_texture(lesion)}{new}{_band(size, edges)} ({size:.1f} mm){tail}"


def _fleischner(lesion: Lesion) -> str:
    size = int(mean_mm(lesion) + 0.5)
    small, large = 6, 8
    if size < small:
        band = f"under {small} mm"
    elif lesion.texture in {"ground-glass", "part-solid"}:
        band = f"{small} mm or more"
    else:
        band = f"{small} to {large} mm" if size <= large else f"over {large} mm"
    return f"{_texture(lesion)}{band} ({size} mm)"


def _texture(lesion: Lesion) -> str:
    return f"{lesion.texture}, " if lesion.texture else "texture not told, as solid: "


def _band(size: float, edges: tuple[float, ...]) -> str:
    if size < edges[0]:
        return f"under {edges[0]:.0f} mm"
    for low, high in pairwise(edges):
        if size < high:
            return f"{low:.0f} to under {high:.0f} mm"
    return f"{edges[-1]:.0f} mm or more"
