"""Images that no one here made, through the real door: one outcome each, or a dead letter with its reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from streams.phantom.dicom import Series, ct_slices
from streams.phantom.lattice import Frame
from streams.runtime.settings import CHECKOUT
from tests.support.small_heads import study, written
from tests.support.verifying import kept
from tests.support.whole_stack import PATIENCE_S, WholeStack

DATA = CHECKOUT.parent / "shared" / "data"
pytestmark = [
    pytest.mark.stack,
    pytest.mark.shared_data,
    pytest.mark.timeout(4 * PATIENCE_S),
    pytest.mark.skipif(not DATA.is_dir(), reason="the real images are not beside the project (../shared/data)"),
]

OUTCOMES = {"analysed", "ineligible", "rejected", "failed", "deadletter"}
BORDER, PICTURE_MM, BONE_FROM = 9, 0.355, 247
"""Of a CT-ICH picture: pixels of its frame, what one measures as far as skulls tell, grey that is bone."""


def sent(stack: WholeStack, folder: Path):
    """The rows of what the folder holds; code 0: each has ended."""
    return stack.asked("send", folder, "--wait", "--timeout", int(PATIENCE_S))


async def test_a_ge_head_is_answered_or_says_why(whole_stack: WholeStack):
    """A real head with a tilted gantry, 4 and 7 mm slices: one outcome, by its geometry and not by chance."""
    (row,) = sent(whole_stack, DATA / "dcm_qa_ct/In/GE")
    assert row["outcome"] in {"analysed", "rejected", "ineligible"}
    assert row["reason"]
    await kept(whole_stack, [row["study"]])


async def test_a_philips_head_its_scout_and_its_dose_report(whole_stack: WholeStack):
    """28 slices of a head phantom, a scout and a report are one study: read, or refused for what they show."""
    rows = sent(whole_stack, DATA / "dcm_qa_ct/In/Philips")
    named = [row for row in rows if row["study"]]
    assert {row["outcome"] for row in rows} <= OUTCOMES
    assert len({row["study"] for row in named}) == len(named) >= 1
    (head,) = [row for row in named if row["outcome"] in {"analysed", "rejected"}]
    assert "ich_ct" in head["reason"]
    assert all("DICOMDIR" in row["reason"] for row in rows if not row["study"])
    await kept(whole_stack, [row["study"] for row in named])


def head_of_pictures(stack: WholeStack, patient: str) -> Path:
    """A CT-ICH patient's pictures (8-bit, brain window, level 40, width 120) as a CT series."""
    files = sorted((DATA / f"physionet-ct-ich/brain/{patient}").glob("*.jpg"), key=lambda p: int(p.stem))
    pictures = [imagecodecs.imread(path) for path in files]
    grey = np.stack([p if p.ndim == 2 else p[..., 0] for p in pictures]).astype(np.float32)
    grey = grey[:, BORDER:-BORDER, BORDER:-BORDER]
    hu = np.where(grey >= BONE_FROM, 600.0, np.where(grey <= 2, -1000.0, grey * (120 / 255) - 20)).astype(np.float32)
    frame = Frame(z=tuple(5.0 * n for n in range(len(hu))), thickness=5.0, pixel=PICTURE_MM, size=hu.shape[1])
    whose = study(stack.fresh(f"ct-ich-{patient}"))
    folder = stack.folder("pictures")
    written(ct_slices(whose, Series(2, "HEAD 5.0", whose.vendor.kernel), hu, frame), folder)
    return folder


async def test_pictures_of_a_bleed_score_over_pictures_of_none(whole_stack: WholeStack):
    """Two patients of CT-ICH, read to the end: the one with a bleed on half of its slices scores higher."""
    scores = {}
    for patient in ("081", "054"):
        (row,) = sent(whole_stack, head_of_pictures(whole_stack, patient))
        assert row["outcome"] == "analysed", row
        (finding,) = row["findings"]
        scores[patient] = finding["score"]
        await kept(whole_stack, [row["study"]])
    assert scores["081"] > scores["054"]


async def test_all_of_pydicoms_files_end(whole_stack: WholeStack):
    """Many modalities, eleven transfer syntaxes, some broken on purpose: each study or file ends exactly once."""
    rows = sent(whole_stack, DATA / "pydicom-data")
    assert len(rows) >= 20
    assert {row["outcome"] for row in rows} <= OUTCOMES
    assert [row for row in rows if not row["reason"]] == []
    named = Counter(row["study"] for row in rows if row["study"] and row["outcome"] != "deadletter")
    assert set(named.values()) == {1}
    await kept(whole_stack, named)
    assert {part["state"] for part in whole_stack.asked("status")["parts"]} == {"running"}
