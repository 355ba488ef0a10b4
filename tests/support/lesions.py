"""Made-up lesions and studies that show them, for tests of growth."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from math import dist, pi
from typing import Any

from hypothesis import strategies as st

from streams.events.measuring import LesionsMeasured
from streams.events.reading import Lesion

LUNGS_MM = (270.0, 190.0, 270.0)
NEAREST_MM, MIDDLE = 4.0, 0.5
DAY = date(2026, 3, 1)


def ball_mm3(diameter_mm: float) -> float:
    return pi * diameter_mm**3 / 6.0


def nodule(
    label: str = "n1", diameter_mm: float = 8.0, at: tuple[float, ...] = (0.2, 0.5, 0.6), **changes: Any
) -> Lesion:
    """A round solid nodule at a place in lungs of usual size."""
    made = Lesion(
        label=label,
        score=0.9,
        instance="1.2.3",
        centre_mm=(LUNGS_MM[0] * at[0], LUNGS_MM[1] * at[1], LUNGS_MM[2] * at[2]),
        place=(at[0], at[1], at[2]),
        side="R" if at[0] < 0.5 else "L",
        volume_mm3=ball_mm3(diameter_mm),
        diameter_mm=diameter_mm,
        perpendicular_mm=diameter_mm,
        texture="solid",
    )
    return replace(made, **changes)


def moved(lesion: Lesion, by_mm: tuple[float, float, float], strayed: tuple[float, float, float] = (0, 0, 0)) -> Lesion:
    """The same lesion on a table that stands elsewhere; strayed: by how many mm its place in the lungs is off."""
    x, y, z = (c + b + s for c, b, s in zip(lesion.centre_mm, by_mm, strayed, strict=True))
    u, v, w = (p + s / mm for p, s, mm in zip(lesion.place, strayed, LUNGS_MM, strict=True))
    return replace(lesion, centre_mm=(x, y, z), place=(u, v, w))


def measured(study: str = "1", on: date | None = DAY, *lesions: Lesion, **changes: Any) -> LesionsMeasured:
    """What delivery says of a study's lesions."""
    made = LesionsMeasured(
        patient="p",
        study=study,
        revision=1,
        series=f"{study}.1",
        model="nodules",
        model_version="1.0.0",
        role="live",
        finding="lung_nodule",
        examined_on=on,
        slice_mm=1.0,
        lesions=lesions,
    )
    return replace(made, **changes)


@st.composite
def nodules(draw: st.DrawFn, most: int = 8) -> tuple[Lesion, ...]:
    """Some nodules anywhere in the lungs, none in another, each with a label of its own."""
    unit = st.floats(0.02, 0.98).filter(lambda at: at != MIDDLE)  # there a place stands for none
    found: list[Lesion] = []
    for _ in range(draw(st.integers(0, most))):
        made = nodule(
            f"n{len(found) + 1}",
            draw(st.floats(4.0, 25.0)),
            (draw(unit), draw(unit), draw(unit)),
            texture=draw(st.sampled_from(["solid", "part-solid", "ground-glass", ""])),
        )
        if all(dist(made.centre_mm, other.centre_mm) > NEAREST_MM for other in found):
            found.append(made)
    return tuple(found)
