"""Real series that are fit to be read are read: a false rejection is a missed alert."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.adapters.policy_files import read_policies
from streams.contract import Needs
from streams.reading.quality.judging import Told, judge
from training.quality.scans import data_folder, real_scans

POLICY = read_policies(Path(__file__).parents[2] / "deploy" / "policies", {}).quality
WARNED = {"qa-ge": {"uneven"}}
"""4 and 7 mm in one series, in truth."""
PARTS = {"head": "head", "chest": "chest", "trunk": "abdomen"}

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not data_folder().is_dir(), reason="the shared data are not beside the project"),
    pytest.mark.timeout(300),
]


def test_no_real_series_is_rejected():
    """Heads, chests and a torso of five makers; warned only of what is so."""
    seen = 0
    for scan in real_scans():
        needs = Needs(modality=("CT",), body_part=PARTS[scan.part], contrast="none" if scan.part == "head" else "any")
        quality = judge(scan.volume, Told(scan.facts, scan.instances), needs, POLICY)
        quality.demand()
        assert {fault.code for fault in quality.faults} == WARNED.get(scan.name, set()), scan.name
        seen += 1
    assert seen == 9


def test_a_head_is_not_looked_for_in_a_chest():
    """Real chests offered as heads, real heads as chests: rejected, each."""
    for scan in real_scans():
        if scan.part not in ("head", "chest") or "phantom" in scan.name:
            continue
        other = "chest" if scan.part == "head" else "head"
        quality = judge(scan.volume, Told(scan.facts, scan.instances), Needs(modality=("CT",), body_part=other), POLICY)
        assert [f.code for f in quality.faults if f.severity == "reject"] == ["body-part"], scan.name
