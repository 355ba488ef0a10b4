"""Torments of what remembers: Redis flushed, full, cut; the store of bytes full."""

from __future__ import annotations

import signal
from contextlib import suppress

import psutil
import redis

from streams.chaos.site import REDIS_MEMORY, Site, waited
from streams.chaos.torments.answering import answers
from streams.chaos.torments.struck import PATIENCE_S, Struck, Tools

FULL_BYTES = 4096
"""No file may grow beyond this while a store is full: an image is larger."""


def flushed(tools: Tools) -> Struck | None:
    """FLUSHALL: well again when as many studies stand on the list as before."""
    with suppress(redis.RedisError), redis.Redis.from_url(tools.site.redis, socket_timeout=5) as client:
        before = _listed(client)
        client.flushall()
        return Struck(target="redis", note=f"{before} on the list", recovered=lambda: _relisted(tools.site, before))
    return None


def _listed(client: redis.Redis) -> int:
    names = list(client.scan_iter(match="wetread:{triage:*}:listing", count=1000))
    return sum(int(client.zcard(name)) for name in names)


def _relisted(site: Site, before: int) -> bool:
    def as_many() -> bool:
        with suppress(redis.RedisError, OSError), redis.Redis.from_url(site.redis, socket_timeout=5) as client:
            return _listed(client) >= before
        return False

    return waited(as_many, PATIENCE_S)


def full(tools: Tools) -> Struck | None:
    """Redis takes nothing more for a while."""

    def limit(memory: str) -> None:
        with suppress(redis.RedisError), redis.Redis.from_url(tools.site.redis, socket_timeout=5) as client:
            client.config_set("maxmemory", memory)

    limit("1mb")
    return Struck(target="redis", seconds=tools.lasting(5, 20), heal=lambda: limit(REDIS_MEMORY))


def cut(tools: Tools) -> Struck | None:
    """Redis killed, and its append-only file cut at a random byte before it starts again."""
    site = tools.site
    if not site.names("redis"):
        return None
    before = site.life("redis").restarts
    pid = site.signal("redis", signal.SIGKILL)
    files = [
        p for p in (site.settings.home / "data" / "redis").rglob("*aof*") if p.is_file() and "manifest" not in p.name
    ]
    largest = max(files, key=lambda p: p.stat().st_size, default=None)
    note = "no append-only file"
    if largest is not None and pid is not None and waited(lambda: not _lives(pid), 2.0, 0.01):
        size = largest.stat().st_size
        keep = tools.chance.randint(0, size)
        with largest.open("r+b") as file:
            file.truncate(keep)
        note = f"cut at {keep} of {size} bytes"
    return Struck(target="redis", pid=pid, note=note, recovered=lambda: site.until_back("redis", before, PATIENCE_S))


def _lives(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


def store_full(tools: Tools) -> Struck | None:
    """No file of a door grows beyond 4 KB for a while: as on a full disk, nothing can be stored."""
    names = tools.site.names("door")
    name = "door-dimse" if "door-dimse" in names else None
    pid = tools.site.life(name).pid if name else None
    if name is None or pid is None:
        return None
    psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, (FULL_BYTES, psutil.RLIM_INFINITY))

    def heal() -> None:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))

    return Struck(
        target=name, pid=pid, seconds=tools.lasting(4, 15), heal=heal, recovered=lambda: answers(tools.site, "dicom")
    )
