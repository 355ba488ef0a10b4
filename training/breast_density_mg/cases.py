"""What `make evidence` takes: MIAS by nets that never saw the woman, hand-drawn DDSM masks, the NYU exam, phantoms."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import onnxruntime  # noqa: E402  # after the path that leads to the rest
import torch  # noqa: E402
from films import CLASSES, DATA, RUNS, fold_of, labels  # noqa: E402
from net import reader_of  # noqa: E402
from PIL import Image  # noqa: E402

from streams.phantom.breast import Position, machine_of, mammogram, woman_of  # noqa: E402
from streams.reading.breast.density import Measured, grades_of, percent_density, rules_of  # noqa: E402
from streams.reading.breast.exam import BreastViews, breast_views  # noqa: E402
from streams.reading.tensors import NoAnatomy  # noqa: E402
from streams.reading.views import View, Views  # noqa: E402
from training.evidence.cases import (  # noqa: E402
    Agreement,
    Evidence,
    Fact,
    Facts,
    Graded,
    Grading,
    MaskPair,
    Overlap,
    Pair,
    Subject,
)

FOLDER = HERE.parents[1] / "triton_models" / "breast_density_mg"
MIAS = "mini-MIAS, Suckling et al. 1994 (research only)"
DDSM = "66 DDSM films with hand-drawn masks (validated on only)"
FAT, DENSE, PECTORAL = 128, 192, 255
PHANTOMS = 60
VIEWS: tuple[Position, ...] = ("CC", "MLO")
Net = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One film as read: what was measured, and the ordinal logits of the class."""

    measured: Measured
    tissue: NDArray[np.float32]


def picture(path: Path) -> NDArray[np.float32]:
    """A film's greys."""
    return np.asarray(Image.open(path).convert("L"), np.float32)


def lone(pixels: NDArray[np.float32], name: str, position: str = "MLO", side: str = "L") -> View:
    """A film as a view of its own."""
    return View(pixels=pixels, laterality="L" if side == "L" else "R", position=position, pixel_mm=None, instance=name)


def seen(exam: BreastViews, net: Net) -> list[Seen]:
    """All views of an exam, read."""
    dense, muscle, tissue = net(exam.tensor)
    return [
        Seen(percent_density(framed, d, m, threshold()), t)
        for framed, d, m, t in zip(exam.framed, dense, muscle, tissue, strict=True)
    ]


@lru_cache(maxsize=1)
def told() -> dict[str, object]:
    """The contract's answer table."""
    answer: dict[str, object] = tomllib.loads((FOLDER / "contract.toml").read_text())["answer"]
    return answer


def threshold() -> float:
    """From which a pixel's probability is dense."""
    return float(str(told()["mask_threshold"]))


def by_onnx() -> Net:
    """The shipped model."""
    session = onnxruntime.InferenceSession(str(FOLDER / "1" / "model.onnx"), providers=["CPUExecutionProvider"])
    return lambda tensor: tuple(session.run(["DENSE", "MUSCLE", "TISSUE_LOGIT"], {"BREAST": tensor}))


