"""What decides and who is asked: policies, contracts and the model server of this installation."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from streams.adapters.contract_files import ModelFolder
from streams.adapters.model_store import ModelStore, Serving, Stamp
from streams.adapters.policy_files import read_policies
from streams.adapters.triton_server import TritonServer
from streams.contract import Contract
from streams.flow import INTAKE
from streams.policy import Policies
from streams.ports import EventLog
from streams.runtime.models.archive import FOLDER, Archive, Rules
from streams.runtime.processing.recalling import Recalled, Recalling
from streams.runtime.record.entries import decided_under
from streams.runtime.settings import Settings
from streams.runtime.wiring import addresses, model_store_folder
from streams.stage import Agent

LOOKS_EVERY_S = 1.0
LONGEST_LIVE_S = 300.0
"""A model that is added while readers run may take so long for a study."""


def model_store(settings: Settings) -> ModelStore:
    """The models that were brought here, over those shipped."""
    return ModelStore(model_store_folder(settings), settings.models)


def model_folders(settings: Settings) -> Mapping[str, ModelFolder]:
    """The models of this installation, by name, each in the version that answers."""
    return model_store(settings).models()


def judgement(settings: Settings, policies: Path | None = None) -> tuple[Policies, tuple[Contract, ...]]:
    """The policies (of another folder, if given) and the contracts under which the flow decides.

    Raises:
        PolicyInvalid: names file, line and key.
    """
    store = model_store(settings)
    serving = store.serving()
    models = store.models(serving)
    return _decided(read_policies(policies or settings.policies, models), serving), tuple(
        m.contract for m in models.values()
    )


def _decided(policies: Policies, serving: Serving) -> Policies:
    """The policies with the roles that `wetread models` gave; another digest wherever they could decide otherwise."""
    if not serving.roles:
        return policies
    routing = replace(policies.routing, roles=policies.routing.roles | serving.roles)
    digest = hashlib.sha256(f"{policies.digest}\n{serving.digest}\n".encode()).hexdigest()
    return replace(policies, routing=routing, digest=digest)


def earlier_contracts(store: ModelStore) -> tuple[Contract, ...]:
    """Of the versions that answered before those that do now."""
    previous = store.serving().previous
    return tuple(store.version(name, version).contract for name, version in previous.items())


class LiveRules:
    """The agents under what holds now: a decision of `wetread models` counts from the next event on.

    One event is decided under one set of rules, and all that it says carries their digest.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._store = settings, model_store(settings)
        self._archive = Archive(settings.home / FOLDER)
        self._stamp: Stamp = None
        self._agents: dict[str, Agent] = {}
        self._digest = ""
        self._others: tuple[str, float, datetime | None] = "", 0.0, None

    def of(self, name: str) -> tuple[Agent, str]:
        """An agent, and the digest that what it says carries.

        Raises:
            PolicyInvalid: what was decided cannot be read; the worker ends, and says so.
        """
        stamp = self._store.stamp()
        if not self._agents or stamp != self._stamp:
            policies, contracts = judgement(self._settings)
            rules = Rules(policies=policies, contracts=contracts, earlier=earlier_contracts(self._store))
            self._archive.keep(rules)
            self._agents = rules.agents()
            self._digest, self._stamp = policies.digest, stamp
        self._archive.use(self._digest)
        return self._agents[name], self._digest

    def recalling(self, log: EventLog) -> Recalling:
        """The rules of then, of events that may have been decided before."""
        return Recalling(partial(decided_under, log), self._archive.agent, self._others_until)

    def _others_until(self) -> datetime | None:
        """Looked at anew every second: a worker that sees a decision a moment later still decides as before."""
        now = time.monotonic()
        digest = self.of(INTAKE)[1]
        if self._others[0] != digest or now - self._others[1] > LOOKS_EVERY_S:
            self._others = digest, now, self._archive.others_until(digest)
        return self._others[2]

    async def recall(self, log: EventLog) -> Recalled | None:
        """Under which rules each event of the record was decided; None: it were always those of now."""
        if self._archive.digests() <= {self.of(INTAKE)[1]}:
            return None
        return Recalled(await decided_under(log), self._archive.agent)


def answering_now(settings: Settings) -> dict[str, ModelFolder]:
    """The versions that may be asked, by their names in Triton: what is switched off keeps nobody waiting."""
    store = model_store(settings)
    serving = store.serving()
    policies, _ = judgement(settings)
    names = {
        folder.asked_as
        for name, folder in store.models(serving).items()
        if policies.routing.roles.get(name, folder.contract.role) != "off"
    }
    return {name: folder for name, folder in store.served(serving).items() if name in names}


@asynccontextmanager
async def model_server(settings: Settings) -> AsyncIterator[TritonServer]:
    """The model server of the running stack."""
    async with TritonServer(addresses(settings).triton, model_store(settings).served()) as server:
        yield server
