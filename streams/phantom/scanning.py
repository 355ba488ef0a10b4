"""From a case to its datasets, and what its quirk does to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless

from streams.phantom import bleeds, vendors
from streams.phantom.breast import Machine, woman_of
from streams.phantom.cases import Case
from streams.phantom.chest import Nodule, chest_with_nodules, free_places, nodule_frame
from streams.phantom.dicom import Series, Study, ct_slices, localizer, mr_slices, uid_of
from streams.phantom.dose import dose_report
from streams.phantom.head import Scan, anatomy, measured, scanned, standard_frame
from streams.phantom.lattice import Frame, Lattice
from streams.phantom.mammography import mammography
from streams.phantom.mr import brain_mr, mr_frame
from streams.phantom.painter import render
from streams.phantom.person import person_of
from streams.phantom.skull import Fields
from streams.phantom.solids import Field
from streams.phantom.texture import SOFT

MAKERS = {"ge": vendors.GE, "siemens": vendors.SIEMENS, "philips": vendors.PHILIPS, "canon": vendors.CANON}
SYNTAXES: dict[str, UID] = {
    "none": ExplicitVRLittleEndian,
    "jpeg-ls": JPEGLSLossless,
    "jpeg-2000": JPEG2000Lossless,
}
NAMES = (
    "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE", "TEN", "ELEVEN", "TWELVE",
    "THIRTEEN", "FOURTEEN", "FIFTEEN", "SIXTEEN", "SEVENTEEN",
)  # fmt: skip

THICK = standard_frame(5.0)
THIN = standard_frame(1.25, low=-38.0, high=87.0)
TILT = -15.0
LATE = 5
"""Slices that come in a second association."""


@dataclass(frozen=True, slots=True)
class Made:
    """A case's datasets per association, and the volume of its bleed's mask, ml."""

    waves: tuple[tuple[Dataset, ...], ...]
    true_ml: float | None


def study_of(case: Case) -> Study:
    """The study's names and numbers."""
    who = case.seed - case.number + 100 + sum(case.patient.encode()) % 800 if case.patient else case.seed
    rng = np.random.default_rng((who, 9))
    age = int(rng.integers(24, 90))
    about = {
        "chest": "CT CHEST W/O CONTRAST",
        "mr": "MR BRAIN W/O CONTRAST",
        "mammogram": "MAMMOGRAM SCREENING",
    }
    vendor = MAKERS[case.maker]
    if case.kind == "mr":
        vendor = replace(vendor, model="MAGNETOM Avanto", software="syngo MR B17")
    if case.kind == "mammogram":
        vendor = replace(vendor, model="Senographe Pristina", software="PRISTINA 1.2")
    return Study(
        uid=uid_of("study", case.seed),
        patient_name=f"PHANTOM^{case.patient.upper() or NAMES[(case.number - 1) % len(NAMES)]}",
        patient_id=f"PHANTOM-{who:06d}",
        birth_date=f"{2026 - age}0101",
        sex="F" if case.kind == "mammogram" else str(rng.choice(("F", "M"))),
        age=f"{age - case.years_ago:03d}Y",
        accession=f"WR{case.seed:08d}",
        date=f"{2026 - case.years_ago}0302",
        time=f"{8 + case.number // 4:02d}{case.number % 4 * 14:02d}00",
        description=about.get(case.kind, "CT HEAD W/O CONTRAST"),
        body_part={"chest": "CHEST", "mammogram": "BREAST"}.get(case.kind, "HEAD"),
        vendor=vendor,
    )


def make(case: Case) -> Made:
    """The case's datasets. A case that is no DICOM has none."""
    study = study_of(case)
    if case.kind == "chest":
        return Made((tuple(_chest(case, study)),), None)
    if case.kind == "mammogram":
        views, _percent = mammography(study, woman_of(case.person, dense=0.3), Machine(label=False))
        return Made((tuple(views),), None)
    if case.kind == "mr":
        signal = brain_mr(person_of(case.person), mr_frame(), Scan(SOFT, 14.0, case.seed))
        series = Series(3, "t2_tse_tra", "", "BRAIN ROUTINE")
        return Made((tuple(mr_slices(study, series, signal, mr_frame())),), None)
    if case.kind == "scout":
        clean, _ = _plain(case.person)
        scout = localizer(study, Series(1, "Scout", study.vendor.kernel), clean[:, ::2, ::2], (5.0, 0.9375))
        return Made(((scout, dose_report(study, Series(999, "Dose Report", ""), 812.0)),), None)
    if case.kind == "garbage":
        return Made((), None)
    return _thin_and_thick(case, study) if case.quirk == "thin and thick" else _head(case, study)


