"""What `make evidence` takes: CT-ICH by nets that never saw the patient, lone slices and inserted bleeds in HU."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import torch  # noqa: E402  # after the path that leads to the rest
from heads import RealHead, ge_head, thin_head  # noqa: E402
from insertions import inserted, skull_of  # noqa: E402
from judge import left_out_calls  # noqa: E402
from keeping import kept  # noqa: E402
from net import MASK_LATER, PLAIN_READER, Reader, nets_of  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from phantom_trials import made, planned  # noqa: E402
from scipy.special import expit  # noqa: E402
from scores import Drawn, Read, Scored, by_onnx, ct_ich_cases, lone_cases, slabs_and_labels  # noqa: E402
from train import fold_of, unseen_net  # noqa: E402
from trials import VolumeRow, volumes  # noqa: E402

from streams.phantom.bleeds import Order  # noqa: E402
from streams.phantom.head import Scan, make_head, standard_frame  # noqa: E402
from streams.phantom.person import person_of  # noqa: E402
from streams.phantom.texture import STANDARD  # noqa: E402
from streams.reading.planes import Axes  # noqa: E402
from streams.reading.volume import Volume  # noqa: E402
from training.evidence.cases import (  # noqa: E402
    Agreement,
    Case,
    Evidence,
    Fact,
    Facts,
    MaskPair,
    Overlap,
    Pair,
    Picture,
    Ranking,
    Subject,
)

CONTRACT = HERE.parents[1] / "triton_models/ich_ct/contract.toml"
CT_ICH = "CT-ICH 1.0.0, Hssayeni et al., PhysioNet (CC BY 4.0)"
LONE = "BHSD (with a bleed); GE head, InVesalius head, averaged atlas (without): other heads, other scanners"
HEADS = "bleeds inserted in the GE head, the InVesalius head and the averaged atlas"
LARGE_ML = 4.9


def finding() -> tuple[float, tuple[float, float]]:
    """The contract's threshold and calibration."""
    told = tomllib.loads(CONTRACT.read_text())["finding"]
    return float(told["threshold"]), (float(told["calibration"]["a"]), float(told["calibration"]["b"]))


def picture(number: int) -> Picture:
    """The slab that its unseen net holds most like a bleed, with the mask."""
    tensor, _ = slabs_and_labels(number)
    reader = Reader(nets_of(weights_for(number)), PLAIN_READER).eval()
    with torch.inference_mode():
        scores, masks, _ = reader.seen(torch.from_numpy(tensor))
    top = int(scores[:, 0].argmax())
    return Picture(grey=tensor[top, 1], found=np.kron(masks[top].numpy() > MASK_LATER, np.ones((2, 2))) > 0)


def weights_for(number: int) -> list[Path]:
    """Of the nets that never saw this patient."""
    return [unseen_net(_folds()[number])]


@cache
def _folds() -> dict[int, int]:
    from data import patients  # noqa: PLC0415  # only the sheet asks

    return fold_of(patients())


def studies(scored: list[Scored], ab: tuple[float, float]) -> tuple[Case, ...]:
    """CT-ICH's patients, calibrated."""
    return tuple(
        Case(name=f"CT-ICH {c.name}", group=c.group, label=c.label, score=float(expit(ab[0] * c.score + ab[1])),
             picture=partial(picture, int(c.name)) if all(w.exists() for w in weights_for(int(c.name))) else None)
        for c in scored if c.table == "ct_ich_study"
    )  # fmt: skip


def slices(scored: list[Scored]) -> tuple[Case, ...]:
    """CT-ICH's slices; their score is a log-odds of its own."""
    return tuple(
        Case(name=f"CT-ICH {c.name}", group=c.group, label=c.label, score=c.score)
        for c in scored
        if c.table == "ct_ich_slice"
    )


def honest_threshold(scored: list[Scored]) -> Facts:
    """Each patient called by the threshold that the other 54 give: the contract's was set on all of them."""
    studied = [c for c in scored if c.table == "ct_ich_study"]
    truth = np.asarray([c.label for c in studied])
    called = left_out_calls(truth, np.asarray([c.score for c in studied]))
    return Facts(about="CT-ICH, the threshold set by the other patients", data=CT_ICH, facts=(
        Fact(what="sensitivity", hits=int(called[truth].sum()), of=int(truth.sum())),
        Fact(what="specificity", hits=int((~called[~truth]).sum()), of=int((~truth).sum())),
    ))  # fmt: skip


def by_slice(scored: list[Scored]) -> tuple[Ranking, ...]:
    """Where slices' scores were kept."""
    cases = slices(scored)
    about = "CT-ICH, slices of patients unseen"
    return (Ranking(about=about, data=CT_ICH, cases=cases, probability=False),) if cases else ()


