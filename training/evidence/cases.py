"""What a model hands over to be judged: cases, masks, measurements, marks and subjects, each with its patient.

`training/<model>/cases.py` has one function, `evidence() -> Evidence`; `make evidence` computes everything else:
figures with intervals, pictures, the robustness table, `evidence.json` and the tables of the card. It takes at most a
few minutes: what is slow is kept below `training/<model>/runs/`, and made anew by the model's own make target.

Rules: `group` is the patient (or the synthetic head), because intervals come from drawing groups anew; names identify
nobody; a score is of a net that never saw the group, or the about-line says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.reading.views import Views
from streams.reading.volume import Volume

Grey = NDArray[np.uint8]
Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One image for the sheet of best and worst cases; never a face.

    Attributes:
        grey: [rows, columns], as a reader would window it.
        found, truth: masks on it, drawn as outlines (model: orange, truth: blue).
    """

    grey: Grey
    found: Bits | None = None
    truth: Bits | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One answer with a known truth.

    Attributes:
        name: told in evidence.json and on the sheet, such as "CT-ICH 58" or "CT-ICH 58/17".
        score: the calibrated probability; of a Ranking with probability=False any score, higher for the finding.
        stratum: what further rows are made for, such as the kind of bleed; of a negative case "" (it counts in all).
        picture: called only for the few cases that the sheet shows.
    """

    name: str
    group: str
    label: bool
    score: float
    stratum: str = ""
    picture: Callable[[], Picture] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskPair:
    """Two masks on the same grid [y, x] or [z, y, x], and its spacing in mm (Dice, 95 % Hausdorff distance)."""

    name: str
    group: str
    found: Bits
    truth: Bits
    spacing_mm: tuple[float, ...]
    stratum: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One quantity measured by the model and known from elsewhere (Bland-Altman)."""

    name: str
    group: str
    measured: float
    reference: float
    stratum: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One place that the model marks; `lesion`: index of the true one that it lies on; None: a false mark.

    Marks on what is neither (a lesion too small to count, say) are left out.
    """

    score: float
    lesion: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrocScan:
    """One scan: its true lesions, each given by its stratum ("" where there is none), and all marks above any score."""

    name: str
    group: str
    lesions: tuple[str, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """A class of an ordered scale, given and true."""

    name: str
    group: str
    given: str
    truth: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A number that no table above makes, such as seconds for a head, or what one lone scan gave.

    Attributes:
        how: by what rule it came about, or what it stands beside, in a few words.
        hits, of: given instead of value for a share; its interval is Wilson's.
    """

    what: str
    value: float | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    n: int = 1
    how: str = ""
    hits: int | None = None
    of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Cases with a score: AUC (DeLong, by patient where one has several), average precision, sensitivity, specificity.

    Attributes:
        about: what was measured on, as the card's first column says it: "CT-ICH, patients unseen".
        data: source and licence; the attribution under the sheet.
        threshold: on the score; None: no sensitivity and specificity.
        probability: whether the scores are probabilities: Brier score and reliability diagram.
        pictures: a sheet of best and worst cases is drawn, of those that have a picture. Only for data that may be
            shown (CC BY, generated). ROC and reliability are always drawn.
    """

    about: str
    data: str
    cases: tuple[Case, ...]
    threshold: float | None = None
    probability: bool = True
    pictures: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Masks compared; they may come one at a time (a generator), so that memory stays small."""

    about: str
    data: str
    masks: Iterable[MaskPair]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A quantity compared: bias and limits of agreement, in its unit (and in percent where `relative`), Pearson's r."""

    about: str
    data: str
    quantity: str
    unit: str
    pairs: tuple[Pair, ...]
    relative: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """Marks on scans: sensitivity at `at_false` false marks per scan (and at `threshold`), FROC."""

    about: str
    data: str
    scans: tuple[FrocScan, ...]
    at_false: tuple[float, ...] = (1.0, 4.0)
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grading:
    """Classes compared: accuracy, linear-weighted kappa, the table of confusion. `scale`: all classes in order."""

    about: str
    data: str
    scale: tuple[str, ...]
    cases: tuple[Graded, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Numbers of another kind."""

    about: str
    data: str
    facts: tuple[Fact, ...]


Judged = Ranking | Overlap | Agreement | Detection | Grading | Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A series as the engine decodes it, for the robustness table: the shipped model reads it whole and changed.

    A few are enough (3 to 6, with and without the finding); generated ones and ones with a licence both do.
    """

    name: str
    source: Volume | Views
    label: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a model is judged by.

    Attributes:
        judged: in the order of the card's table.
        subjects: called once; read by the model folder's own contract, functions and weights (nothing else to write).
        watched: what the robustness table follows: "chance" (the study's calibrated probability), "lesions" (how many),
            "mask_ml", or the name of a quantity.
    """

    judged: tuple[Judged, ...]
    subjects: Callable[[], Iterable[Subject]] | None = None
    watched: tuple[str, ...] = field(default=("chance",))
