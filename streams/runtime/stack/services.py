"""The whole of one machine: the parts, the workers and the doors as children of one stack."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import streams
from streams.runtime.parts.fetch import ensure_parts
from streams.runtime.parts.part import Child
from streams.runtime.parts.record import read_record
from streams.runtime.parts.settings import Addresses
from streams.runtime.parts.states import State
from streams.runtime.settings import Settings, as_environment
from streams.runtime.stack.stack import Stack, StackEvent
from streams.runtime.wiring import DICOM_PORT, parts_settings

Say = Callable[[str], None]
START_TIMEOUT_S = 120.0
BYTECODE = "bytecode"
"""Folder beside the parts; may be deleted at any time."""


def ready_file(home: Path, name: str) -> Path:
    """A process of ours touches it when it is ready, and removes it when it starts."""
    return home / "run" / f"{name}.ready"


def compiled(settings: Settings) -> dict[str, str]:
    """What lets the children's Python keep the code that it compiled, where it is told or made to keep none.

    Some images set PYTHONDONTWRITEBYTECODE, or install as somebody else. Then each start compiles 1,500 files anew,
    which takes longer than all the rest of it; and partitions wait for a worker's start.
    """
    if not sys.dont_write_bytecode and os.access(Path(streams.__file__).parent, os.W_OK):
        return {}
    kept = parts_settings(settings).fetched / BYTECODE
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(kept)}


def children(settings: Settings, at: Addresses, port: int) -> list[Child]:
    """Workers, reading workers and doors, as commands for the stack."""
    told = replace(settings, kafka=at.kafka, redis=at.redis, triton=at.triton, dicom_port=port)
    env = {**as_environment(told), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **compiled(settings)}

    def child(name: str, role: str, address: str = "") -> Child:
        marker = ready_file(settings.home, name)
        forget = partial(marker.unlink, missing_ok=True)
        argv = (sys.executable, "-m", "streams.cli.main", "run", role, "--name", name)
        return Child(name=name, argv=argv, env=env, ready=marker.exists, before=forget, address=address)

    return [
        *(child(f"worker-{n}", "worker") for n in range(1, settings.workers + 1)),
        *(child(f"reader-{n}", "reader") for n in range(1, settings.readers + 1)),
        child("door-dimse", "door-dimse", f"{settings.dicom_host}:{port}"),
        child("door-folder", "door-folder", str(settings.inbox)),
    ]


def start(settings: Settings, say: Say) -> Stack:
    """Fetch what is missing, start the parts, then workers and doors; returns when all are ready.

    Raises:
        PartMissing, StackBusy, StackFailed: each says what to do.
    """

    def tell(event: StackEvent) -> None:
        if event.part.state is not State.STARTING:
            say(f"{event.part.name} {event.said}")

    told = parts_settings(settings)
    ensure_parts(settings.home, say, told)
    stack = Stack(told, tell)
    at = stack.start(START_TIMEOUT_S)
    try:
        port = settings.dicom_port or stack.port(DICOM_PORT)
        stack.add(*children(settings, at, port), timeout=START_TIMEOUT_S)
    except BaseException:
        stack.stop()
        raise
    return stack


@asynccontextmanager
async def running_stack(settings: Settings, say: Say) -> AsyncIterator[None]:
    """The stack of this home: the one that runs already, else one for as long as the context is open."""
    if read_record(settings.home).stack is not None:
        yield
        return
    stack = await asyncio.to_thread(start, settings, say)
    try:
        yield
    finally:
        await asyncio.to_thread(stack.stop)


def detach(settings: Settings) -> tuple[int, bool]:
    """Start the stack as a process of its own that outlives this one.

    Returns:
        Its process id, and whether it came up (False: it ended; its log says why).
    """
    log = settings.home / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    ear, mouth = os.pipe()
    os.set_inheritable(mouth, True)  # its only argument
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "streams.cli.main", "up", "--tell", str(mouth)],
            env={**os.environ, **as_environment(settings)},  # handed on whole
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            pass_fds=(mouth,),
        )
    os.close(mouth)
    with os.fdopen(ear, "rb") as told:
        return process.pid, told.read(1) == b"!"
