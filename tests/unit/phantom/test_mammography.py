"""A phantom's mammography is one that doors and routing understand: four views, for presentation, sides told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from streams.doors.header import read_header
from streams.doors.pseudonym import Pseudonyms
from streams.phantom import mammography as made
from streams.phantom.breast import Machine, woman_of
from streams.phantom.cases import Case
from streams.phantom.dicom import save
from streams.phantom.scanning import study_of

CASE = Case(1, "mammography", "mammogram", "routine", 3, "ge", seed=7001)


def test_four_views(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The door reads side, view, intent and size; the images keep their chest wall at the body's side."""
    monkeypatch.setattr(made, "PIXEL_MM", 1.0)
    views, percent = made.mammography(study_of(CASE), woman_of(3, dense=0.3), Machine(label=False))
    assert 15 < percent < 45
    seen = []
    for number, ds in enumerate(views):
        save(ds, tmp_path / f"{number}.dcm")
        header = read_header((tmp_path / f"{number}.dcm").read_bytes(), Pseudonyms(b"k" * 32))
        assert header.instance.fault is None
        assert header.series.presentation == "FOR PRESENTATION"
        view = header.instance.view
        assert view is not None
        assert view.pixel_mm == (1.0, 1.0)
        seen.append((view.laterality, view.position))
        grey = dcmread(tmp_path / f"{number}.dcm").pixel_array
        halves = np.array_split(grey.astype(float), 2, axis=1)
        wall, far = halves if view.laterality == "L" else halves[::-1]
        assert wall.mean() > far.mean()
    assert set(seen) == {("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO")}
    assert len({str(ds.SeriesInstanceUID) for ds in views}) == 4
