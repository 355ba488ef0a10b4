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
from drawn import DrawnFilm, drawn_films  # noqa: E402
from films import CLASSES, DATA, FOLDS, RUNS, Film, films, fold_of  # noqa: E402
from letters import crossed, texture_of  # noqa: E402
from net import reader_of  # noqa: E402
from PIL import Image  # noqa: E402

from streams.phantom.breast import Position, machine_of, mammogram, woman_of  # noqa: E402
from streams.reading.breast.density import Measured, Rules, grades_of, percent_density, rules_of  # noqa: E402
from streams.reading.breast.exam import BreastViews, Framed, breast_views  # noqa: E402
from streams.reading.breast.frames import Frame, channels_of  # noqa: E402
from streams.reading.breast.outline import Breast  # noqa: E402
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
DDSM = "DDSM films with hand-drawn masks: the half of the women that no choice was made on"
PIXEL_MM = 0.25
"""Of the DDSM films, guessed: they do not tell it. Only the Hausdorff distance depends on it."""
PHANTOMS = 24
LETTERED = " by percent density, class output and texture; fitted on the other folds' women"
VIEWS: tuple[Position, ...] = ("CC", "MLO")
Net = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One film as read: what was measured, and the ordinal logits of the class."""

    measured: Measured
    tissue: NDArray[np.float32]


def lone(pixels: NDArray[np.float32], name: str, position: str = "MLO", side: str = "L") -> View:
    """A film as a view of its own."""
    return View(pixels=pixels, laterality="L" if side == "L" else "R", position=position, pixel_mm=None, instance=name)


def seen(exam: BreastViews, net: Net) -> list[Seen]:
    """All views of an exam, read."""
    dense, muscle, tissue = net(exam.tensor)
    return [
        Seen(percent_density(framed, d, m, threshold(), rules().by_rule), t)
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


def rules() -> Rules:
    """The contract's options."""
    return rules_of(told()["options"])  # type: ignore[arg-type]  # as the contract has them


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


def framed_of(film: Film) -> BreastViews:
    """A film of runs/films.npz as an exam of one view."""
    view = lone(film.grey, film.name)
    breast = Breast(film.grey, film.inside, 0.0, False, 1, (0, 0), (film.grey.shape[0], film.grey.shape[1]))
    frame = Frame(channels_of(film.grey, film.inside, 0.0), film.inside, 1.0)
    return BreastViews((Framed(view, breast, frame),), frame.channels[None])


@lru_cache(maxsize=1)
def unseen() -> tuple[tuple[Film, Seen], ...]:
    """MIAS' films, each read by the net that never saw the woman."""
    folds = fold_of()
    nets = {fold: by_fold(fold) for fold in range(FOLDS)}
    return tuple((film, seen(framed_of(film), nets[folds[film.woman]])[0]) for film in films())


def measures(film: Film, one: Seen) -> list[float]:
    """What the letter is told by: percent density, the class output, and the film's texture."""
    return [one.measured.percent, float(one.tissue[0]), *texture_of(film)]


@lru_cache(maxsize=1)
def graded() -> tuple[tuple[Graded, ...], tuple[Graded, ...]]:
    """The letters of films, and of women (mean of her films' measures; her letter is her denser film's)."""
    rows = np.asarray([measures(film, one) for film, one in unseen()])
    woman = np.asarray([film.woman for film, _ in unseen()])
    letter = np.asarray([CLASSES.index(film.tissue) for film, _ in unseen()])
    fold = np.asarray([fold_of()[int(one)] for one in woman])
    women = np.unique(woman)
    mean = np.asarray([rows[woman == one].mean(0) for one in women])
    worst = np.asarray([letter[woman == one].max() for one in women])
    names = [f"MIAS {film.name}" for film, _ in unseen()]
    of_films = crossed(rows, letter, fold)
    of_women = crossed(mean, worst, np.asarray([fold_of()[int(one)] for one in women]))
    return (
        tuple(
            Graded(name=name, group=f"woman {one}", given=CLASSES[g], truth=CLASSES[t])
            for name, one, g, t in zip(names, woman, of_films, letter, strict=True)
        ),
        tuple(
            Graded(name=f"MIAS woman {one}", group=f"woman {one}", given=CLASSES[g], truth=CLASSES[t])
            for one, g, t in zip(women, of_women, worst, strict=True)
        ),
    )


