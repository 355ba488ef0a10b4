"""The main job on the real parts: from a scanner's association to the alert, the list and the outcome."""

from __future__ import annotations

from datetime import timedelta

import pytest

from streams.events.envelope import from_kafka, header
from streams.events.imaging import InstancesStored
from streams.events.telling import AlertRaised
from streams.phantom.cases import demo_cases
from streams.phantom.writing import write_case
from tests.support import small_heads
from tests.support.small_heads import slices, written
from tests.support.verifying import everything_said, kept
from tests.support.whole_stack import PATIENCE_S, WholeStack, all_records, ended, outcome_of, partition, read_on, sent

pytestmark = [pytest.mark.stack, pytest.mark.timeout(2 * PATIENCE_S)]

BLEED = next(case for case in demo_cases() if case.bleed == "subdural" and case.priority == "stat")
PLAIN = next(case for case in demo_cases() if case.kind == "head" and case.priority == "stat" and not case.bleed)


@pytest.fixture(scope="module")
def bleed(whole_stack: WholeStack):
    """A phantom with a subdural haematoma, sent as stat by a real SCU: its row, and where it lies."""
    case = write_case(BLEED, whole_stack.folder("bleed"))
    folder = case.waves[0][0].parent
    (row,) = whole_stack.asked("send", folder, "--priority", "stat", "--wait")
    return row


def test_a_bleed_ends_analysed_with_one_alert_and_a_place(bleed):
    """Found over its threshold by a live model, told once, and on the list by five minutes after its arrival."""
    assert (bleed["outcome"], bleed["revision"]) == ("analysed", 1)
    (alert,) = bleed["alerts"]
    (finding,) = bleed["findings"]
    assert finding["role"] == "live"
    assert alert["score"] == finding["score"] >= finding["threshold"]
    assert bleed["place"] >= 1
    assert bleed["times"]["seconds_to_alert"] > bleed["times"]["model_seconds"] > 0


def test_why_tells_it_in_order(whole_stack: WholeStack, bleed):
    """Arrived, whole, chosen, asked, answered, found, told, ended: each after its cause, each a sentence."""
    found = whole_stack.asked("why", bleed["study"][-12:])
    assert found["study"] == bleed["study"]
    told = [line["what"] for line in found["story"]]
    order = ["InstancesStored", "StudyAssembled", "StudyRouted", "ReadingRequested", "ReadingAnswered"]
    order += ["FindingMade", "AlertRaised", "StudyClosed"]
    assert [what for what in dict.fromkeys(told) if what in order] == order
    assert all(len(line["sentence"]) > len(line["what"]) or " " in line["sentence"] for line in found["story"])
    assert "suspected" in next(line["sentence"] for line in found["story"] if line["what"] == "FindingMade")
    assert "ALERT" in whole_stack.wetread("why", bleed["study"])


async def test_one_trace_from_the_door_to_the_alert(whole_stack: WholeStack, bleed):
    """The alert's chain of causes leads to the images as stored, and all of it carries one trace id."""
    async with whole_stack.record() as log:
        records = [r for r in await all_records(log) if (r.key or b"").decode() == bleed["study"]]
    by_id = {header(r.headers, "ce_id"): r for r in records}
    (record,) = [r for r in records if isinstance(from_kafka(r.value, r.headers).data, AlertRaised)]
    chain = [record]
    while cause := header(chain[-1].headers, "ce_causationid"):
        chain.append(by_id[cause])
    traces = {(header(r.headers, "traceparent") or "").split("-")[1] for r in chain}
    assert len(chain) >= 4
    assert len(traces) == 1
    stored = [r for r in records if isinstance(from_kafka(r.value, r.headers).data, InstancesStored)]
    assert {(header(r.headers, "traceparent") or "").split("-")[1] for r in stored} == traces


async def test_opened_and_read_studies_leave_the_list_and_close_their_alert(whole_stack: WholeStack, bleed):
    """`prioritise` moves it, `open` takes it off and closes the alert, `read` says that it is read."""
    study = bleed["study"]
    async with whole_stack.following() as following:
        line = following.ledger.line(study)
        whole_stack.wetread("prioritise", study, "routine")
        assert await following.until(lambda: line.priority == "routine", PATIENCE_S)
        assert line.place.reasons[0].kind == "override"
        assert line.place.read_by == line.place.arrived_at + timedelta(days=1)
        whole_stack.wetread("open", study)
        assert await following.until(lambda: bool(line.alerts_closed), PATIENCE_S)
        assert await following.until(lambda: line.place.state == "opened", PATIENCE_S)
        assert following.ledger.place_of(study) is None
        whole_stack.wetread("read", study)
        assert await following.until(lambda: line.place.state == "read", PATIENCE_S)
        assert line.alerts_closed == set(line.alerts)


