"""PixelSource by supervised child processes: limits, deadlines, and no copy of the pixels between processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import mmap
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from streams.adapters.decode_child import GO, PROGRESS_BYTES
from streams.errors import ObjectDamaged, ObjectMissing, QualityRejected, ReadingBroken
from streams.events.imaging import InstanceFacts
from streams.ports import ObjectStore, Tensor

CHILD = "streams.adapters.decode_child"
ROOT = Path(__file__).resolve().parents[2]
"""Where the package lies: a child is started with a clean environment and must find it."""
ANSWER_MOST = 65536
GRACE_S = 5.0
"""A child ends itself so long after the deadline, should its parent be gone."""
TRIES = 2
"""A crash may be the machine's; a second one is the images'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeLimits:
    """What a child may use; voxels are checked before anything is allocated for them."""

    memory_bytes: int = 3 << 30
    voxels: int = 600_000_000
    threads: int = 2


class _Crashed(Exception):
    """The child is gone; the text says how."""


class DicomPixels:
    """PixelSource port over an object store, with a small pool of warm children."""

    def __init__(self, objects: ObjectStore, *, children: int = 1, limits: DecodeLimits | None = None) -> None:
        self._objects = objects
        self._limits = limits or DecodeLimits()
        self._free: asyncio.LifoQueue[_Child | None] = asyncio.LifoQueue()
        for _ in range(children):
            self._free.put_nowait(None)
        self._all: set[_Child] = set()

    async def __aenter__(self) -> Self:
        """Start a first child, so that the first study does not wait for it."""
        child = await self._take()
        self._free.put_nowait(child)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all children."""
        for child in tuple(self._all):
            self._end(child)

    async def decode(self, instances: Sequence[InstanceFacts], deadline_s: float) -> Tensor:
        """Hounsfield units, int16 [n, rows, columns], in the given order; see streams.ports.PixelSource."""
        shape = self._shape(instances)
        slices = await asyncio.to_thread(self._slices, instances)
        request = {"shape": shape, "slices": slices, "threads": self._limits.threads}
        with _Memory(json.dumps(request | {"deadline_s": deadline_s + GRACE_S}).encode()) as asked:
            for attempt in range(1, TRIES + 1):
                with _Memory(size=2 * math.prod(shape) + _padding(shape) + PROGRESS_BYTES) as volume:
                    try:
                        await self._ask(asked, volume, deadline_s)
                    except _Crashed as crash:
                        if attempt == TRIES:
                            near = slices[volume.progress()][0]
                            raise ReadingBroken(f"The decoder crashed near slice {near} ({crash}).") from crash
                    else:
                        return volume.pixels(shape)
        raise AssertionError  # the loop returns or raises

    def _shape(self, instances: Sequence[InstanceFacts]) -> tuple[int, int, int]:
        if not instances:
            raise QualityRejected("There are no images to decode.")
        shape = (len(instances), instances[0].rows, instances[0].columns)
        if min(shape) < 1:
            raise QualityRejected("The images have no pixels.")
        if math.prod(shape) > self._limits.voxels:
            told = " x ".join(map(str, shape))
            raise QualityRejected(f"The images claim {told} pixels, more than is read ({self._limits.voxels}).")
        return shape

    def _slices(self, instances: Sequence[InstanceFacts]) -> list[tuple[str, str, str, str]]:
        return [
            (
                str(index if facts.number is None else facts.number),
                str(self._objects.path(facts.digest)),
                facts.digest,
                facts.transfer_syntax,
            )
            for index, facts in enumerate(instances, start=1)
        ]

    async def _ask(self, asked: _Memory, volume: _Memory, deadline_s: float) -> None:
        child = await self._take()
        healthy = False
        try:
            async with asyncio.timeout(deadline_s):
                told = await child.ask(asked.descriptor, volume.descriptor)
            healthy = True
        except TimeoutError as error:
            raise ReadingBroken(f"Decoding took longer than {deadline_s:.3g} s and was stopped.") from error
        finally:
            if not healthy:  # crashed, late, or its caller was cancelled: it may still be writing
                self._end(child)
            self._free.put_nowait(child if healthy else None)
        _raise_told(told)

    async def _take(self) -> _Child:
        child = await self._free.get()
        if child is not None and child.alive():
            return child
        try:
            if child is not None:
                self._end(child)
            child = await asyncio.to_thread(_Child, self._limits)
        except BaseException:
            self._free.put_nowait(None)
            raise
        self._all.add(child)
        return child

    def _end(self, child: _Child) -> None:
        self._all.discard(child)
        child.kill()


def _raise_told(told: dict[str, str]) -> None:
    kinds = {"quality": QualityRejected, "missing": ObjectMissing, "damaged": ObjectDamaged}
    if told:
        raise kinds.get(told["fault"], ReadingBroken)(told["text"])


def _padding(shape: tuple[int, int, int]) -> int:
    """Bytes behind the pixels so that the progress stands at a multiple of 8."""
    return -2 * math.prod(shape) % PROGRESS_BYTES


class _Child:
    """One child process and the socket to it."""

    def __init__(self, limits: DecodeLimits) -> None:
        self._channel, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-m", CHILD, str(theirs.fileno()), str(limits.memory_bytes)]
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter, no shell
                command,
                pass_fds=[theirs.fileno()],
                env={"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._channel.setblocking(False)

    def alive(self) -> bool:
        return self._process.poll() is None

    async def ask(self, request: int, volume: int) -> dict[str, str]:
        """Hand over both memories; the child's answer.

        Raises:
            _Crashed: it is gone without one.
        """
        loop = asyncio.get_running_loop()
        told = b""
        with contextlib.suppress(ConnectionError):
            socket.send_fds(self._channel, [GO], [request, volume])
            while not told.endswith(b"\n") and (part := await loop.sock_recv(self._channel, ANSWER_MOST)):
                told += part
        if not told.endswith(b"\n"):
            code = await asyncio.to_thread(self._process.wait)
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise _Crashed(how)
        answer: dict[str, str] = json.loads(told)
        return answer

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._channel.close()


class _Memory:
    """Anonymous memory that two processes share by its descriptor; its pages come when they are written."""

    def __init__(self, content: bytes = b"", *, size: int = 0) -> None:
        self.descriptor = os.memfd_create("wetread", os.MFD_CLOEXEC)
        os.ftruncate(self.descriptor, size or len(content))
        if content:
            os.pwrite(self.descriptor, content, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)

    def progress(self) -> int:
        """Index of the slice that was begun last."""
        at = os.fstat(self.descriptor).st_size - PROGRESS_BYTES
        return int.from_bytes(os.pread(self.descriptor, PROGRESS_BYTES, at), sys.byteorder)

    def pixels(self, shape: tuple[int, int, int]) -> Tensor:
        """The volume; the array alone keeps the memory alive, nobody writes to it any more."""
        mapped = mmap.mmap(self.descriptor, 0, prot=mmap.PROT_READ)
        return np.frombuffer(mapped, dtype=np.int16, count=math.prod(shape)).reshape(shape)
