"""Models come, take their roles and go while studies are sent: none is lost, and each answer is of one version."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from streams.events.reading import ReadingAnswered
from streams.events.watching import StudyClosed
from streams.runtime.record.entries import entries
from tests.support import small_heads
from tests.support.brought import SAID, onnx_network
from tests.support.whole_stack import WholeStack, ended, sent

pytestmark = [
    pytest.mark.stack,
    pytest.mark.after_others,  # a replay of what was decided under these roles would differ
    pytest.mark.timeout(900),  # commands of a second each, on a machine that may be busy
]
NAME = "bright"


def written(folder: Path, name: str, bias: float) -> Path:
    """The small network with another bias: another version of the model."""
    folder.mkdir()
    (folder / "model.toml").write_text(SAID.replace("patch = 16", f"patch = 16 # {bias}"))
    path = onnx_network(folder / f"{name}.onnx")
    import numpy as np

    path.write_bytes(path.read_bytes().replace(np.float32(-8).tobytes(), np.float32(bias).tobytes()))
    return path


async def heads(stack: WholeStack, count: int) -> list[str]:
    """So many good heads through the doors; their studies, once each has ended."""
    folders = [stack.scratch / stack.fresh("role") for _ in range(count)]
    for folder in folders:
        small_heads.written(small_heads.slices(folder.name), folder)
    async with stack.following() as following:
        offered, delivery = await sent(stack, folders)
        await ended(following, delivery)
        found = {study: following.ledger.line(study).outcome for study in offered.studies}
    assert {o.outcome for o in found.values() if o} == {"analysed"}, found
    return list(found)


async def answers(stack: WholeStack) -> dict[str, list[ReadingAnswered]]:
    """Every answer of the model, by study, and that no study ended twice."""
    told: dict[str, list[ReadingAnswered]] = {}
    closed: dict[str, tuple[str, int]] = {}
    async with stack.record() as log:
        async for entry in entries(log):
            data = entry.envelope.data
            if isinstance(data, ReadingAnswered) and data.model == NAME:
                told.setdefault(data.study, []).append(data)
            if isinstance(data, StudyClosed):
                closed[entry.envelope.id] = (data.study, data.revision)
    assert len(closed) == len(set(closed.values()))
    return told


async def test_a_model_comes_and_changes_while_studies_flow(whole_stack: WholeStack, tmp_path: Path) -> None:
    """Add, enable, another version, rollback, disable: each counts from the next study on, and every study ends."""

    async def said(*arguments: object) -> Any:
        return await asyncio.to_thread(whole_stack.asked, "models", *arguments)

    first = await heads(whole_stack, 1)
    added = await said("add", written(tmp_path / "one", NAME, -8.0))
    assert (added["role"], added["loaded"], added["version"]) == ("shadow", True, "1")
    second = await heads(whole_stack, 1)

    async def change() -> None:
        assert (await said("enable", NAME))["role"] == "live"
        kept = await said("add", written(tmp_path / "two", NAME, -7.0))
        assert (kept["role"], kept["version"]) == ("kept", "1-2")
        assert (await said("enable", NAME, "--version", "1-2"))["before"] == ["1", "live"]

    meanwhile, _ = await asyncio.gather(heads(whole_stack, 4), change())
    third = await heads(whole_stack, 1)
    assert (await said("rollback", NAME))["version"] == "1"
    fourth = await heads(whole_stack, 1)
    assert (await said("disable", NAME))["role"] == "off"
    fifth = await heads(whole_stack, 1)
    listed = {row["model"]: row for row in await said("list")}
    assert listed[NAME]["role"] == "off"
    assert listed[NAME]["keeps"] == ["1", "1-2"]

    told = await answers(whole_stack)
    assert not set(first + fifth) & set(told)
    assert [(a.role, a.model_version) for a in told[second[0]]] == [("shadow", "1")]
    assert [(a.role, a.model_version) for a in told[third[0]]] == [("live", "1-2")]
    assert [(a.role, a.model_version) for a in told[fourth[0]]] == [("live", "1")]
    assert set(meanwhile) <= set(told)
    assert {len(given) for given in told.values()} == {1}
    digests = {a.model_version: a.model_digest for given in told.values() for a in given}
    assert {(a.model_version, a.model_digest) for given in told.values() for a in given} == set(digests.items())
