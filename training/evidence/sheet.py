"""A sheet of best and worst cases: found, missed, called in vain and rightly left alone, with outlines of masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import binary_erosion, zoom

from training.evidence.cases import Bits, Case, Grey, Picture, Ranking
from training.evidence.paper import MOST_BYTES, STYLE

SIDE = 150
EACH = 3
COLOURS = 64
BLUE, ORANGE = (0, 114, 178), (213, 94, 0)


def chosen(ranking: Ranking) -> list[tuple[str, list[Case]]]:
    """By the score alone: the highest and the lowest of each kind that have a picture, the extreme one first."""
    shown = [case for case in ranking.cases if case.picture is not None]
    with_it = sorted((c for c in shown if c.label), key=lambda c: (-c.score, c.name))
    without = sorted((c for c in shown if not c.label), key=lambda c: (-c.score, c.name))
    most = [min(EACH, len(kind) // 2) for kind in (with_it, without)]
    rows = [
        ("with the finding, scored highest", with_it[: most[0]]),
        ("with the finding, scored lowest", with_it[::-1][: most[0]]),
        ("without it, scored lowest", without[::-1][: most[1]]),
        ("without it, scored highest", without[: most[1]]),
    ]
    return [(said, cases) for said, cases in rows if cases]


def outlined(picture: Picture) -> Grey:
    """The picture as RGB, SIDE pixels at its longer side, with the border of each mask.

    Raises:
        ValueError: a mask has another shape than the picture.
    """
    scale = SIDE / max(picture.grey.shape)
    grey = np.clip(zoom(picture.grey.astype(np.float32), scale, order=1), 0, 255).astype(np.uint8)
    out = np.repeat(grey[..., None], 3, axis=-1)
    for mask, colour in ((picture.truth, BLUE), (picture.found, ORANGE)):
        if mask is None:
            continue
        if mask.shape != picture.grey.shape:
            raise ValueError(f"A mask of {mask.shape} does not lie on a picture of {picture.grey.shape}.")
        small: Bits = zoom(mask.astype(np.float32), scale, order=1) >= 0.5
        out[small & ~binary_erosion(small)] = colour
    return out


def draw(ranking: Ranking, path: Path) -> bool:
    """Write the sheet, the data's attribution below it; False where no case has a picture.

    Raises:
        ValueError: it is larger than 150 kB.
    """
    rows = chosen(ranking)
    if not rows:
        return False
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context(STYLE):
        sheet = Figure(figsize=(1.75 * EACH, 1.95 * len(rows)))
        panels = sheet.subplots(len(rows), EACH, squeeze=False)
        for panel in panels.flat:
            panel.set_axis_off()
        for line, (said, cases) in zip(panels, rows, strict=True):
            for panel, case in zip(line, cases, strict=False):
                assert case.picture is not None
                panel.imshow(outlined(case.picture()), interpolation="nearest")
                panel.set_title(f"{case.name}: {case.score:.2f}", fontsize=7)
            line[0].text(
                -0.06, 0.5, said, rotation=90, va="center", ha="right", fontsize=6, transform=line[0].transAxes
            )
        sheet.suptitle("blue: truth, orange: model (outlines, where there are masks)", fontsize=7)
        sheet.supxlabel(ranking.data, fontsize=5)
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.savefig(path, dpi=100, metadata={"Software": None})
    _slimmed(path)
    return True


def _slimmed(path: Path) -> None:
    from PIL import Image  # noqa: PLC0415

    with Image.open(path) as image:
        few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes; a picture of a card has at most {MOST_BYTES}.")
