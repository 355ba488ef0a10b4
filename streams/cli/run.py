"""`wetread run`: one process of the stack; `wetread up` starts them all."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from streams.faults.firing import arm
from streams.runtime.settings import Settings, load
from streams.runtime.stack.services import ready_file

Ready = Callable[[], None]


def _worker(settings: Settings, name: str, ready: Ready) -> None:
    from streams.runtime.processes.workers import run_worker  # noqa: PLC0415  # each role loads what it runs alone

    run_worker(settings, name, ready)


def _reader(settings: Settings, name: str, ready: Ready) -> None:
    from streams.runtime.processes.workers import run_reader  # noqa: PLC0415

    run_reader(settings, name, ready)


def _dimse(settings: Settings, _name: str, ready: Ready) -> None:
    from streams.runtime.processes.doors import run_dimse  # noqa: PLC0415

    asyncio.run(run_dimse(settings, ready))


def _folder(settings: Settings, _name: str, ready: Ready) -> None:
    from streams.runtime.processes.doors import run_folder  # noqa: PLC0415

    asyncio.run(run_folder(settings, ready))


ROLES: dict[str, Callable[[Settings, str, Ready], None]] = {
    "worker": _worker,
    "reader": _reader,
    "door-dimse": _dimse,
    "door-folder": _folder,
}


def register(app: typer.Typer) -> None:
    """Add the verb; hidden, since people use `up`, and containers use this."""
    app.command("run", hidden=True)(run)


def run(
    role: Annotated[str, typer.Argument(help="worker, reader, door-dimse or door-folder")],
    name: Annotated[str | None, typer.Option(help="A name of this process, stable and unique.")] = None,
) -> None:
    """Run one process until SIGTERM."""
    if role not in ROLES:
        raise typer.BadParameter(f"{role!r} is none of {', '.join(ROLES)}")
    settings = load()
    told = "%(asctime)s %(levelname)s %(name)s %(message)s"
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=told, force=True)  # in place of a command's own
    for noisy in ("aiokafka", "kafka", "faust", "mode", "pynetdicom"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    own = name or f"{role}-1"
    marker = ready_file(settings.home, own)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.unlink(missing_ok=True)
    arm(settings.home, own, settings.fault, settings.unprotected)
    ROLES[role](settings, own, marker.touch)
