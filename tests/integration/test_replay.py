"""Replay: with the same policies nothing differs, with another threshold exactly the studies that must."""

from __future__ import annotations

import re
import shutil

import pytest

from streams.runtime.models.judging import judgement
from tests.support.small_heads import slices, written
from tests.support.verifying import ledger_of
from tests.support.whole_stack import PATIENCE_S, WholeStack, all_records, outcome_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(2 * PATIENCE_S)]


async def ends_of(whole_stack: WholeStack):
    """How many records each topic of ours holds, and the fold of them."""
    async with whole_stack.record() as log:
        records = await all_records(log)
    counts: dict[str, int] = {}
    for record in records:
        counts[record.topic] = counts.get(record.topic, 0) + 1
    return counts, ledger_of(records)


async def a_day(whole_stack: WholeStack) -> str:
    """Something to replay: a study that is read, one with a late slice, one that is ineligible; the first's UID."""
    names = [whole_stack.fresh(kind) for kind in ("day-read", "day-late", "day-part")]
    paths = [written(slices(name, f"ACC-{name}"[-16:]), whole_stack.scratch / name) for name in names]
    line = await outcome_of(whole_stack, paths[0])
    await outcome_of(whole_stack, paths[1][:-1])
    await outcome_of(whole_stack, paths[1][-1:])
    await outcome_of(whole_stack, paths[2][:3])
    return line.study


async def test_the_same_policies_change_nothing(whole_stack: WholeStack):
    """All that was decided since the stack began is said again byte for byte; only shadow topics are written."""
    await a_day(whole_stack)
    before, _ = await ends_of(whole_stack)
    found = whole_stack.asked("replay", "--run", "same")
    assert (found["changed"], found["missing"], found["new"], found["differences"]) == (0, 0, 0, [])
    assert found["equal"] == found["events"] > 0
    after, _ = await ends_of(whole_stack)
    assert after == before
    async with whole_stack.record() as log:
        said = [r.topic async for r in log.read(["shadow.same.imaging.studies"], follow=False)]
    assert len(said) >= 3


async def test_another_threshold_names_the_studies_that_change(whole_stack: WholeStack):
    """Just below one study's own score and just above it: that one turns, with whatever lies between, no other."""
    study = await a_day(whole_stack)
    before, ledger = await ends_of(whole_stack)
    (finding,) = ledger.line(study).newest_findings
    threshold = round(finding.score + (-1e-4 if finding.score < finding.threshold else 1e-4), 6)
    folder = whole_stack.folder("policies")
    shutil.copytree(whole_stack.settings.policies, folder)
    routing = folder / "routing.toml"
    text, replaced = re.subn(r"(?m)^\[thresholds\]$", f"[thresholds]\nich_ct = {threshold}", routing.read_text())
    assert replaced == 1
    routing.write_text(text)
    assert judgement(whole_stack.settings, folder)[0].routing.thresholds == {"ich_ct": threshold}
    turned = {
        f.study
        for line in ledger.lines.values()
        for f in line.findings.values()
        if f.positive != (f.score >= threshold)
    }
    found = whole_stack.asked("replay", "--run", "other", "--policies", folder)
    assert study in turned
    assert {d["study"] for d in found["differences"] if d["what"] == "alert"} == turned
    assert {d["study"] for d in found["differences"]} == turned
    assert found["changed"] > 0
    assert (await ends_of(whole_stack))[0] == before
