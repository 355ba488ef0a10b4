"""A door as a process: listens, ships what it owes, ends gracefully on SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from streams.adapters.kafka_log import KafkaLog
from streams.adapters.telemetry import Telemetry
from streams.doors.dimse import DimseDoor
from streams.doors.folder import FolderDoor
from streams.doors.journal import Journal
from streams.doors.memory import give_back_at_once, share
from streams.doors.settings import DoorSettings
from streams.doors.shipping import Shipper
from streams.doors.spool import Spool
from streams.runtime.keeping.asking import sweeps
from streams.runtime.settings import Settings
from streams.runtime.wiring import addresses, dicom_address, object_store, pseudonym

DRAIN_S = 10.0
Ready = Callable[[], None]


def door_settings(settings: Settings) -> DoorSettings:
    """What the DIMSE door is told."""
    host, port = dicom_address(settings)
    usual = DoorSettings(home=settings.home)
    return replace(
        usual,
        host=host,
        port=port,
        ae_title=settings.ae_title,
        called_ae=settings.ae_title if settings.require_called_ae else None,
        calling_aes=settings.calling_aes,
        held_most=share(usual.held_most),
    )


async def run_dimse(settings: Settings, ready: Ready) -> None:
    """The DIMSE door, until SIGTERM: then it accepts no more, ships what is owed, and ends."""
    give_back_at_once()
    told = door_settings(settings)
    async with _shipping(settings, "dimse", told.owed_most) as open_door:
        shipper = open_door.shipper
        door = DimseDoor(told, shipper.objects, shipper.spool, shipper.take, open_door.refused)
        door.start()
        ready()
        await open_door.until_asked_to_end()
        await asyncio.to_thread(door.stop)


async def run_folder(settings: Settings, ready: Ready) -> None:
    """The watched folder, until SIGTERM; beside it what is kept no longer is removed, by a process of its own."""
    async with _shipping(settings, "folder", DoorSettings(home=settings.home).owed_most) as open_door:
        shipper = open_door.shipper
        door = FolderDoor(settings.inbox, shipper.objects, shipper.spool, shipper.pseudonyms, shipper.take)
        ready()
        await open_door.until_asked_to_end(asyncio.create_task(door.run()), asyncio.create_task(sweeps(settings)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenDoor:
    """What stands behind a door while it is open."""

    name: str
    shipper: Shipper
    shipping: asyncio.Task[None]
    telemetry: Telemetry

    def refused(self, why: str) -> None:
        self.telemetry.count("wetread_instances_refused_total", door=self.name, why=why)

    async def until_asked_to_end(self, *work: asyncio.Task[None]) -> None:
        """Until SIGTERM; what fails before ends the process, and its supervisor starts it again."""
        asked = asyncio.create_task(_asked_to_end())
        done, _ = await asyncio.wait({asked, self.shipping, *work}, return_when=asyncio.FIRST_COMPLETED)
        for task in (asked, *work):
            task.cancel()
        for task in done - {asked}:
            task.result()


@asynccontextmanager
async def _shipping(settings: Settings, door: str, owed_most: int) -> AsyncIterator[_OpenDoor]:
    spool = Spool(settings.home / "spool" / door, owed_most)
    telemetry = Telemetry(f"wetread-door-{door}", settings.otlp)

    def stored(count: int) -> None:
        telemetry.count("wetread_instances_stored_total", count, door=door)

    def set_aside(count: int) -> None:
        telemetry.count("wetread_dead_letters_total", count, agent=f"door {door}")

    async with KafkaLog(addresses(settings).kafka) as log:
        journal = Journal(settings.home / "spool" / door / "open")
        shipper = Shipper(door, spool, object_store(settings), pseudonym(settings), log, stored, journal, set_aside)
        shipper.recover()
        shipping = asyncio.create_task(shipper.run())
        try:
            yield _OpenDoor(name=door, shipper=shipper, shipping=shipping, telemetry=telemetry)
            await shipper.drained(DRAIN_S)
        finally:
            shipping.cancel()
            with suppress(asyncio.CancelledError):
                await shipping
            spool.close()
            await asyncio.to_thread(telemetry.close)


async def _asked_to_end() -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()
