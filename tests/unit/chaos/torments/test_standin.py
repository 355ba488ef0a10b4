"""The stand-in for Triton, asked by the product's own client: no bad answer is ever taken for one."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from streams.adapters.contract_files import read_models
from streams.adapters.triton_server import TritonServer
from streams.chaos.studies import model
from streams.chaos.torments.standin import MANNERS, StandIn
from streams.errors import ModelServerAway
from streams.runtime.parts.ports import claim_ports


@pytest.mark.parametrize("manner", MANNERS)
async def test_no_bad_answer_is_believed(tmp_path, manner):
    """An error, silence, NaN, another shape: the model is away, which is tried again; never a score."""
    models = read_models(model.write_model(tmp_path / "models").parent)
    port = claim_ports(tmp_path, ["stand-in"])["stand-in"]
    stand_in = StandIn()
    stand_in.manner = manner
    stand_in.start(port)
    try:
        async with TritonServer(f"127.0.0.1:{port}", models) as server:
            asked = server.infer(
                model.NAME,
                {"HU": np.zeros((1, 1, 2, 2, 2), np.float32)},
                outputs=("BRIGHT",),
                request_id="r",
                deadline_s=1.0,
            )
            with pytest.raises(ModelServerAway):
                await asked
    finally:
        await asyncio.to_thread(stand_in.stop)
    assert stand_in.asked
