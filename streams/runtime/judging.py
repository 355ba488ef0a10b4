"""What decides and who is asked: policies, contracts and the model server of this installation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from streams.adapters.contract_files import ModelFolder, read_models
from streams.adapters.policy_files import read_policies
from streams.adapters.triton_server import TritonServer
from streams.contract import Contract
from streams.policy import Policies
from streams.runtime.settings import Settings
from streams.runtime.wiring import addresses


def model_folders(settings: Settings) -> Mapping[str, ModelFolder]:
    """The models of this installation, by name."""
    return read_models(settings.models)


def judgement(settings: Settings, policies: Path | None = None) -> tuple[Policies, tuple[Contract, ...]]:
    """The policies (of another folder, if given) and the contracts under which the flow decides.

    Raises:
        PolicyInvalid: names file, line and key.
    """
    models = model_folders(settings)
    return read_policies(policies or settings.policies, models), tuple(m.contract for m in models.values())


@asynccontextmanager
async def model_server(settings: Settings) -> AsyncIterator[TritonServer]:
    """The model server of the running stack."""
    async with TritonServer(addresses(settings).triton, model_folders(settings)) as server:
        yield server
