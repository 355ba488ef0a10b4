"""A role that is decided counts from the next event on; one event sees one set of rules, and says which."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from streams.adapters.memory_twins import MemoryLog
from streams.adapters.model_store import Serving
from streams.flow import INTAKE, TRIAGE
from streams.ports import Message
from streams.runtime.models.archive import Archive, Rules
from streams.runtime.models.judging import LiveRules, judgement, model_store
from streams.runtime.settings import Settings, load
from tests.support.models import write_model_folder

ROOT = Path(__file__).resolve().parents[4]
NOW = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)


def settings(tmp_path: Path) -> Settings:
    write_model_folder(tmp_path / "shipped")
    policies = shutil.copytree(ROOT / "deploy" / "policies", tmp_path / "policies")
    return load(
        {
            "WETREAD_HOME": str(tmp_path / "home"),
            "WETREAD_MODELS": str(tmp_path / "shipped"),
            "WETREAD_POLICIES": str(policies),
        }
    )


def test_a_decision_counts_from_the_next_event_on(tmp_path: Path) -> None:
    """The same agent until then; another, under another digest, from then on."""
    installed = settings(tmp_path)
    rules = LiveRules(installed)
    before, digest = rules.of(INTAKE)
    assert rules.of(INTAKE) == (before, digest)
    model_store(installed).decide(Serving(roles={"m": "off"}), NOW, "off m shipped")
    after, other = rules.of(INTAKE)
    assert after is not before
    assert other != digest
    assert rules.of(TRIAGE)[1] == other


def test_what_decides_live_is_what_a_start_and_a_replay_read(tmp_path: Path) -> None:
    """So a worker that starts later says the same, byte for byte."""
    installed = settings(tmp_path)
    rules = LiveRules(installed)
    rules.of(INTAKE)
    model_store(installed).decide(Serving(roles={"m": "shadow"}), NOW, "shadow m shipped")
    policies, _ = judgement(installed)
    assert policies.routing.roles == {"m": "shadow"}
    assert rules.of(INTAKE)[1] == policies.digest


def test_a_role_given_by_command_goes_before_the_policy(tmp_path: Path) -> None:
    installed = settings(tmp_path)
    routing = installed.policies / "routing.toml"
    routing.write_text(routing.read_text().replace("[roles]", '[roles]\nm = "off"'))
    assert judgement(installed)[0].routing.roles == {"m": "off"}
    model_store(installed).decide(Serving(roles={"m": "live"}), NOW, "live m shipped")
    assert judgement(installed)[0].routing.roles == {"m": "live"}


async def test_rules_that_never_changed_need_no_record(tmp_path: Path) -> None:
    """Nothing is read at a start where nobody ever decided anything."""
    rules = LiveRules(settings(tmp_path))
    assert await rules.recall(MemoryLog()) is None


async def test_what_was_decided_under_other_rules_is_found_again(tmp_path: Path) -> None:
    """By the digest that the record carries; by a process that never saw those rules, too."""
    installed = settings(tmp_path)
    live = LiveRules(installed)
    then, digest = live.of(INTAKE)
    model_store(installed).decide(Serving(roles={"m": "off"}), NOW, "off m shipped")
    now, other = live.of(INTAKE)
    log = MemoryLog()
    said = [("ce_causationid", b"first"), ("ce_policydigest", digest.encode())]
    await log.send([Message("imaging.studies", b"k", b"", said), Message("triage.alerts", b"k", b"", said)])
    later = [("ce_causationid", b"second"), ("ce_policydigest", other.encode())]
    await log.send([Message("imaging.studies", b"k", b"", later)])
    recalled = await LiveRules(installed).recall(log)
    assert recalled is not None
    found = {event: recalled.of(INTAKE, event, 0) for event in ("first", "silent", "second", "silent too")}
    assert [known and known[1] for known in found.values()] == [digest, digest, other, other]
    agents = [known[0] for known in found.values() if known]
    assert [agent.name for agent in agents] == [INTAKE] * 4
    assert now is not then


async def test_what_came_before_the_last_use_of_other_rules_is_looked_up(tmp_path: Path) -> None:
    """Though they are those of now again: what was decided meanwhile was decided under the others."""
    installed = settings(tmp_path)
    live, log = LiveRules(installed), MemoryLog()
    _agent, first = live.of(INTAKE)
    model_store(installed).decide(Serving(roles={"m": "off"}), NOW, "off m shipped")
    _agent, second = live.of(INTAKE)
    event = log.append("imaging.instances", b"k", b"", [])
    said = [("ce_causationid", b"meanwhile"), ("ce_policydigest", second.encode())]
    await log.send([Message("imaging.studies", b"k", b"", said)])
    model_store(installed).decide(Serving(), NOW, "live m shipped")
    recalling = live.recalling(log)
    assert live.of(INTAKE)[1] == first
    found = await recalling.of(INTAKE, "meanwhile", event, told=False)
    assert found is not None
    assert found[1] == second
    assert await recalling.of(INTAKE, "later", event, told=False) is None
    os.utime(installed.home / "rules" / second, (1, 1))
    assert await LiveRules(installed).recalling(log).of(INTAKE, "meanwhile", event, told=False) is None


def test_a_last_use_that_cannot_be_seen_is_taken_for_now(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """So that all is looked up on the record; and what cannot be marked is told, and stops nobody."""
    archive = Archive(tmp_path / "gone")
    assert archive.others_until("d" * 64) is not None
    archive.use("d" * 64)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2


async def test_rules_of_another_build_give_way(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be read is told once, and nothing stops."""
    installed = settings(tmp_path)
    _agent, digest = LiveRules(installed).of(INTAKE)
    (installed.home / "rules" / ("0" * 64)).write_bytes(b"of another build")
    log = MemoryLog()
    said = [("ce_causationid", b"first"), ("ce_policydigest", b"0" * 64)]
    await log.send([Message("imaging.studies", b"k", b"", said)])
    recalled = await LiveRules(installed).recall(log)
    assert recalled is not None
    assert [recalled.of(INTAKE, event, 0) for event in ("first", "x", "y")] == [None] * 3
    assert [r.message for r in caplog.records if "those of now" in r.message and digest not in r.message][1:] == []


def test_rules_come_back_from_the_archive_as_they_were(tmp_path: Path) -> None:
    """The shipped ones, byte for byte: policies and every field of each contract."""
    policies, contracts = judgement(load({"WETREAD_HOME": str(tmp_path)}))
    rules = Rules(policies=policies, contracts=contracts, earlier=contracts[:1])
    archive = Archive(tmp_path / "rules")
    archive.keep(rules)
    archive.keep(rules)
    assert archive.digests() == {policies.digest}
    assert msgspec.msgpack.decode((tmp_path / "rules" / policies.digest).read_bytes(), type=Rules) == rules
