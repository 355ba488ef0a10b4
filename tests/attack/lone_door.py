"""A DIMSE door as a process of its own, with nothing behind it; `HOME [SETTING=NUMBER ...]`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from streams.adapters.memory_twins import MemoryLog
from streams.adapters.object_folder import ObjectFolder
from streams.doors.dimse import DimseDoor
from streams.doors.memory import give_back_at_once
from streams.doors.settings import DoorSettings
from streams.doors.shipping import Shipper
from streams.doors.spool import Spool
from streams.flow import DEADLETTERS
from streams.ports import Message
from tests.support.doors import NAMES

WHOLE = {field.name for field in fields(DoorSettings) if field.type == "int"}


class CountingLog(MemoryLog):
    """A record that keeps nothing, so that memory is the door's own."""

    counts = {"events": 0, "letters": 0}  # noqa: RUF012  # one per process

    async def send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.counts["letters" if message.topic == DEADLETTERS else "events"] += 1


async def serve(home: Path, told: dict[str, float]) -> None:
    """Until standard input ends; its counts are the last line."""
    give_back_at_once()
    settings = DoorSettings(
        home=home,
        port=0,
        called_ae="WETREAD",
        finish_s=1.0,
        **{name: int(number) if name in WHOLE else number for name, number in told.items()},
    )
    store, spool = ObjectFolder(home / "objects", reserve=0), Spool(home / "spool", settings.owed_most)
    shipper = Shipper("dimse", spool, store, NAMES, CountingLog())
    shipping = asyncio.create_task(shipper.run())
    door = DimseDoor(settings, store, spool, shipper.take)
    door.start()
    print(door.port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await asyncio.to_thread(door.stop)
    drained = await shipper.drained(60)
    shipping.cancel()
    spool.close()
    print(f"{drained} {CountingLog.counts['events']} {CountingLog.counts['letters']}", flush=True)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), {n: float(v) for n, _, v in (a.partition("=") for a in sys.argv[2:])}))
