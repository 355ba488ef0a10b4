"""Who answers, and in which role: decided while everything runs, without a restart and without losing a study.

A version is loaded beside the one that answers and has to answer its canary; only then it is written down that it
answers. Readings that began with the other one end with it: it stays loaded until the next change.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from streams.adapters.contract_files import ModelFolder
from streams.adapters.model_store import SHIPPED, ModelStore, Serving, served_name
from streams.adapters.triton_server import TritonServer
from streams.errors import ModelRefused, ModelServerAway, PartMissing
from streams.runtime.models.judging import LONGEST_LIVE_S, judgement, model_store
from streams.runtime.parts.triton import FOLDER, REPOSITORY, lay_out_model, load_model, triton_answers, unload_model
from streams.runtime.settings import Settings
from streams.runtime.wiring import addresses

LIVE, SHADOW, OFF = "live", "shadow", "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What holds from now on.

    Attributes:
        before: version and role until now; role "none": it was not here.
        loaded: whether it answers on a running model server; False: from the next start on.
    """

    model: str
    version: str
    role: str
    digest: str
    before: tuple[str, str]
    loaded: bool


def known(settings: Settings, name: str) -> ModelFolder:
    """The version of a model that answers.

    Raises:
        ModelRefused: there is no such model.
    """
    models = model_store(settings).models()
    if name not in models:
        raise ModelRefused(f"there is no model {name}; there are: {', '.join(models) or 'none'}")
    return models[name]


def role_of(settings: Settings, name: str) -> str:
    """As it counts now: `wetread models` before routing.toml before the contract."""
    policies, contracts = judgement(settings)
    contract = next(c for c in contracts if c.name == name)
    return policies.routing.roles.get(name, contract.role)


def set_role(settings: Settings, name: str, role: str, version: str | None = None) -> Decided:
    """From the next study on the model reads in this role, in this version (None: the one that answers).

    Raises:
        ModelRefused, ModelServerAway: it does not answer as it should; then nothing has changed.
    """
    store = model_store(settings)
    serving = store.serving()
    now = serving.versions.get(name, SHIPPED if SHIPPED in store.versions(name) else "")
    if version is None and not now:
        version = (store.versions(name) or ("",))[-1]
    wanted = version or now
    folder = store.version(name, wanted)
    before = (now or "none", role_of(settings, name) if now else "none")
    loaded = role != OFF and _loaded(settings, store, folder, wanted)
    decided = replace(serving, roles=serving.roles | {name: role})
    if wanted != now:
        decided = replace(decided, versions=decided.versions | {name: wanted})
        if now:
            decided = replace(decided, previous=decided.previous | {name: now})
    _write(settings, store, serving, decided, f"{role} {name} {wanted}")
    return Decided(model=name, version=wanted, role=role, digest=folder.digest, before=before, loaded=loaded)


def roll_back(settings: Settings, name: str) -> Decided:
    """The version that answered before answers again; the role stays.

    Raises:
        ModelRefused: there is none; or it does not answer as it should, and nothing has changed.
    """
    store = model_store(settings)
    serving = store.serving()
    back = serving.previous.get(name)
    if back is None:
        kept = ", ".join(store.versions(name)) or "none"
        raise ModelRefused(f"no version of {name} answered before this one; kept are: {kept}")
    folder, role, now = store.version(name, back), role_of(settings, name), serving.versions[name]
    loaded = role != OFF and _loaded(settings, store, folder, back)
    decided = replace(
        serving, versions=serving.versions | {name: back}, previous=serving.previous | {name: now},
        roles=serving.roles | {name: role},
    )  # fmt: skip
    _write(settings, store, serving, decided, f"rollback {name} {back}")
    return Decided(model=name, version=back, role=role, digest=folder.digest, before=(now, role), loaded=loaded)


def check_deadline(folder: ModelFolder) -> None:
    """Whether readers that run already would wait so long.

    Raises:
        ModelRefused: no.
    """
    if folder.contract.limits.deadline_s > LONGEST_LIVE_S:
        raise ModelRefused(
            f"deadline_s = {folder.contract.limits.deadline_s:g} of {folder.contract.name}: "
            f"up to {LONGEST_LIVE_S:g} s are taken for a model that is added while readers run"
        )


def running_triton(settings: Settings) -> str | None:
    """The address of the model server, where one answers."""
    try:
        address = addresses(replace(settings, kafka="-", redis="-")).triton
    except PartMissing:
        return None
    return address if triton_answers(address) else None


def _loaded(settings: Settings, store: ModelStore, folder: ModelFolder, version: str) -> bool:
    """Load the version beside what answers, and ask its canary; False: no model server runs."""
    check_deadline(folder)
    address = running_triton(settings)
    link = store.link(folder.contract.name, version) if version != SHIPPED else folder.path
    if address is None:
        return False
    if settings.triton is None:
        lay_out_model(link, settings.home / FOLDER / REPOSITORY)
    load_model(address, folder.asked_as)
    try:
        asyncio.run(_asked(address, folder))
    except ModelServerAway as fault:
        unload_model(address, folder.asked_as)
        raise ModelRefused(f"{fault}; nothing has changed") from fault
    return True


async def _asked(address: str, folder: ModelFolder) -> None:
    contract = replace(folder.contract, name=folder.asked_as)
    async with TritonServer(address, {folder.asked_as: replace(folder, contract=contract)}) as server:
        await server.ready(contract)


def _write(settings: Settings, store: ModelStore, before: Serving, decided: Serving, what: str) -> None:
    """What is decided holds from now on; versions that neither answer nor did just before are let go."""
    held = {(n, v) for s in (before,) for of in (s.versions, s.previous) for n, v in of.items()}
    kept = {(n, v) for of in (decided.versions, decided.previous) for n, v in of.items()}
    store.decide(decided, datetime.now(UTC), what)
    address = running_triton(settings)
    for name, version in held - kept:
        if address is not None and version != SHIPPED:
            unload_model(address, served_name(name, version))
