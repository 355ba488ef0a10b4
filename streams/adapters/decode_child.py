"""The process that decodes: it may crash, hang or run out of memory, and nothing else does."""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import resource
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.adapters.pixel_frames import check_size, stored_values, to_hounsfield
from streams.adapters.pixel_header import read_pixel_header
from streams.errors import ObjectDamaged, ObjectMissing, QualityRejected

GO = b"decode\n"
PROGRESS_BYTES = 8
"""Behind the volume's pixels: the index of the last slice that was begun."""
LARGEST_FILE = 1 << 30
LONGEST_SENTENCE = 500
NO_MEMORY = {"fault": "broken", "text": "The decoder needs more memory than it may have."}


@dataclass(frozen=True, slots=True)
class Slice:
    """One instance to decode: its name for people, where its bytes lie, what they must be."""

    name: str
    path: str
    digest: str
    syntax: str


def decode_slice(task: Slice, out: NDArray[np.int16]) -> None:
    """Decode one instance into its place in the volume, Hounsfield units [rows, columns].

    Raises:
        QualityRejected: truncated, lying or undecodable.
        ObjectMissing, ObjectDamaged.
    """
    content = _content(task)
    try:
        header = read_pixel_header(content, task.syntax)
        check_size(header, out.shape)
        to_hounsfield(stored_values(header), header, out)
    except QualityRejected as fault:
        raise QualityRejected(f"Slice {task.name} {fault}") from fault


def _content(task: Slice) -> bytes:
    try:
        with Path(task.path).open("rb") as file:
            if os.fstat(file.fileno()).st_size > LARGEST_FILE:
                raise QualityRejected(f"Slice {task.name} is a file of more than {LARGEST_FILE >> 20} MiB.")
            content = file.read()
    except FileNotFoundError as error:
        raise ObjectMissing(f"the object {task.digest[:12]} is not in the store") from error
    if hashlib.sha256(content).hexdigest() != task.digest:
        raise ObjectDamaged(f"the object {task.digest[:12]} no longer has its digest")
    return content


def decode_all(request: dict[str, Any], volume: mmap.mmap) -> None:
    """Decode every slice of a request; the first fault, in the order asked for, is the one that is told."""
    count, rows, columns = request["shape"]
    pixels = np.frombuffer(volume, dtype=np.int16, count=count * rows * columns).reshape(count, rows, columns)
    progress = np.frombuffer(volume, dtype=np.int64, count=1, offset=len(volume) - PROGRESS_BYTES)

    def one(index: int) -> None:
        progress[0] = index
        decode_slice(Slice(*request["slices"][index]), pixels[index])

    with ThreadPoolExecutor(request["threads"]) as pool:
        jobs = [pool.submit(one, index) for index in range(count)]
        try:
            for job in jobs:
                job.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def answer(request: dict[str, Any], volume: mmap.mmap) -> dict[str, str]:
    """Decode; what went wrong, by kind, or nothing. A decoder of native code may raise what is no Exception."""
    try:
        decode_all(request, volume)
    except QualityRejected as fault:
        return {"fault": "quality", "text": str(fault)[:LONGEST_SENTENCE]}
    except ObjectMissing as fault:
        return {"fault": "missing", "text": str(fault)}
    except ObjectDamaged as fault:
        return {"fault": "damaged", "text": str(fault)}
    except MemoryError:
        return NO_MEMORY
    except BaseException as fault:  # noqa: BLE001  # Rust's panics are BaseExceptions
        text = f"The decoder failed: {type(fault).__name__}: {fault}"
        return {"fault": "broken", "text": text[:LONGEST_SENTENCE]}
    return {}


def mapped(descriptor: int) -> mmap.mmap:
    """The memory behind a descriptor, which is closed; it stays mapped while an array looks at it.

    Raises:
        MemoryError: the limit of this process does not have room for it.
    """
    try:
        return mmap.mmap(descriptor, 0)
    except OSError as error:
        raise MemoryError from error
    finally:
        os.close(descriptor)


def handle(asked: int, volume: int) -> dict[str, str]:
    """One request, given as descriptors: its JSON, and the memory for its pixels."""
    try:
        request, pixels = json.loads(mapped(asked)[:]), mapped(volume)
    except MemoryError:
        return NO_MEMORY
    # SIGALRM's default action ends the process even inside native code, whether the parent lives or not.
    signal.setitimer(signal.ITIMER_REAL, request["deadline_s"])
    told = answer(request, pixels)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return told


def serve(channel: socket.socket) -> None:
    """Answer one request after the other until the parent is gone."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, len(GO), 2)
        if message != GO or len(descriptors) != len(("asked", "volume")):
            return
        channel.sendall(json.dumps(handle(*descriptors)).encode() + b"\n")


def main() -> None:
    """Run in a process of its own: arguments are the channel's descriptor and the memory limit in bytes."""
    descriptor, memory = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at the terminal is the parent's to handle
    with socket.socket(fileno=descriptor) as channel, contextlib.suppress(ConnectionError):
        serve(channel)


if __name__ == "__main__":
    main()
