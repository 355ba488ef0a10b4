"""Every set of rules that ever decided here, by its digest: what is decided anew is decided as it was."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from streams.contract import Contract
from streams.flow import agents
from streams.policy import Policies
from streams.stage import Agent

log = logging.getLogger(__name__)

FOLDER = "rules"
USE_TOLD_EVERY_S = 30.0
"""A file's time of change is when its rules decided last, to within so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What makes the agents: policies with the roles of then, contracts, and those of versions before."""

    policies: Policies
    contracts: tuple[Contract, ...]
    earlier: tuple[Contract, ...] = ()

    def agents(self) -> dict[str, Agent]:
        """By name."""
        return {agent.name: agent for agent in agents(self.policies, self.contracts, self.earlier)}


class Archive:
    """A folder with one file for each digest; some kilobytes each, and as many as there were decisions of people."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._agents: dict[str, dict[str, Agent]] = {}
        self._used: tuple[str, float] = "", 0.0

    def keep(self, rules: Rules) -> None:
        """Before anything is decided under them."""
        path = self._folder / rules.policies.digest
        if path.exists():
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(msgspec.msgpack.encode(rules))
        fresh.replace(path)

    def use(self, digest: str) -> None:
        """They decide now: before anything is said under them."""
        used, at = self._used
        if used != digest or time.monotonic() - at > USE_TOLD_EVERY_S:
            try:
                os.utime(self._folder / digest)
            except OSError as error:
                log.warning("the last use of the rules %s cannot be told: %s", digest[:12], error)
            self._used = digest, time.monotonic()

    def others_until(self, digest: str) -> datetime | None:
        """When other rules than these decided last; None: none ever did. Now, where that cannot be seen."""
        try:
            used = [file.stat().st_mtime for file in self._folder.iterdir() if file.name != digest and not file.suffix]
        except OSError as error:  # then all is looked up on the record: slower, and never wrong
            log.warning("when other rules decided last cannot be seen: %s", error)
            return datetime.now(UTC)
        return datetime.fromtimestamp(max(used), UTC) if used else None

    def digests(self) -> set[str]:
        """Of all that ever decided."""
        return {path.name for path in self._folder.glob("*") if not path.suffix}

    def agent(self, digest: str, name: str) -> Agent | None:
        """An agent as it decided under these rules; None: they are not here, or are of another build."""
        if digest not in self._agents:
            try:
                rules = msgspec.msgpack.decode((self._folder / digest).read_bytes(), type=Rules)
            except (OSError, msgspec.MsgspecError) as error:
                log.warning("the rules %s cannot be read; those of now take their place: %s", digest[:12], error)
                self._agents[digest] = {}
            else:
                self._agents[digest] = rules.agents()
        return self._agents[digest].get(name)