def ranked() -> tuple[Case, ...]:
    """The finding's score (chance of C or D by percent density alone) against MIAS' letter D."""
    out = []
    for film, one in unseen():
        grades = grades_of(one.measured.percent, rules().cuts, rules().spread)
        dense = film.tissue == "D"
        out.append(Case(name=f"MIAS {film.name}", group=f"woman {film.woman}", label=dense,
                        score=grades[2].probability + grades[3].probability, stratum="D" * dense))  # fmt: skip
    return tuple(out)


def spread() -> Facts:
    """Percent density by letter, and how far a woman's two breasts lie apart."""
    facts: list[Fact] = []
    women: dict[int, list[float]] = {}
    for tissue in CLASSES:
        values = [one.measured.percent for film, one in unseen() if film.tissue == tissue]
        low, middle, high = np.percentile(values, (25, 50, 75))
        facts.append(Fact(what=f"letter {tissue}: percent density, median", value=round(float(middle), 1), unit="%",
                          n=len(values), how=f"quartiles {low:.1f} and {high:.1f}"))  # fmt: skip
    for film, one in unseen():
        women.setdefault(film.woman, []).append(one.measured.percent)
    apart = [pair[0] - pair[1] for pair in women.values() if len(pair) == 2]
    facts.append(Fact(what="right less left breast, standard deviation", value=round(float(np.std(apart)), 1),
                      unit="%", n=len(apart), how="points of percent"))  # fmt: skip
    return Facts(about="MIAS, women unseen: percent density", data=MIAS, facts=tuple(facts))


@lru_cache(maxsize=1)
def kept() -> tuple[tuple[DrawnFilm, Seen], ...]:
    """The films with hand-drawn masks of the kept half, read by the shipped model."""
    net = by_onnx()
    return tuple(
        (film, seen(breast_views(Views(views=(lone(film.grey, film.name),))), net)[0]) for film in drawn_films("kept")
    )


def masks(part: str) -> Iterator[MaskPair]:
    """Dense tissue or muscle, found and drawn."""
    for film, one in kept():
        marked = one.measured.dense if part == "dense" else one.measured.muscle
        found, truth = one.measured.framed.to_source(marked), film.dense if part == "dense" else film.muscle
        yield MaskPair(name=film.name, group=film.name, found=found, truth=truth, spacing_mm=(PIXEL_MM, PIXEL_MM))


def percents() -> tuple[Pair, ...]:
    """Percent density, measured and drawn."""
    return tuple(
        Pair(name=film.name, group=film.name, measured=one.measured.percent, reference=film.percent)
        for film, one in kept()
    )


def nyu() -> Facts:
    """The screening exam of four views; its histogram model says A .08 B .78 C .13 D .00."""
    views = []
    for side in "RL":
        for position in ("CC", "MLO"):
            path = DATA / "nyu_density" / "images" / f"{side}-{position}.png"
            views.append(lone(np.asarray(Image.open(path), np.float32), path.stem, position, side))
    read = seen(breast_views(Views(views=tuple(views))), by_onnx())
    sides = [np.mean([s.measured.percent for s in read if s.measured.framed.view.laterality == side]) for side in "RL"]
    grades = grades_of(float(max(sides)), rules().cuts, rules().spread)
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
            Grading(about=f"MIAS, women unseen: F, G, D, each film{LETTERED}", data=MIAS, scale=tuple(CLASSES),
                    cases=graded()[0]),
            Grading(about=f"MIAS, women unseen: F, G, D, each woman{LETTERED}", data=MIAS, scale=tuple(CLASSES),
                    cases=graded()[1]),
            Ranking(about="MIAS, women unseen: chance of C or D against the letter D", data=MIAS, cases=ranked(),
                    threshold=0.5, probability=False),
            spread(),
            Overlap(about="DDSM, kept half: dense tissue drawn by hand", data=DDSM, masks=masks("dense")),
            Overlap(about="DDSM, kept half: chest muscle drawn by hand", data=DDSM, masks=masks("muscle")),
            Agreement(about="DDSM, kept half: percent density", data=DDSM, quantity="percent density", unit="%",
                      pairs=percents()),
            nyu(),
            Agreement(about="phantoms never seen", data="streams.phantom", quantity="percent density", unit="%",
                      pairs=phantoms()),
        ),
        subjects=subjects,
        watched=("percent_density",),
    )  # fmt: skip
