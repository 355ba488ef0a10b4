"""Policy files: the clinical knobs of deploy/policies, read strictly, with the digest of all that decides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from streams.adapters.strict_toml import TomlFile, meant
from streams.events.imaging import Priority
from streams.events.quality import QUALITY_CODES
from streams.policy import (
    FOR_EVER,
    RECORD_DAYS,
    AlertPolicy,
    AssemblyPolicy,
    Policies,
    QualityPolicy,
    RetentionPolicy,
    RoutingPolicy,
    WaitingPolicy,
)

if TYPE_CHECKING:  # what reads contracts loads all functions of reading: doors read policies too
    from streams.adapters.contract_files import ModelFolder

PRIORITIES: tuple[str, ...] = get_args(Priority)
"""The most urgent first."""
ROLES = ("live", "shadow", "off")
RETENTION = "retention.toml"
LONGEST_DAYS = 100_000
"""What is longer is written 0: for ever."""


def read_policies(folder: Path, models: Mapping[str, ModelFolder]) -> Policies:
    """The policies of a folder of TOML files.

    The digest is over these files and over the models: whatever may change a decision changes it. Where there is no
    retention.toml, everything is kept for ever.

    Raises:
        PolicyInvalid: names file, line and key.
    """
    files = {name: TomlFile(folder / f"{name}.toml", f"{name}.toml") for name in _NAMES}
    retention = read_retention(folder)
    if (folder / RETENTION).exists():
        files["retention"] = TomlFile(folder / RETENTION, RETENTION)
    routing = files["routing"].read(RoutingPolicy)
    waiting = files["waiting"].read(WaitingPolicy)
    assembly = files["assembly"].read(AssemblyPolicy)
    alerts = files["alerts"].read(AlertPolicy)
    quality = files["quality"].read(QualityPolicy)
    _check_assembly(files["assembly"], assembly)
    _check_routing(files["routing"], routing, models)
    _check_waiting(files["waiting"], waiting)
    found = sorted({model.contract.finding.name for model in models.values()})
    _check_findings(files["waiting"], "by_finding", waiting.by_finding, found)
    _check_findings(files["alerts"], "findings", alerts.findings, found)
    _check_quality(files["quality"], quality)
    return Policies(
        assembly=assembly,
        routing=routing,
        waiting=waiting,
        alerts=alerts,
        quality=quality,
        retention=retention,
        digest=_digest(files, models),
    )


def _digest(files: Mapping[str, TomlFile], models: Mapping[str, ModelFolder]) -> str:
    sha = hashlib.sha256()
    for name in sorted(files):
        sha.update(f"{name}:{hashlib.sha256(files[name].content).hexdigest()}\n".encode())
    for name in sorted(models):
        sha.update(f"{name}:{models[name].digest}\n".encode())
    return sha.hexdigest()


def read_retention(folder: Path) -> RetentionPolicy:
    """The policy of retention.toml alone; where there is none, everything is kept for ever.

    Raises:
        PolicyInvalid: names file, line and key.
    """
    if not (folder / RETENTION).exists():
        return FOR_EVER
    file = TomlFile(folder / RETENTION, RETENTION)
    policy = file.read(RetentionPolicy)
    _check_retention(file, policy)
    return policy


_NAMES = ("assembly", "routing", "waiting", "alerts", "quality")


def _check_assembly(file: TomlFile, policy: AssemblyPolicy) -> None:
    if not 0 < policy.quiet_s <= policy.longest_s:
        file.fault(("quiet_s",), "quiet_s takes more than 0 and at most longest_s")
    if policy.forget_s < policy.longest_s:
        file.fault(("forget_s",), "forget_s takes at least longest_s")


def _check_routing(file: TomlFile, policy: RoutingPolicy, models: Mapping[str, ModelFolder]) -> None:
    for priority in PRIORITIES:
        if priority not in policy.lanes:
            file.fault(("lanes",), f"lanes names no lane for '{priority}'")
    for name, words in policy.body_parts.items():
        if not words or any(not word.strip() for word in words):
            file.fault(("body_parts", name), f"body part '{name}' takes one word or more")
    _check_overrides(file, policy, models)


def _check_overrides(file: TomlFile, policy: RoutingPolicy, models: Mapping[str, ModelFolder]) -> None:
    for key, name in [("roles", n) for n in policy.roles] + [("thresholds", n) for n in policy.thresholds]:
        if name not in models:
            file.fault((key, name), f"{key} names '{name}', and there is no such model{meant(name, models)}")
    for name, role in policy.roles.items():
        if role not in ROLES:
            file.fault(("roles", name), f"role '{role}' is not known{meant(role, ROLES)}")
    for name, threshold in policy.thresholds.items():
        if not 0 <= threshold <= 1:
            file.fault(("thresholds", name), f"threshold of '{name}' takes a probability from 0 to 1")


def _check_waiting(file: TomlFile, policy: WaitingPolicy) -> None:
    shortest = 1
    for priority in PRIORITIES:
        wait = policy.by_priority.get(priority)  # type: ignore[call-overload]  # a Literal's own words
        if wait is None:
            file.fault(("by_priority",), f"by_priority names no wait for '{priority}'")
        if wait < shortest:
            file.fault(("by_priority", priority), f"'{priority}' may not wait less than what is more urgent")
        shortest = wait
    for name, wait in policy.by_finding.items():
        if wait < 1:
            file.fault(("by_finding", name), f"the wait of '{name}' takes 1 second or more")
    if policy.no_ai_after_s <= 0:
        file.fault(("no_ai_after_s",), "no_ai_after_s takes more than 0 seconds")


def _check_findings(file: TomlFile, key: str, told: Iterable[str], found: Sequence[str]) -> None:
    """A finding that no model makes would shorten no wait, and alert nobody; without models there are none to know."""
    for name in told:
        if found and name not in found:
            known = ", ".join(found)
            file.fault((key, name), f"{key} names '{name}', a finding that no model here makes; known are {known}")


def _check_retention(file: TomlFile, policy: RetentionPolicy) -> None:
    for key in ("ended_days", "remembered_days", "orders_days"):
        days = getattr(policy, key)
        if not 0 <= days < LONGEST_DAYS:
            file.fault((key,), f"{key} takes days, or 0: for ever")
        if 0 < days < RECORD_DAYS and not policy.shorter_than_record:
            file.fault(
                (key,),
                f"{key} takes at least the {RECORD_DAYS} days that the record is kept, so that what it tells of can "
                "be looked at, or 0: for ever; if less is meant, say so: shorter_than_record = true",
            )
    if not 0 < policy.sweep_hours < LONGEST_DAYS:
        file.fault(("sweep_hours",), "sweep_hours takes more than 0 hours")


def _check_quality(file: TomlFile, policy: QualityPolicy) -> None:
    counted = [code for code, unit in QUALITY_CODES.items() if unit]
    _check_codes(file, "severity", policy.severity, list(QUALITY_CODES))
    _check_codes(file, "threshold", policy.threshold, counted)
    for code, threshold in policy.threshold.items():
        if threshold < 0:
            file.fault(("threshold", code), f"the threshold of '{code}' takes 0 or more")
    for code in policy.withholds:
        if code not in QUALITY_CODES:
            file.fault(("withholds",), f"withholds names '{code}', which is not known{meant(code, QUALITY_CODES)}")


def _check_codes(file: TomlFile, key: str, told: Mapping[str, object], codes: Sequence[str]) -> None:
    """Every code and no other."""
    for code in codes:
        if code not in told:
            file.fault((key,), f"{key} names nothing for '{code}'")
    for code in told:
        if code not in codes:
            file.fault((key, code), f"{key} names '{code}', which is not known there{meant(code, codes)}")