async def test_stat_without_a_bleed_alerts_nobody(whole_stack: WholeStack):
    """Its order alone gives its place: half an hour."""
    case = write_case(PLAIN, whole_stack.folder("plain"))
    (row,) = whole_stack.asked("send", case.waves[0][0].parent, "--priority", "stat", "--wait")
    assert (row["outcome"], row["alerts"]) == ("analysed", [])
    ledger = await kept(whole_stack, [row["study"]])
    place = ledger.line(row["study"]).place
    assert (place.priority, place.read_by - place.arrived_at) == ("stat", timedelta(minutes=30))


async def test_a_chest_is_ineligible(whole_stack: WholeStack):
    """The model of chests takes none of so few images; it says so, and people read it in its class."""
    name = whole_stack.fresh("chest")
    datasets = slices(name)
    for ds in datasets:
        ds.BodyPartExamined, ds.StudyDescription, ds.ProtocolName = "CHEST", "CT CHEST", "CHEST"
        ds.SeriesDescription = "CHEST 7.5"
    line = await outcome_of(whole_stack, written(datasets, whole_stack.scratch / name))
    assert line.outcome.outcome == "ineligible"
    assert "14 images of the 30 needed" in line.outcome.reason
    assert line.place.state == "waiting"
    assert not line.findings


async def test_a_gap_is_rejected(whole_stack: WholeStack):
    """A series with slices missing in the middle is not read as if they were there, and says so."""
    name = whole_stack.fresh("gap")
    datasets = slices(name)
    line = await outcome_of(whole_stack, written(datasets[:6] + datasets[8:], whole_stack.scratch / name))
    assert line.outcome.outcome == "rejected", line.outcome
    assert "gap" in line.outcome.reason.lower() or "missing" in line.outcome.reason.lower()


async def test_late_slices_make_a_second_revision(whole_stack: WholeStack):
    """What comes after the first outcome is read anew, with all of it; each revision has its one outcome."""
    name = whole_stack.fresh("late")
    paths = written(slices(name), whole_stack.scratch / name)
    first = await outcome_of(whole_stack, paths[:9])
    assert (first.revision, first.outcome.outcome) == (1, "ineligible"), first.outcome
    second = await outcome_of(whole_stack, paths[9:])
    assert (second.revision, second.outcome.outcome, second.assembled) == (2, "analysed", 14)
    await kept(whole_stack, [second.study])


async def test_the_same_study_twice_is_one_revision(whole_stack: WholeStack):
    """Sent again, it is stored again, and nothing follows."""
    name = whole_stack.fresh("twice")
    paths = written(slices(name), whole_stack.scratch / name)
    line = await outcome_of(whole_stack, paths)
    async with whole_stack.following() as following:
        _, delivery = await sent(whole_stack, paths)
        assert not delivery.refused
        await ended(following, delivery)
    await read_on(whole_stack, {partition(line.study)})
    again = (await kept(whole_stack, [line.study])).line(line.study)
    assert (again.revision, len(again.outcomes[1]), len(again.answers)) == (1, 1, 1)


async def test_an_order_is_matched_before_and_after_arrival(whole_stack: WholeStack):
    """The accession number joins them, whichever is known first; the number itself stays at the door."""
    early, late = whole_stack.fresh("WR-EARLY"), whole_stack.fresh("WR-LATE")
    names = {accession: whole_stack.fresh("ordered") for accession in (early, late)}
    files = {a: written(slices(n, a)[:3], whole_stack.scratch / n) for a, n in names.items()}
    whole_stack.wetread("order", early, "stat")
    async with whole_stack.following() as following:
        _, delivery = await sent(whole_stack, files[early] + files[late])
        await ended(following, delivery)
        lines = {a: following.ledger.line(small_heads.study(n).uid) for a, n in names.items()}
        assert await following.until(lambda: lines[early].priority == "stat", PATIENCE_S)
        assert lines[late].priority == "routine"
        whole_stack.wetread("order", late, "urgent")
        assert await following.until(lambda: lines[late].priority == "urgent", PATIENCE_S)
        assert await following.until(lambda: lines[late].place.priority == "urgent", PATIENCE_S)
    said = await everything_said(whole_stack)
    assert [where for where, content in said.items() if early.encode() in content or late.encode() in content] == []


async def test_no_patient_is_named_anywhere(whole_stack: WholeStack, bleed):
    """Names, ids and birth dates of patients are in no topic (keys, bodies, headers), no log, and not in Redis."""
    name = whole_stack.fresh("identity")
    await outcome_of(whole_stack, written(slices(name), whole_stack.scratch / name))
    said = await everything_said(whole_stack)
    assert any(bleed["study"].encode() in content for content in said.values())
    forbidden = [b"PHANTOM^", b"PHANTOM-", name.encode(), b"19510203"]
    assert [(where, word) for where, content in said.items() for word in forbidden if word in content] == []
