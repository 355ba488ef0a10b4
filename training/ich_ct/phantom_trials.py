"""Phantoms the nets never saw, the demo's heads among them: are they called, and does the mask lie on the bleed?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from figures import dice
from keeping import kept
from numpy.typing import NDArray

from streams.phantom.bleeds import KINDS, Order
from streams.phantom.cases import demo_cases
from streams.phantom.head import Scan, make_head, standard_frame
from streams.phantom.lattice import Frame
from streams.phantom.person import person_of
from streams.phantom.texture import SHARP, STANDARD, Kernel
from streams.reading.tensors import HeadSlabs, head_slabs

OTHERS = 820_000  # seeds of people that are neither in the pool nor in the demo
THICK = standard_frame(5.0)
THIN = standard_frame(1.25, low=-38.0, high=87.0)
WAYS: dict[str, tuple[Frame, Kernel]] = {
    "5 mm": (THICK, STANDARD), "5 mm tilted": (replace(THICK, tilt=-15.0), STANDARD),
    "5 mm sharp kernel": (THICK, SHARP), "2.5 mm": (standard_frame(2.5), STANDARD), "1.25 mm": (THIN, STANDARD),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trial:
    """One phantom head, and how it is scanned."""

    name: str
    person: int
    way: str
    bleed: str | None
    ml: float | None
    seed: int


def planned() -> Iterator[Trial]:
    """The demo's heads that are to be read, then people of their own: without a bleed, with one, in all ways."""
    for case in demo_cases():
        if case.kind == "head" and case.expect_outcome == "analysed":
            way = {"tilted": "5 mm tilted", "thin and thick": "1.25 mm"}.get(case.quirk, "5 mm")
            yield Trial(f"demo {case.number}: {case.name}", case.person, way, case.bleed, case.ml, case.seed)
    for k in range(10):
        way = list(WAYS)[k % len(WAYS)]
        yield Trial(f"no bleed, {way}", OTHERS + k, way, None, None, OTHERS + k)
    for k, kind in enumerate(KINDS):
        for j, ml in enumerate((6.0, 20.0)):
            way = list(WAYS)[(k + j) % len(WAYS)]
            yield Trial(f"{kind} {ml:.0f} ml, {way}", OTHERS + 20 + k, way, kind, ml, OTHERS + 50 + 2 * k + j)


def made(trial: Trial) -> tuple[HeadSlabs, NDArray[np.bool_], float]:
    """The phantom as slabs, its bleed's mask on the slices, and the ml of it."""
    frame, kernel = WAYS[trial.way]
    person = person_of(trial.person)
    if trial.bleed == "intraventricular" and not trial.name.startswith("demo"):
        person = replace(person, ventricles=max(person.ventricles, 1.1))
    order = Order(trial.bleed, trial.ml, trial.seed) if trial.bleed and trial.ml else None
    noise = 7.0 if trial.way == "1.25 mm" else 3.4
    sample = make_head(person, frame, Scan(kernel, noise, trial.seed), order)
    places = np.arange(len(sample.hu)) * sample.spacing[0]
    return head_slabs(sample.hu, sample.spacing, places), sample.mask, sample.ml()


def trials(
    read: Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32], float]],
    chance: Callable[[float], float],
    threshold: float,
) -> list[dict[str, object]]:
    """A row per phantom: truth, probability, called or not, mask's overlap and its volume."""
    rows: list[dict[str, object]] = []
    for number, trial in enumerate(planned()):
        slabs, truth, ml = kept(f"phantom {number}", partial(made, trial))
        slices, mask, study = read(slabs.tensor)
        found = slabs.mask_to_source(mask)
        top = slice(*slabs.members[int(slices.argmax())])
        rows.append({
            "name": trial.name, "true_ml": round(ml, 1), "probability": round(chance(study), 3),
            "called": chance(study) >= threshold, "mask_ml": round(slabs.volume_ml(mask), 1),
            "dice": round(dice(found, truth), 2) if trial.bleed else None,
            "top_slab_shows_it": bool(truth[top].any()) if trial.bleed else None, "logit": round(study, 2),
        })  # fmt: skip
        print(rows[-1], flush=True)
    return rows
