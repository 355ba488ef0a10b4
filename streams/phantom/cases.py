"""The demo's studies: what each is, how it is delivered, and what must become of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Outcome = Literal["analysed", "ineligible", "rejected", "failed", "deadletter"]
Priority = Literal["routine", "urgent", "stat"]
Kind = Literal["head", "chest", "mammogram", "mr", "scout", "garbage"]
Quirk = Literal["none", "late", "twice", "gap", "tilted", "truncated", "thin and thick"]
Codec = Literal["none", "jpeg-ls", "jpeg-2000"]
Maker = Literal["ge", "siemens", "philips", "canon"]

ALERT_FROM_ML = 5.0
"""A planted bleed of more than this is owed an alert."""


@dataclass(frozen=True, slots=True)
class Case:
    """One study of the demo."""

    number: int
    name: str
    """Short, for tables: "subdural 24 ml, stat"."""
    kind: Kind
    priority: Priority
    person: int
    """Seed of the person; cases of one person share the anatomy and are other patients in name."""
    maker: Maker
    bleed: str | None = None
    ml: float | None = None
    quirk: Quirk = "none"
    codec: Codec = "none"
    expect_outcome: Outcome = "analysed"
    also_right: tuple[Outcome, ...] = ()
    """Outcomes that would be right as well."""
    patient: str = ""
    """Cases of one word are of one patient, in name too; empty: of a patient of its own."""
    years_ago: int = 0
    nodules_mm: tuple[float, ...] = ()
    """Diameters of the nodules in a chest; equal places for cases of one person."""
    seed: int = 7

    @property
    def expect_alert(self) -> bool:
        """Whether an alert is owed; a smaller bleed may raise one, a head without a bleed none."""
        return self.ml is not None and self.ml > ALERT_FROM_ML and self.expect_outcome == "analysed"

    @property
    def revisions(self) -> int:
        """How many revisions the study has when all has arrived."""
        return 2 if self.quirk == "late" else 1


@dataclass(frozen=True, slots=True)
class WrittenCase:
    """A case on disk: files per association in the order of sending, and the truth measured on its mask."""

    case: Case
    waves: tuple[tuple[Path, ...], ...]
    study_uid: str
    accession: str
    true_ml: float | None
    """Volume of the mask on the slices, ml; None without a bleed."""


def demo_cases(seed: int = 7) -> tuple[Case, ...]:
    """The demo's studies, in the order in which they are sent. Another seed gives other people and other bleeds."""
    one, two, three, four = (seed * 100 + n for n in (1, 2, 3, 4))
    cases = (
        Case(1, "head, routine", "head", "routine", one, "ge"),
        Case(2, "intraparenchymal 32 ml, urgent", "head", "urgent", two, "siemens", "intraparenchymal", 32.0),
        Case(3, "head, stat, no bleed", "head", "stat", two, "siemens"),
        Case(4, "epidural 18 ml, JPEG-LS, routine", "head", "routine", three, "canon", "epidural", 18.0,
             codec="jpeg-ls"),
        Case(5, "chest CT a year ago, routine", "chest", "routine", one, "siemens", patient="grown", years_ago=1,
             nodules_mm=(8.0, 7.0)),
        Case(6, "subdural 24 ml, stat", "head", "stat", one, "ge", "subdural", 24.0),
        Case(7, "subarachnoid 14 ml, JPEG 2000, routine", "head", "routine", four, "philips", "subarachnoid", 14.0,
             codec="jpeg-2000"),
        Case(8, "head with a gap, routine", "head", "routine", two, "siemens", quirk="gap", expect_outcome="rejected"),
        Case(9, "intraventricular 9 ml, urgent", "head", "urgent", four, "ge", "intraventricular", 9.0),
        Case(10, "subdural 60 ml, thin and thick, urgent", "head", "urgent", three, "siemens", "subdural", 60.0,
             quirk="thin and thick"),
        Case(11, "intraparenchymal 3 ml, tilted, routine", "head", "routine", one, "ge", "intraparenchymal", 3.0,
             quirk="tilted"),
        Case(12, "epidural 10 ml, last slices late, urgent", "head", "urgent", four, "philips", "epidural", 10.0,
             quirk="late"),
        Case(13, "head sent twice, routine", "head", "routine", three, "canon", quirk="twice"),
        Case(14, "head with truncated pixels, urgent", "head", "urgent", three, "philips", quirk="truncated",
             expect_outcome="rejected", also_right=("failed",)),
        Case(15, "brain MR, routine", "mr", "routine", two, "siemens", expect_outcome="ineligible"),
        Case(16, "scout and dose report, routine", "scout", "routine", one, "canon", expect_outcome="ineligible"),
        Case(17, "chest CT, a nodule has grown, routine", "chest", "routine", one, "siemens", patient="grown",
             nodules_mm=(12.0, 7.0)),
        Case(18, "mammography, routine", "mammogram", "routine", two, "ge"),
        Case(19, "no DICOM", "garbage", "routine", one, "ge", expect_outcome="deadletter"),
    )  # fmt: skip
    return tuple(_seeded(case, seed) for case in cases)


def _seeded(case: Case, seed: int) -> Case:
    fields = {name: getattr(case, name) for name in Case.__slots__}
    return Case(**{**fields, "seed": seed * 1000 + case.number})
