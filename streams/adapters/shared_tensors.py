"""System shared memory for tensors on their way to a Triton on this host; names that a later start can clean up."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tritonclient.utils import InferenceServerException

from streams.ports import Tensor

FOLDER = Path("/dev/shm")  # noqa: S108  # the kernel's name for it
PREFIX = "wetread-tensors-"
"""And the process' id: what a killed process left is told from what a living one uses."""
SMALLEST = 1 << 20
"""Bytes from which a tensor travels by shared memory; below, a message is as fast."""
KEPT_IDLE = 4
CALL_S = 5.0
UNREGISTER_TRIES, UNREGISTER_WAIT_S = 50, 0.1
"""A region whose call was cancelled is in use until the server has noticed."""


class Registrar(Protocol):
    """The part of Triton's client that knows of regions."""

    async def register_system_shared_memory(
        self, name: str, key: str, byte_size: int, *, client_timeout: float | None = None
    ) -> Any:
        """Let the server map a region."""

    async def unregister_system_shared_memory(self, name: str = "", *, client_timeout: float | None = None) -> Any:
        """Let the server forget it."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A registered piece of shared memory; `size` is a power of two."""

    name: str
    size: int
    memory: mmap.mmap

    def write(self, tensor: Tensor) -> None:
        """Copy the tensor to the region's beginning."""
        np.copyto(np.ndarray(tensor.shape, tensor.dtype, buffer=self.memory), tensor)


class Regions:
    """Regions by size, registered once and lent again and again."""

    def __init__(self, client: Registrar) -> None:
        self._client = client
        self._numbers = itertools.count(1)
        self._idle: list[Region] = []
        self._leaving: set[asyncio.Task[None]] = set()

    async def lend(self, size: int) -> Region:
        """A region of at least `size` bytes.

        Raises:
            OSError: no room in shared memory.
            InferenceServerException: the server does not take it; it may stand on another host.
        """
        wanted = 1 << max(size - 1, SMALLEST - 1).bit_length()
        for region in self._idle:
            if region.size == wanted:
                self._idle.remove(region)
                return region
        region = _create(f"{PREFIX}{os.getpid()}-{next(self._numbers)}", wanted)
        try:
            await self._client.register_system_shared_memory(
                region.name, f"/{region.name}", wanted, client_timeout=CALL_S
            )
        except BaseException:
            _remove(region)
            raise
        return region

    def give_back(self, region: Region) -> None:
        """The call has ended: the region may be lent again."""
        self._idle.append(region)
        if len(self._idle) > KEPT_IDLE:
            self.discard(self._idle.pop(0))

    def discard(self, region: Region) -> None:
        """The call was cut off: the server may still read the region; it is removed when it no longer does."""
        task = asyncio.create_task(self._leave(region))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def forget(self) -> None:
        """The server no longer knows the idle regions (it was started again)."""
        while self._idle:
            self.discard(self._idle.pop())

    async def close(self) -> None:
        """Remove all that is ours."""
        await self.forget()
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _leave(self, region: Region) -> None:
        try:
            for _ in range(UNREGISTER_TRIES):
                try:
                    await self._client.unregister_system_shared_memory(region.name, client_timeout=CALL_S)
                except InferenceServerException as error:
                    if "in use" not in str(error):
                        return  # the server is away, or knows nothing of it
                    await asyncio.sleep(UNREGISTER_WAIT_S)  # Triton tells nobody when a region is free
                else:
                    return
        finally:
            _remove(region)


def sweep() -> list[str]:
    """Remove what killed processes left in shared memory; the names, which a server may still have registered."""
    left = []
    for path in FOLDER.glob(f"{PREFIX}*"):
        process = path.name.removeprefix(PREFIX).partition("-")[0]
        if process.isdecimal() and not Path(f"/proc/{process}").exists():
            path.unlink(missing_ok=True)
            left.append(path.name)
    return left


def _create(name: str, size: int) -> Region:
    descriptor = os.open(FOLDER / name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)  # a full /dev/shm says so here, not as a SIGBUS later
        return Region(name, size, mmap.mmap(descriptor, size))
    except BaseException:
        (FOLDER / name).unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _remove(region: Region) -> None:
    with contextlib.suppress(BufferError):  # an array still looks at it: the memory goes with the array
        region.memory.close()
    (FOLDER / region.name).unlink(missing_ok=True)
