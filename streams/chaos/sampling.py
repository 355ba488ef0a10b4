"""What grows or does not: each process of the stack now and then, the keys of Redis and the objects of the store."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import redis

from streams.chaos.history import History
from streams.chaos.site import Site

EVERY_S, STORES_EVERY_S = 10.0, 60.0
PATIENCE_S = 5.0


class Sampler:
    """Looks at every process of the stack every ten seconds, and at what is stored every minute."""

    def __init__(self, site: Site, history: History) -> None:
        self._site, self._history = site, history
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._ending.set()
        self._thread.join(EVERY_S)

    def _run(self) -> None:
        stores_at = 0.0
        while not self._ending.wait(EVERY_S):
            self._processes()
            if time.monotonic() >= stores_at:
                stores_at = time.monotonic() + STORES_EVERY_S
                with suppress(redis.RedisError, OSError):  # it is away: the next look tells
                    self._stores()

    def _processes(self) -> None:
        for name, process in self._site.processes():
            with suppress(psutil.Error), process.oneshot():
                spent = process.cpu_times()
                self._history.happened(
                    "processes", part=name, pid=process.pid, rss_bytes=process.memory_info().rss,
                    handles=process.num_fds(), threads=process.num_threads(), cpu_s=spent.user + spent.system,
                )  # fmt: skip

    def _stores(self) -> None:
        keys, memory = keys_by_kind(self._site.redis)
        objects = stored(self._site.settings.home / "objects")
        self._history.happened("stores", keys=keys, memory_bytes=memory, objects=objects)


def keys_by_kind(url: str) -> tuple[dict[str, int], int]:
    """Agent and kind of key to how many there are; bytes that Redis holds.

    Raises:
        redis.RedisError: it is away, or does not answer in time.
    """
    client: Any = redis.Redis.from_url(url, socket_timeout=PATIENCE_S)
    try:
        kinds = Counter(_kind(name.decode()) for name in client.scan_iter(count=1000))
        return dict(sorted(kinds.items())), int(client.info("memory")["used_memory"])
    finally:
        client.close()


def _kind(key: str) -> str:
    """`triage:state` of wetread:{triage:3}:state:1.2.3."""
    agent, _, rest = key.partition("{")[2].partition("}")
    return f"{agent.partition(':')[0]}:{rest.strip(':').partition(':')[0]}"


def stored(store: Path) -> int:
    """Objects in the store of bytes."""
    return sum(1 for _ in store.glob("??/??/*"))
