"""Ports of one stack: chosen once below the range of outgoing connections, remembered, and apart from other stacks'."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from streams.errors import PartMissing
from streams.runtime.parts.digests import replace_text

LOOPBACK = "127.0.0.1"
LOWEST = 20_000
# From here on a client's outgoing connection can take the port of a server that restarts (Linux' default range).
CEILING = 32_768
REMEMBERED = "ports.json"


def remembered_ports(home: Path) -> dict[str, int]:
    """The ports of this home's stack, by name; empty before its first start."""
    try:
        ports: dict[str, int] = json.loads((home / REMEMBERED).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return ports


def claim_ports(home: Path, names: Sequence[str]) -> dict[str, int]:
    """A free port for each name: the remembered one where it can still be had, else another, which is remembered.

    Claims of all stacks of this user are kept in one folder, so that two first starts at the same moment, or a
    stack that is stopped just now, do not get in each other's way.

    Raises:
        PartMissing: no port is free.
    """
    remembered = remembered_ports(home)
    claimed = dict(remembered)
    with _claims() as claims:
        for name in names:
            taken = {port for other, port in claimed.items() if other != name}
            offers = [remembered[name]] if name in remembered else []
            offers += [port for port in _order(home) if port not in taken]
            claimed[name] = next((port for port in offers if _is_ours_to_take(port, home, claims)), 0)
            if not claimed[name]:
                raise PartMissing(f"no port from {LOWEST} to {CEILING} is free for {name}")
            (claims / str(claimed[name])).write_text(str(home), encoding="utf-8")
    if claimed != remembered:
        replace_text(home / REMEMBERED, json.dumps(claimed, indent=1))
    return {name: claimed[name] for name in names}


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of the loopback."""
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as servers do; connections that linger do not count
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _order(home: Path) -> Iterator[int]:
    """All ports, from one that this home's path decides."""
    span = CEILING - LOWEST
    first = int.from_bytes(hashlib.sha256(str(home).encode()).digest()[:4], "big") % span
    return (LOWEST + (first + step) % span for step in range(span))


def _is_ours_to_take(port: int, home: Path, claims: Path) -> bool:
    try:
        holder = Path((claims / str(port)).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return is_free(port)
    held = holder != home and port in remembered_ports(holder).values()
    return not held and is_free(port)


@contextmanager
def _claims() -> Iterator[Path]:
    folder = Path(tempfile.gettempdir()) / f"wetread-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
