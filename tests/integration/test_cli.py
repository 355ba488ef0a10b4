"""The command line on a running stack: what it prints, and with which code it ends."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from streams.ports import Message
from tests.support.small_heads import slices, written
from tests.support.whole_stack import PATIENCE_S, WholeStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(2 * PATIENCE_S)]

PROCESSES = ["kafka", "redis", "triton", "worker-1", "reader-1", "door-dimse", "door-folder"]


def test_status_names_every_process(whole_stack: WholeStack):
    """Each part, worker and door with its pid, address, state and since when; lag, open studies, dead letters."""
    found = whole_stack.asked("status")
    assert [part["name"] for part in found["parts"]] == PROCESSES
    assert {part["state"] for part in found["parts"]} == {"running"}
    assert all(part["pid"] and part["since"] for part in found["parts"])
    assert all(isinstance(found[what], int) for what in ("open_studies", "dead_letters"))
    assert all(isinstance(amount, int) for amount in found["lag"].values())
    assert "worker-1" in whole_stack.wetread("status")


def test_send_waits_and_prints_a_row_per_study(whole_stack: WholeStack):
    """Each row says how its study ended and when; code 0, since each has one outcome."""
    names = [whole_stack.fresh("sent") for _ in range(2)]
    folder = whole_stack.folder("both")
    for name in names:
        written(slices(name), folder / name)
    rows = whole_stack.asked("send", folder, "--priority", "urgent", "--wait")
    assert [row["outcome"] for row in rows] == ["analysed", "analysed"]
    assert {row["revision"] for row in rows} == {1}
    for row in rows:
        assert set(row) == {"study", "outcome", "reason", "revision", "findings", "measurements", "alerts",
                            "place", "read_by", "times", "growth"}  # fmt: skip
        fields = {"model", "name", "score", "threshold", "role", "measured"}
        assert [set(f) for f in row["findings"]] == [fields]
        assert row["place"] >= 1
        assert row["times"]["closed_at"] > row["times"]["last_stored_at"] >= row["times"]["first_stored_at"]


def test_a_file_that_is_no_dicom_is_a_dead_letter_with_a_row(whole_stack: WholeStack):
    """It goes to the watched folder, ends in the dead letters, and `dlq` shows why and which bytes."""
    folder = whole_stack.folder("letter")
    folder.mkdir()
    (folder / "report.pdf").write_bytes(f"%PDF-1.4 no DICOM: {folder.name}".encode())
    (row,) = whole_stack.asked("send", folder, "--wait")
    assert (row["outcome"], row["study"], row["file"]) == ("deadletter", None, "report.pdf")
    assert "no DICOM" in row["reason"]
    letter = whole_stack.asked("dlq", "list")[-1]
    assert letter["source"] == "door folder"
    assert "no DICOM" in letter["reason"]
    shown = whole_stack.wetread("dlq", "show", letter["number"])
    assert letter["object"] in shown
    assert letter["reason"] in shown


def test_send_ends_with_code_1_where_a_study_has_no_outcome_in_time(whole_stack: WholeStack):
    """Not waited for long enough is not a success, and the row says that the study is open."""
    folder = whole_stack.folder("impatient")
    written(slices(folder.name), folder)
    (row,) = whole_stack.asked("send", folder, "--wait", "--timeout", "0.05", code=1)
    assert row["outcome"] == "open"
    (row,) = whole_stack.asked("send", folder, "--wait")
    assert (row["outcome"], row["revision"]) == ("analysed", 1)


async def test_a_dead_letter_is_redriven(whole_stack: WholeStack):
    """`redrive` sends the original bytes again to where they came from; what is still bad comes back."""
    async with whole_stack.record() as log, whole_stack.following() as following:
        name = whole_stack.fresh("redriven")
        await log.send([Message("imaging.instances", name.encode(), b"not json", [("ce_id", name.encode())])])

        def letters():
            return [d for d in following.dead_letters if d.record.key == name.encode()]

        assert await following.until(lambda: len(letters()) == 1, PATIENCE_S)
        (first,) = letters()
        printed = await asyncio.to_thread(whole_stack.wetread, "dlq", "redrive", first.record.offset)
        assert printed == "1 sent again\n"
        assert await following.until(lambda: len(letters()) == 2, PATIENCE_S)
        again = letters()[1]
        assert (again.record.value, again.reason) == (first.record.value, first.reason)
        assert dict(again.record.headers)["ce_id"] == name.encode()


def test_models_answer_their_canary(whole_stack: WholeStack):
    """Each model folder with what it reads, its threshold, its role and its state on the server.

    A machine that starves a model's process for a second makes Triton give it up, and may take Triton with it: it is
    loaded anew, and answers then.
    """
    roles = {"ich_ct": "live", "lung_nodule_ct": "shadow", "breast_density_mg": "shadow"}
    end = time.monotonic() + PATIENCE_S
    while True:
        models = {model["model"]: model for model in whole_stack.asked("models")}
        assert {name: models[name]["role"] for name in roles} == roles
        states = {models[name]["state"] for name in roles}
        if states == {"ready: answered its canary"}:
            break
        assert time.monotonic() < end, states
    assert all(0 < models[name]["threshold"] < 1 for name in roles)


def test_doctor_finds_this_stack_well(whole_stack: WholeStack):
    """A line per check, code 0."""
    lines = whole_stack.wetread("doctor").splitlines()
    assert lines
    assert [line for line in lines if not line.startswith("well")] == []


def test_errors_are_a_sentence_and_a_code(whole_stack: WholeStack):
    """What does not exist is named; nothing prints a traceback."""
    process = whole_stack.start_wetread("why", "no-such-study", "--within", "120")
    printed, complained = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert "Traceback" not in printed + complained
    assert "no-such-study" in complained
    assert whole_stack.wetread("send", whole_stack.settings.home / "nothing", code=2) == ""


def test_up_says_that_it_is_up(whole_stack: WholeStack):
    """A home has one stack; a second `up --detach` says so and starts nothing."""
    assert "up already" in whole_stack.wetread("up", "--detach")
    assert json.loads(whole_stack.wetread("status", "--json"))["stack"] is not None
