"""Policy files are read strictly: a fault names file, line and key."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from streams.adapters.policy_files import read_policies
from streams.errors import PolicyInvalid
from streams.policy import FOR_EVER

SHIPPED = Path(__file__).parents[3] / "deploy" / "policies"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "policies"))


def edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))


def test_shipped_policies_are_sound():
    """What we ship is valid, and shortens waits by urgency."""
    policies = read_policies(SHIPPED, {})
    waits = policies.waiting.by_priority
    assert waits["stat"] < waits["urgent"] < waits["routine"]
    assert policies.alerts.findings == ("intracranial_haemorrhage",)
    assert set(policies.routing.body_parts) >= {"head", "chest", "breast"}
    assert policies.routing.lanes["stat"] == "urgent"
    assert policies.assembly.quiet_s == 2


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        (
            "waiting.toml",
            "[by_priority]",
            "[by_prioritty]",
            "waiting.toml line 7: key 'by_prioritty' is not known; did you mean 'by_priority'?",
        ),
        (
            "waiting.toml",
            "stat = 1800",
            "statt = 1800",
            "waiting.toml line 8: key 'statt' is not known; did you mean 'stat'?",
        ),
        (
            "waiting.toml",
            "urgent = 3600",
            "urgent = 60",
            "waiting.toml line 9: 'urgent' may not wait less than what is more urgent",
        ),
        (
            "waiting.toml",
            "stat = 1800",
            'stat = "soon"',
            "waiting.toml line 7: key 'by_priority': expected `int`, got `str`",
        ),
        ("waiting.toml", "no_ai_after_s = 120", "", "waiting.toml: object missing required field `no_ai_after_s`"),
        (
            "assembly.toml",
            "quiet_s = 2",
            "quiet_s = 0",
            "assembly.toml line 6: quiet_s takes more than 0 and at most longest_s",
        ),
        (
            "assembly.toml",
            "quiet_s = 2",
            'quiet_s = "2"',
            "assembly.toml line 6: key 'quiet_s': expected `float`, got `str`",
        ),
        ("quality.toml", 'text = "warn"', "", "quality.toml line 10: severity names nothing for 'text'"),
        (
            "quality.toml",
            'text = "warn"',
            'txt = "warn"\ntext = "warn"',
            "severity names 'txt', which is not known there; did you mean 'text'?",
        ),
        (
            "quality.toml",
            'text = "warn"',
            'text = "alarm"',
            "quality.toml line 10: key 'severity': invalid enum value 'alarm'",
        ),
        ("quality.toml", "text = 8 ", "text = -8 ", "the threshold of 'text' takes 0 or more"),
        (
            "quality.toml",
            '"metal"]',
            '"metals"]',
            "withholds names 'metals', which is not known; did you mean 'metal'?",
        ),
        ("routing.toml", 'stat = "urgent"', "", "routing.toml line 8: lanes names no lane for 'stat'"),
        (
            "routing.toml",
            '# ich_ct = "shadow"',
            'ich_tc = "shadow"',
            "routing.toml line 30: roles names 'ich_tc', and there is no such model",
        ),
        ("routing.toml", "head = [", 'head = ["", ', "routing.toml line 17: body part 'head' takes one word or more"),
        (
            "alerts.toml",
            "findings =",
            "finding =",
            "alerts.toml line 2: key 'finding' is not known; did you mean 'findings'?",
        ),
    ],
)
def test_a_fault_names_file_line_and_key(folder: Path, name: str, old: str, new: str, told: str):
    """Whoever edits a policy learns at once what is wrong, and where."""
    edit(folder, name, old, new)
    with pytest.raises(PolicyInvalid) as fault:
        read_policies(folder, {})
    assert told in str(fault.value)


def test_no_toml_and_no_file(folder: Path):
    """A broken file and a missing one are told apart."""
    (folder / "alerts.toml").write_text("findings = [")
    with pytest.raises(PolicyInvalid, match=r"alerts\.toml cannot be read"):
        read_policies(folder, {})
    (folder / "alerts.toml").unlink()
    with pytest.raises(PolicyInvalid, match=r"alerts\.toml is missing"):
        read_policies(folder, {})


def test_every_change_changes_the_digest(folder: Path, model):
    """The digest in an event names files and models: change either, and it is another."""
    seen = {read_policies(folder, {}).digest, read_policies(folder, {"m": model}).digest}
    seen.add(read_policies(folder, {"m": replace(model, digest="f" * 64)}).digest)
    edit(folder, "waiting.toml", "stat = 1800", "stat = 1799")
    seen.add(read_policies(folder, {}).digest)
    assert len(seen) == 4
    assert read_policies(folder, {}).digest in seen


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        (
            "waiting.toml",
            "intracranial_haemorrhage =",
            "intracranial_hemorrhage =",
            "waiting.toml line 14: by_finding names 'intracranial_hemorrhage', a finding that no model here makes",
        ),
        (
            "alerts.toml",
            '"intracranial_haemorrhage"',
            '"lung_nodule", "stroke"',
            "alerts.toml line 2: findings names 'stroke', a finding that no model here makes",
        ),
    ],
)
def test_a_finding_that_no_model_makes_is_refused(folder: Path, model, name: str, old: str, new: str, told: str):
    """A slip of the pen would alert nobody, and say nothing of it; each model's finding is known, whatever its role."""
    contract = replace(model.contract, role="off", finding=replace(model.contract.finding, name="lung_nodule"))
    models = {"m": model, "n": replace(model, contract=contract)}
    read_policies(folder, models)
    edit(folder, name, old, new)
    with pytest.raises(PolicyInvalid) as fault:
        read_policies(folder, models)
    assert str(fault.value) == f"{told}; known are intracranial_haemorrhage, lung_nodule"


