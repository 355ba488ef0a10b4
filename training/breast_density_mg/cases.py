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
from letters import crossed  # noqa: E402
from net import reader_of  # noqa: E402
from PIL import Image  # noqa: E402

from streams.phantom.breast import Position, machine_of, mammogram, woman_of  # noqa: E402
from streams.reading.breast.density import Measured, grades_of, percent_density, rules_of  # noqa: E402
from streams.reading.breast.exam import BreastViews, breast_views  # noqa: E402
from streams.reading.tensors import NoAnatomy  # noqa: E402
from streams.reading.views import View, Views  # noqa: E402
from training.evidence.cases import (  # noqa: E402
    Agreement,
    Case,
    Evidence,
    Fact,
    Facts,
    Graded,
    Grading,
    MaskPair,
    Overlap,
    Pair,
    Ranking,
    Subject,
)

FOLDER = HERE.parents[1] / "triton_models" / "breast_density_mg"
MIAS = "mini-MIAS, Suckling et al. 1994 (research only)"
DDSM = "66 DDSM films with hand-drawn masks (validated on only)"
FAT, DENSE, PECTORAL = 128, 192, 255
PIXEL_MM = 0.25
"""Of the DDSM films, guessed: they do not tell it. Only the Hausdorff distance depends on it."""
PHANTOMS = 24
VIEWS: tuple[Position, ...] = ("CC", "MLO")
Net = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One film as read: what was measured, the muscle `[128, 96]`, and the ordinal logits of the class."""

    measured: Measured
    muscle: NDArray[np.bool_]
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
        Seen(percent_density(framed, d, m, threshold()), m >= 0.5, t)
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


@lru_cache(maxsize=1)
def unseen() -> tuple[tuple[dict[str, str], Seen], ...]:
    """Films of the women whom one of the trained nets never saw, read by that net."""
    folds = fold_of()
    nets = {fold: by_fold(fold) for fold in sorted(set(folds.values())) if (RUNS / f"fold{fold}.pt").exists()}
    out = []
    for row in labels():
        fold = folds[int(row["pair"])]
        if fold in nets:
            exam = breast_views(Views(views=(lone(picture(DATA / "mias" / f"{row['film']}.png"), row["film"]),)))
            out.append((row, seen(exam, nets[fold])[0]))
    return tuple(out)


def letter(tissue: NDArray[np.float32]) -> str:
    """The class that ordinal logits name."""
    return CLASSES[int((tissue > 0).sum())]


def by_film() -> tuple[Graded, ...]:
    """MIAS' letters as the class output names them, each film for itself."""
    return tuple(
        Graded(name=f"MIAS {row['film']}", group=f"woman {row['pair']}", given=letter(one.tissue), truth=row["tissue"])
        for row, one in unseen()
    )


def by_woman() -> tuple[Graded, ...]:
    """MIAS' letters by a woman's mean percent density; her true one is her denser film's."""
    women: dict[str, list[tuple[int, float]]] = {}
    for row, one in unseen():
        women.setdefault(row["pair"], []).append((CLASSES.index(row["tissue"]), one.measured.percent))
    percent = np.asarray([np.mean([p for _, p in films]) for films in women.values()])
    letters = np.asarray([max(letter for letter, _ in films) for films in women.values()])
    fold = np.asarray([fold_of()[int(woman)] for woman in women])
    given = crossed(percent, letters, fold)
    return tuple(
        Graded(name=f"MIAS woman {woman}", group=f"woman {woman}", given=CLASSES[g], truth=CLASSES[t])
        for woman, g, t in zip(women, given, letters, strict=True)
    )


def ranked() -> tuple[Case, ...]:
    """The finding's score (chance of C or D by percent density alone) against MIAS' letter D."""
    rules = rules_of(told()["options"])  # type: ignore[arg-type]  # as the contract has them
    out = []
    for row, one in unseen():
        grades = grades_of(one.measured.percent, rules.cuts, rules.spread)
        score = grades[2].probability + grades[3].probability
        stratum = row["tissue"] if row["tissue"] == "D" else ""
        out.append(Case(name=f"MIAS {row['film']}", group=f"woman {row['pair']}", label=row["tissue"] == "D",
                        score=score, stratum=stratum))  # fmt: skip
    return tuple(out)


def spread() -> Facts:
    """Percent density by letter, and how far a woman's two breasts lie apart."""
    facts, women = [], {}
    for tissue in CLASSES:
        values = [one.measured.percent for row, one in unseen() if row["tissue"] == tissue]
        low, middle, high = np.percentile(values, (25, 50, 75))
        facts.append(Fact(what=f"letter {tissue}: percent density, median", value=round(float(middle), 1), unit="%",
                          n=len(values), how=f"quartiles {low:.1f} and {high:.1f}"))  # fmt: skip
    for row, one in unseen():
        women.setdefault(row["pair"], []).append(one.measured.percent)
    apart = [pair[0] - pair[1] for pair in women.values() if len(pair) == 2]
    facts.append(Fact(what="right less left breast, standard deviation", value=round(float(np.std(apart)), 1),
                      unit="%", n=len(apart), how="points of percent"))  # fmt: skip
    return Facts(about="MIAS, women unseen: percent density", data=MIAS, facts=tuple(facts))


@dataclass(frozen=True, slots=True)
class Drawn:
    """One DDSM film: dense tissue and muscle as the shipped model marks them and as drawn by hand."""

    name: str
    dense: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    muscle: tuple[NDArray[np.bool_], NDArray[np.bool_]]
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
        muscle = one.measured.framed.to_source(one.muscle), marks > PECTORAL - 20
        share = 100 * float(truth.sum()) / float(breast.sum())
        out.append(Drawn(path.stem, (found, truth), muscle, one.measured.percent, share))
    return tuple(out)


def masks(part: str) -> Iterator[MaskPair]:
    """Dense tissue or muscle, found and drawn."""
    for film in drawn():
        found, truth = film.dense if part == "dense" else film.muscle
        yield MaskPair(name=film.name, group=film.name, found=found, truth=truth, spacing_mm=(PIXEL_MM, PIXEL_MM))


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
            Grading(about="MIAS, women unseen: F, G, D by the class output, each film", data=MIAS, scale=tuple(CLASSES),
                    cases=by_film()),
            Grading(about="MIAS, women unseen: F, G, D by percent density, each woman; cuts set on the other fold",
                    data=MIAS, scale=tuple(CLASSES), cases=by_woman()),
            Ranking(about="MIAS, women unseen: chance of C or D against the letter D", data=MIAS, cases=ranked(),
                    threshold=0.5, probability=False),
            spread(),
            Overlap(about="DDSM, dense tissue drawn by hand", data=DDSM, masks=masks("dense")),
            Overlap(about="DDSM, chest muscle drawn by hand", data=DDSM, masks=masks("muscle")),
            Agreement(about="DDSM, percent density", data=DDSM, quantity="percent density", unit="%", pairs=percents()),
            nyu(),
            Agreement(about="phantoms never seen", data="streams.phantom", quantity="percent density", unit="%",
                      pairs=phantoms()),
        ),
        subjects=subjects,
        watched=("percent_density",),
    )  # fmt: skip