def lone_slices(rows: list[tuple[Scored, Drawn | None]]) -> tuple[Case, ...]:
    """Single slices in HU, of other heads with and without."""
    return tuple(
        Case(name=c.name, group=c.group, label=c.label, score=c.score, stratum=c.stratum if c.label else "")
        for c, _ in rows
    )


def lone_masks(rows: list[tuple[Scored, Drawn | None]]) -> Iterator[MaskPair]:
    """BHSD's drawn bleeds beside the model's."""
    for _, drawn in rows:
        if drawn is not None:
            yield MaskPair(name=drawn.name, group=drawn.group, found=drawn.found, truth=drawn.truth,
                           spacing_mm=drawn.spacing, stratum=drawn.stratum)  # fmt: skip


def volume_pairs(rows: list[VolumeRow]) -> tuple[Pair, ...]:
    """Marked beside inserted ml, of 5 ml and more."""
    return tuple(
        Pair(name=f"{r.case}, {r.form} {k}", group=r.case, measured=r.with_ml, reference=r.true_ml,
             stratum=f"{r.form}, {r.way}")
        for k, r in enumerate(rows) if r.true_ml >= LARGE_ML
    )  # fmt: skip


def empty_heads(rows: list[VolumeRow]) -> Facts:
    """What is marked in real heads without a known bleed."""
    seen = {f"{r.case}, {r.way}": r.empty_ml for r in rows}
    facts = tuple(Fact(what=f"marked in {name}", value=round(ml, 2), unit="ml") for name, ml in seen.items())
    return Facts(about="real heads without a known bleed", data=HEADS, facts=facts)


def _volume(hu: NDArray[np.float32], spacing: tuple[float, float, float], places: NDArray[np.float64]) -> Volume:
    return Volume(
        hu=np.rint(np.clip(hu, -1024, 3071)).astype(np.int16), spacing_mm=spacing, positions_mm=places, tilt_deg=0,
        instances=tuple(f"1.{k}" for k in range(len(hu))), axes=Axes(),
    )  # fmt: skip


def subjects() -> Iterable[Subject]:
    """Two real heads in HU, each empty and with an inserted bleed, and a generated one."""
    for head in (ge_head(), thin_head()):
        with_bleed: RealHead = kept(f"{head.name} for robustness", partial(_inserted, head))
        for one, label in ((head, False), (with_bleed, True)):
            name = f"{head.name}, 12 ml inserted" if label else head.name
            yield Subject(name=name, source=_volume(one.hu, one.spacing, one.places), label=label)
    frame = standard_frame(5.0)
    sample = make_head(person_of(820_900), frame, Scan(STANDARD, 3.4, 5), Order("subdural", 25.0, 9))
    places = np.arange(len(sample.hu)) * sample.spacing[0]
    yield Subject(name="phantom, subdural 25 ml", source=_volume(sample.hu, sample.spacing, places), label=True)


def _inserted(head: RealHead) -> RealHead:
    return replace(inserted(head, skull_of(head), "parenchymal", 12.0, 4990).head, name=head.name)


def phantoms(read: Read, ab: tuple[float, float], threshold: float) -> Facts:
    """Generated heads called, the demo's among them: that the parts work together."""
    called = {True: 0, False: 0}
    count = {True: 0, False: 0}
    for number, trial in enumerate(planned()):
        slabs, _, _ = kept(f"phantom {number}", partial(made, trial))
        shown = trial.bleed is not None
        count[shown] += 1
        called[shown] += float(expit(ab[0] * read(slabs.tensor)[2] + ab[1])) >= threshold
    how = "phantoms of the maker that also made some of the training's; no evidence of accuracy"
    return Facts(about="generated heads never seen", data="streams.phantom", facts=(
        Fact(what="with a bleed: called", hits=called[True], of=count[True], how=how),
        Fact(what="without: called in vain", hits=called[False], of=count[False], how=how),
    ))  # fmt: skip


def evidence() -> Evidence:
    """All that the haemorrhage model is judged by."""
    threshold, ab = finding()
    read = by_onnx()
    scored = ct_ich_cases()
    rows, lone = list(volumes(read)), list(lone_cases(read))
    return Evidence(
        judged=(
            Ranking(about="CT-ICH, patients unseen", data=CT_ICH, cases=studies(scored, ab), threshold=threshold,
                    pictures=True),
            honest_threshold(scored),
            *by_slice(scored),
            Ranking(about="single real slices in HU", data=LONE, cases=lone_slices(lone), probability=False),
            Overlap(about="single real slices in HU with a drawn bleed", data="BHSD", masks=lone_masks(lone)),
            Agreement(about="inserted bleeds of 5 ml and more in real heads", data=HEADS, quantity="volume", unit="ml",
                      pairs=volume_pairs(rows), relative=True),
            empty_heads(rows),
            phantoms(read, ab, threshold),
        ),
        subjects=subjects,
        watched=("chance", "mask_ml"),
    )  # fmt: skip
