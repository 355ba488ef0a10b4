"""Laws of the demo's studies: that all which the demo promises is there, and what each quirk does to the files."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from streams.phantom import scanning, writing
from streams.phantom.bleeds import KINDS
from streams.phantom.cases import Case, demo_cases
from streams.phantom.scanning import Made, study_of
from streams.phantom.writing import MANIFEST, write_case, write_demo

BY_QUIRK = {case.quirk: case for case in demo_cases()}
SMALL = (36, 36)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch):
    """Heads of 31 slices of 36 by 36 pixels, so that what is done to the files shows without painting heads."""
    count = len(scanning.THICK.z)
    tiny = scanning.replace(scanning.THICK, size=SMALL[0], pixel=6.0)
    monkeypatch.setattr(scanning, "THICK", tiny)
    monkeypatch.setattr(scanning, "_with_bleed", lambda case, *_: (np.zeros((count, *SMALL), np.float32), case.ml))
    monkeypatch.setattr(scanning, "_plain", lambda _person: (np.zeros((count, *SMALL), np.float32), tiny))


def test_the_demo_has_every_study_that_it_promises() -> None:
    """All five kinds of bleed from 3 to 60 ml, all priorities, each quirk, both codecs, each foreign kind."""
    cases = demo_cases()
    assert len(cases) == 19
    assert {case.bleed for case in cases if case.bleed} == set(KINDS)
    volumes = [case.ml for case in cases if case.ml is not None]
    assert (min(volumes), max(volumes)) == (3.0, 60.0)
    assert {case.priority for case in cases} == {"routine", "urgent", "stat"}
    assert any(case.priority == "stat" and case.bleed is None for case in cases)
    assert set(BY_QUIRK) == {"none", "late", "twice", "gap", "tilted", "truncated", "thin and thick"}
    assert {case.codec for case in cases} == {"none", "jpeg-ls", "jpeg-2000"}
    assert {case.kind for case in cases} == {"head", "chest", "mammogram", "mr", "scout", "garbage"}
    assert len({case.maker for case in cases}) == 4
    assert len({case.name for case in cases}) == len(cases)


def test_an_alert_is_owed_for_each_read_bleed_over_5_ml_and_for_nothing_else() -> None:
    """The 3 ml bleed may alert; a head without a bleed and a study that is not read may not be owed one."""
    for case in demo_cases():
        assert case.expect_alert == (case.bleed is not None and case.ml != 3.0)


def test_no_two_studies_share_a_name_or_number_and_all_names_are_plainly_phantoms() -> None:
    """Accession and UID differ from case to case and from seed to seed; patients too, but for one with a prior."""
    studies = [study_of(case) for seed in (7, 8) for case in demo_cases(seed)]
    for field in ("uid", "accession"):
        assert max(Counter(getattr(study, field) for study in studies).values()) == 1
    patients = Counter(study.patient_id for study in studies)
    assert sorted(patients.values())[-3:] == [1, 2, 2]
    assert all(study.patient_name.startswith("PHANTOM^") for study in studies)
    assert all(len(study.accession) <= 16 for study in studies)


def test_late_slices_come_in_a_second_association(quick, tmp_path: Path) -> None:
    """The first association already covers 120 mm; the second brings the rest, which makes revision 2."""
    written = write_case(BY_QUIRK["late"], tmp_path)
    first, second = written.waves
    assert len(first) * 5 >= 120
    assert len(second) == scanning.LATE
    assert not set(first) & set(second)
    assert written.case.revisions == 2
    assert "ImagesInAcquisition" not in dcmread(first[0])


def test_what_is_sent_twice_is_the_same_files(quick, tmp_path: Path) -> None:
    """Both associations carry the very same bytes."""
    written = write_case(BY_QUIRK["twice"], tmp_path)
    assert written.waves[0] == written.waves[1]
    assert len(list(tmp_path.glob("*.dcm"))) == len(written.waves[0])


def test_a_gap_is_in_the_middle_and_nowhere_else(quick, tmp_path: Path) -> None:
    """Positions step by 5 mm but for one step of 20."""
    written = write_case(BY_QUIRK["gap"], tmp_path)
    places = sorted(float(dcmread(path).ImagePositionPatient[2]) for path in written.waves[0])
    assert Counter(np.round(np.diff(places)).astype(int).tolist()) == {5: len(places) - 2, 20: 1}


def test_truncated_pixels_are_fewer_than_rows_times_columns(quick, tmp_path: Path) -> None:
    """Some slices hold half the bytes that their header claims, in a file that is otherwise whole."""
    written = write_case(BY_QUIRK["truncated"], tmp_path)
    read = [dcmread(path) for path in written.waves[0]]
    short = [ds for ds in read if len(ds.PixelData) < 2 * ds.Rows * ds.Columns]
    assert len(short) == 4


def test_the_file_that_is_no_dicom_is_none(tmp_path: Path) -> None:
    """A reader refuses it, and it has no study."""
    written = write_case(demo_cases()[-1], tmp_path)
    assert written.study_uid == ""
    with pytest.raises(InvalidDicomError):
        dcmread(written.waves[0][0])


def _two(_seed: int) -> tuple[Case, ...]:
    whole = demo_cases()
    return (BY_QUIRK["twice"], whole[-1])


def test_a_second_call_generates_nothing_and_finds_the_same(quick, monkeypatch, tmp_path: Path) -> None:
    """The set is made once; what an interruption or a changed generator spoiled is made again, and only that."""
    monkeypatch.setattr(writing, "demo_cases", _two)
    made: list[str] = []
    first = write_demo(tmp_path, progress=lambda case: made.append(case.name))
    again = write_demo(tmp_path, progress=lambda case: made.append(case.name))
    assert first == again
    assert len(made) == 2
    note = tmp_path / "13" / MANIFEST
    note.write_text(json.dumps({**json.loads(note.read_text()), "made_by": "another generator"}))
    assert write_demo(tmp_path, progress=lambda case: made.append(case.name)) == first
    assert made[2:] == [BY_QUIRK["twice"].name]
    first[0].waves[0][0].unlink()
    write_demo(tmp_path, progress=lambda case: made.append(case.name))
    assert made[3:] == [BY_QUIRK["twice"].name]


def test_the_truth_is_kept_in_the_note(quick, tmp_path: Path) -> None:
    """The measured volume comes back from the note as it was."""
    case = BY_QUIRK["late"]
    assert write_case(case, tmp_path).true_ml == 10.0
    assert isinstance(scanning.make(case), Made)
