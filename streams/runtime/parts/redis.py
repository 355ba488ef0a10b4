"""The local Redis: an append-only file, a memory limit, nothing evicted."""

from __future__ import annotations

import string
from dataclasses import dataclass

from streams.runtime.parts.digests import replace_text
from streams.runtime.parts.part import Launch
from streams.runtime.parts.ports import LOOPBACK
from streams.runtime.parts.programs import redis_server
from streams.runtime.parts.settings import PartsSettings
from streams.runtime.settings import shipped


@dataclass(frozen=True, slots=True)
class LocalRedis:
    """Redis as a child of the stack."""

    settings: PartsSettings
    port: int
    name: str = "redis"

    @property
    def address(self) -> str:
        """URL of database 0."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def prepare(self) -> Launch:
        """Writes redis.conf."""
        data = self.settings.home / "data" / "redis"
        data.mkdir(parents=True, exist_ok=True)
        config = self.settings.home / "config" / "redis.conf"
        template = (shipped("deploy") / "local" / "redis.conf").read_text(encoding="utf-8")
        replace_text(
            config,
            string.Template(template).substitute(port=self.port, data=data, maxmemory=self.settings.redis_maxmemory),
        )
        return Launch(argv=(str(redis_server()), str(config)), grace=15.0)

    def is_ready(self) -> bool:
        """Whether it answers PING; it does not while it loads its file."""
        return redis_answers(self.address)

    def is_alive(self) -> bool:
        """Whether it answers anything, be it that it loads its file."""
        return redis_answers(self.address, loading=True)

    def note(self) -> str:
        """Nothing."""
        return ""


def redis_answers(url: str, *, loading: bool = False) -> bool:
    """Whether the Redis at `url` answers PING within some seconds; `loading`: or says that it loads."""
    import redis  # noqa: PLC0415  # only where something is checked

    client = redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=2)
    try:
        return bool(client.ping())
    except redis.exceptions.BusyLoadingError:
        return loading
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()