def test_overrides_of_a_known_model(folder: Path, model):
    """A role or threshold is checked against the models that there are."""
    edit(folder, "routing.toml", '# ich_ct = "shadow"', 'm = "shadow"')
    edit(folder, "routing.toml", "# ich_ct = 0.6", "m = 0.7")
    policies = read_policies(folder, {"m": model})
    assert policies.routing.roles == {"m": "shadow"}
    assert policies.routing.thresholds == {"m": 0.7}
    edit(folder, "routing.toml", "m = 0.7", "m = 70")
    with pytest.raises(PolicyInvalid, match="takes a probability"):
        read_policies(folder, {"m": model})
    edit(folder, "routing.toml", 'm = "shadow"', 'm = "shaddow"')
    with pytest.raises(PolicyInvalid, match="did you mean 'shadow'"):
        read_policies(folder, {"m": model})


def test_without_a_retention_file_all_is_kept_for_ever(folder):
    """As with 0, and with a key that is left out; the digest tells the difference."""
    shipped = read_policies(folder, {})
    assert (shipped.retention.ended_days, shipped.retention.remembered_days) == (30, 60)
    (folder / "retention.toml").unlink()
    without = read_policies(folder, {})
    assert without.retention == FOR_EVER
    assert without.digest != shipped.digest
    (folder / "retention.toml").write_text("ended_days = 0\n")
    assert read_policies(folder, {}).retention == FOR_EVER


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("ended_days = 30", "ended_days = 7", "retention.toml line 6: ended_days takes at least the 30 days that"),
        ("remembered_days = 60", "remembered_days = 2", "remembered_days takes at least the 30 days that the record"),
        ("ended_days = 30", "ended_days = -1", "ended_days takes days, or 0: for ever"),
        ("orders_days = 400", "orders_days = inf", "orders_days takes days, or 0: for ever"),
        ("orders_days = 400", "orders_days = nan", "orders_days takes days, or 0: for ever"),
        ("sweep_hours = 24", "sweep_hours = 0", "sweep_hours takes more than 0 hours"),
        ("ended_days = 30", "end_days = 30", "key 'end_days' is not known; did you mean 'ended_days'?"),
    ],
)
def test_a_retention_that_cannot_be_meant_is_told(folder, old, new, told):
    """Shorter than the record is, unless it is said that it is meant."""
    edit(folder, "retention.toml", old, new)
    with pytest.raises(PolicyInvalid, match=re.escape(told)):
        read_policies(folder, {})


def test_shorter_than_the_record_can_be_meant(folder):
    """By saying so."""
    edit(folder, "retention.toml", "ended_days = 30", "ended_days = 0.5\nshorter_than_record = true")
    assert read_policies(folder, {}).retention.ended_days == 0.5