def by_fold(fold: int) -> Net:
    """The net that saw no woman of this fold."""
    reader = reader_of([RUNS / f"fold{fold}.pt"])

    def read(tensor: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        with torch.inference_mode():
            return tuple(part.numpy() for part in reader(torch.from_numpy(tensor)))

    return read  # type: ignore[return-value]  # three of them


def unseen() -> tuple[Graded, ...]:
    """MIAS' letters by cross-validation."""
    folds, nets = fold_of(), {fold: by_fold(fold) for fold in sorted(set(fold_of().values()))}
    out = []
    for row in labels():
        woman = int(row["pair"])
        exam = breast_views(Views(views=(lone(picture(DATA / "mias" / f"{row['film']}.png"), row["film"]),)))
        (one,) = seen(exam, nets[folds[woman]])
        given = CLASSES[int((one.tissue > 0).sum())]
        out.append(Graded(name=f"MIAS {row['film']}", group=f"woman {woman}", given=given, truth=row["tissue"]))
    return tuple(out)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One DDSM film: what the shipped model marks and what was drawn by hand."""

    name: str
    found: NDArray[np.bool_]
    truth: NDArray[np.bool_]
    percent: float
    true_percent: float


@lru_cache(maxsize=1)
def drawn() -> tuple[Drawn, ...]:
    """The films with hand-drawn masks."""
    net = by_onnx()
    out = []
    for path in sorted((DATA / "ddsm_tissue").glob("*/fgt_seg/*.png")):
        marks = picture(path.parents[1] / "fgt_seg_labels" / f"{path.stem}_LI.png")
        truth = np.abs(marks - DENSE) < 20
        breast = truth | (np.abs(marks - FAT) < 20)
        exam = breast_views(Views(views=(lone(picture(path), path.stem),)))
        (one,) = seen(exam, net)
        found = one.measured.framed.to_source(one.measured.dense)
        share = 100 * float(truth.sum()) / float(breast.sum())
        out.append(Drawn(path.stem, found, truth, one.measured.percent, share))
    return tuple(out)


def masks() -> Iterator[MaskPair]:
    """Dense tissue, found and drawn."""
    for film in drawn():
        yield MaskPair(name=film.name, group=film.name, found=film.found, truth=film.truth, spacing_mm=(0.25, 0.25))


def percents() -> tuple[Pair, ...]:
    """Percent density, measured and drawn."""
    return tuple(
        Pair(name=film.name, group=film.name, measured=film.percent, reference=film.true_percent) for film in drawn()
    )


def nyu() -> Facts:
    """The screening exam of four views; its histogram model says A .08 B .78 C .13 D .00."""
    rules = rules_of(told()["options"])  # type: ignore[arg-type]  # as the contract has them
    views = []
    for side in "RL":
        for position in ("CC", "MLO"):
            path = DATA / "nyu_density" / "images" / f"{side}-{position}.png"
            views.append(lone(np.asarray(Image.open(path), np.float32), path.stem, position, side))
    read = seen(breast_views(Views(views=tuple(views))), by_onnx())
    sides = [np.mean([s.measured.percent for s in read if s.measured.framed.view.laterality == side]) for side in "RL"]
    grades = grades_of(float(max(sides)), rules.cuts, rules.spread)
    facts = [Fact(what="percent density", value=round(float(max(sides)), 1), unit="%")]
    facts += [Fact(what=f"chance of {grade.name}", value=round(grade.probability, 2)) for grade in grades]
    return Facts(about="NYU exam (their model: A .08, B .78, C .13)", data="NYU, one exam", facts=tuple(facts))


def phantoms() -> tuple[Pair, ...]:
    """Phantoms of other seeds than the training's."""
    net = by_onnx()
    out = []
    for seed in range(40_000, 40_000 + PHANTOMS):
        position = "MLO" if seed % 2 else "CC"
        made = mammogram(woman_of(seed), position, machine_of(seed), 0.4)
        try:
            exam = breast_views(Views(views=(lone(made.grey * 4095, str(seed), position),)))
        except NoAnatomy:
            continue
        (one,) = seen(exam, net)
        out.append(Pair(name=str(seed), group=str(seed), measured=one.measured.percent, reference=made.percent))
    return tuple(out)


def subjects() -> Iterable[Subject]:
    """Generated exams: fatty, middling and dense."""
    for seed, dense in ((51_000, 0.08), (51_001, 0.3), (51_002, 0.6)):
        views = tuple(
            lone(
                mammogram(woman_of(seed, dense), position, machine_of(seed), 0.4).grey * 4095, f"1.{position}", position
            )
            for position in ("CC", "MLO")
        )
        yield Subject(name=f"phantom, {dense:.0%} dense", source=Views(views=views), label=dense > 0.3)


def evidence() -> Evidence:
    """All that the density model is judged by."""
    return Evidence(
        judged=(
            Grading(about="MIAS, women unseen: F, G, D", data=MIAS, scale=tuple(CLASSES), cases=unseen()),
            Overlap(about="DDSM, dense tissue drawn by hand", data=DDSM, masks=masks()),
            Agreement(about="DDSM, percent density", data=DDSM, quantity="percent density", unit="%", pairs=percents()),
            nyu(),
            Agreement(about="phantoms never seen", data="streams.phantom", quantity="percent density", unit="%",
                      pairs=phantoms()),
        ),
        subjects=subjects,
        watched=("percent_density",),
    )  # fmt: skip