def _chest(case: Case, study: Study) -> list[Dataset]:
    """The person's chest; another year it lies a little higher or lower in the scanner."""
    frame = nodule_frame(low=0.9 * case.years_ago)
    places = free_places(case.person, len(case.nodules_mm))
    nodules = [Nodule(place, mm) for place, mm in zip(places, case.nodules_mm, strict=True)]
    chest = chest_with_nodules(case.person, nodules, frame, Scan(SOFT, 14.0, case.seed))
    return ct_slices(study, Series(2, "CHEST 2.5 LUNG", study.vendor.kernel, "CHEST ROUTINE"), chest, frame)


@lru_cache(maxsize=1)
def _anatomy(person: int, frame: Frame) -> tuple[Lattice, Fields]:
    return anatomy(person_of(person), frame)


@lru_cache(maxsize=1)
def _plain(person: int) -> tuple[Field, Frame]:
    """The person's head without a bleed and without noise, on the standard frame."""
    lattice, fields = _anatomy(person, THICK)
    return render(lattice, fields, THICK)[0], THICK


def _with_bleed(case: Case, frame: Frame, on: Frame) -> tuple[Field, float | None]:
    """Noise-free HU on the frame, of the anatomy computed for the frame `on`, and the mask's volume."""
    if case.bleed is None or case.ml is None:
        return _plain(case.person)[0], None
    lattice, fields = _anatomy(case.person, on)
    order = bleeds.Order(case.bleed, case.ml, case.seed)
    bleed = measured(lattice, frame, bleeds.plan(order, lattice, fields), case.ml)
    clean, mask = render(lattice, bleeds.pushed(bleed, lattice, fields), frame, bleed)
    return clean, float(mask.sum()) * frame.voxel_ml()


def _head(case: Case, study: Study) -> Made:
    frame = replace(THICK, tilt=TILT) if case.quirk == "tilted" else THICK
    clean, ml = _with_bleed(case, frame, frame)
    hu = scanned(clean, frame, Scan(study.vendor.texture, 3.4, case.seed))
    series = Series(2, study.vendor.description, study.vendor.kernel)
    return Made(_delivered(case, ct_slices(study, series, hu, frame)), ml)


def _thin_and_thick(case: Case, study: Study) -> Made:
    """A scout, thin slices, and thick ones averaged of four thin ones, as scanners make them."""
    clean, ml = _with_bleed(case, THIN, THICK)
    vendor = study.vendor
    thin = scanned(clean, THIN, Scan(vendor.texture, 7.0, case.seed))
    whole = len(THIN.z) // 4 * 4
    thick = thin[:whole].reshape(-1, 4, *thin.shape[1:]).mean(axis=1)
    centres = np.array(THIN.z[:whole]).reshape(-1, 4).mean(axis=1)
    frame = replace(THIN, z=tuple(float(z) for z in centres), thickness=5.0)
    scout = localizer(study, Series(1, "Topogram", vendor.kernel), clean[:, ::2, ::2], (1.25, 0.9375))
    thins = ct_slices(study, Series(3, "Head 1.25 " + vendor.kernel, vendor.kernel), thin, THIN)
    thicks = ct_slices(study, Series(2, vendor.description, vendor.kernel), thick, frame)
    return Made(((scout, *thins, *thicks),), ml)


def _delivered(case: Case, slices: Sequence[Dataset]) -> tuple[tuple[Dataset, ...], ...]:
    """The slices per association, after what the quirk does to them."""
    whole = tuple(slices)
    middle = len(whole) // 2
    if case.quirk == "late":
        return whole[:-LATE], whole[-LATE:]
    if case.quirk == "twice":
        return whole, whole
    if case.quirk == "gap":
        return (whole[: middle - 1] + whole[middle + 2 :],)
    if case.quirk == "truncated":
        for ds in whole[middle - 2 : middle + 2]:
            ds.PixelData = ds.PixelData[: len(ds.PixelData) // 2]
    return (whole,)
