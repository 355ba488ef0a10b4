"""kill -9 between storing, promising and answering: every acknowledged instance gets its event after a restart."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.adapters.memory_twins import MemoryLog
from streams.adapters.object_folder import ObjectFolder
from streams.errors import BrokerAway
from streams.events.identifiers import digest_of
from tests.support.doors import digests, dimse_door, send, slice_file, told_of

HERE = Path(__file__).resolve().parents[2]
FILES = 6
DYING = 4
"""The instance at which the door dies."""
SUCCESS = 0x0000


class DyingStore(ObjectFolder):
    """Kills its own process at the fourth put, before or after the bytes are durable."""

    puts = 0
    after = True

    def put(self, content):
        self.puts += 1
        if self.puts == DYING and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        digest = super().put(content)
        if self.puts == DYING:
            os.kill(os.getpid(), signal.SIGKILL)
        return digest


class AwayLog(MemoryLog):
    """Kafka is away: all that is acknowledged stays owed."""

    async def send(self, messages):
        raise BrokerAway("away")


async def serve(home: Path, point: str) -> None:
    """The door that dies: run in a process of its own, says its port on standard output."""
    store = ObjectFolder(home / "objects", reserve=0)
    if point in ("before put", "after put"):
        store = DyingStore(home / "objects", reserve=0)
        store.after = point == "after put"
    async with dimse_door(home, objects=store, log=AwayLog()) as parts:
        if point == "after owe":
            owe, owed = parts.spool.owe, []

            def dying(note, *, always=False):
                owe(note, always=always)
                owed.append(note)
                if len(owed) == DYING:
                    os.kill(os.getpid(), signal.SIGKILL)

            parts.spool.owe = dying
        print(parts.door.port, flush=True)
        await asyncio.sleep(60)


@pytest.mark.parametrize("point", ["before put", "after put", "after owe"])
async def test_every_acknowledged_instance_is_told_after_the_door_was_killed(tmp_path, point):
    """What was answered with success has its event; the sender, who sends the rest again, brings no second object."""
    files = [slice_file(number) for number in range(1, FILES + 1)]
    child = subprocess.Popen(  # noqa: ASYNC220  # a fork takes milliseconds, and nothing else runs
        [sys.executable, "-m", "tests.integration.test_doors_crash", str(tmp_path), point],
        stdout=subprocess.PIPE, cwd=HERE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        port = int(await asyncio.to_thread(child.stdout.readline))
        statuses = await asyncio.to_thread(send, port, files)
        assert await asyncio.to_thread(child.wait, 20) == -signal.SIGKILL
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    acknowledged = statuses.count(SUCCESS)
    assert acknowledged == DYING - 1
    async with dimse_door(tmp_path) as parts:
        assert await parts.shipper.drained(10)
        found = {i.instance for event in told_of(parts.log)[0] for i in event.instances}
        assert found >= {f"1.2.826.1.1.{n}" for n in range(1, acknowledged + 1)}
        assert [event.how for event in told_of(parts.log)[1]] == ["association-aborted"]
        assert await asyncio.to_thread(send, parts.door.port, files) == [SUCCESS] * FILES
        assert await parts.shipper.drained(10)
        told = digests(parts.log)
    assert len(told) == FILES
    objects = [
        path
        for path in (tmp_path / "objects").rglob("*")
        if path.is_file() and path.parent.name != "new" and path.name != "lock"
    ]
    assert {digest_of(path.read_bytes()) for path in objects} == told


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
