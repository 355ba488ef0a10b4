"""How the pictures look: small, the same each time, in colours that the colour-blind can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"
"""Okabe and Ito's."""
DPI = 100
MOST_BYTES = 150_000
STYLE = {
    "font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 9, "lines.linewidth": 1.2,
    "lines.markersize": 4, "figure.constrained_layout.use": True,
}  # fmt: skip


def panels(count: int, side: float = 3.0) -> tuple[Any, Sequence[Any]]:
    """A sheet and its panels side by side; inches."""
    import matplotlib as mpl  # noqa: PLC0415  # numbers are made, and tried, without it
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context(STYLE):
        sheet = Figure(figsize=(side * count, side))
        drawn = sheet.subplots(1, count, squeeze=False)[0]
    return sheet, drawn


def save(sheet: Any, path: Path, title: str) -> None:
    """Write the sheet as PNG without date or version, so that a repeat gives the same bytes.

    Raises:
        ValueError: it is larger than 150 kB.
    """
    import matplotlib as mpl  # noqa: PLC0415

    with mpl.rc_context(STYLE):
        sheet.suptitle(title, fontsize=9)
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.savefig(path, dpi=DPI, metadata={"Software": None})
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes; a picture of a card has at most {MOST_BYTES}.")
