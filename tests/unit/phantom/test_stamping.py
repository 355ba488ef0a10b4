"""Studies under new names: what was equal stays equal, what was different stays different."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom import dcmread

from streams.phantom.cases import Case
from streams.phantom.dicom import Series, base, pixels, save, uid_of
from streams.phantom.scanning import study_of
from streams.phantom.stamping import stamp_all


def written(case: Case, folder: Path) -> Path:
    study = study_of(case)
    ds = base(study, Series(1, "X", ""), uid_of("class"), 1, "CT")
    ds.PixelSpacing = [1, 1]
    pixels(ds, np.zeros((4, 4), np.int16), 16)
    folder.mkdir(parents=True)
    save(ds, folder / "one.dcm")
    return folder / "one.dcm"


def test_two_studies_of_one_patient_are_of_one_patient_again(tmp_path: Path):
    """Another run is another patient with other studies; within a run the prior stays the prior."""
    now = Case(1, "now", "chest", "routine", 1, "ge", patient="grown", seed=7001)
    then = replace(now, number=2, name="then", years_ago=1, seed=7002)
    other = replace(now, number=3, name="other", patient="", seed=7003)
    read = {}
    for run in ("a", "b"):
        for case in (now, then, other):
            path = tmp_path / case.name / "one.dcm"
            path = path if path.exists() else written(case, tmp_path / case.name)
            ((stamped,),) = stamp_all(((path,),), tmp_path / run / case.name, run)
            read[run, case.name] = dcmread(stamped)
    assert read["a", "now"].PatientID == read["a", "then"].PatientID
    assert len({read[run, name].PatientID for run in "ab" for name in ("now", "other")}) == 4
    assert len({str(ds.StudyInstanceUID) for ds in read.values()}) == 6
    assert (read["a", "now"].StudyDate, read["a", "then"].StudyDate) == ("20260302", "20250302")
    assert int(read["a", "now"].PatientAge[:3]) - int(read["a", "then"].PatientAge[:3]) == 1
