"""A role that is decided counts from the next event on; one event sees one set of rules, and says which."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from streams.adapters.model_store import Serving
from streams.flow import INTAKE, TRIAGE
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
