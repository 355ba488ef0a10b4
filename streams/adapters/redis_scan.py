"""All states that a Redis holds, one after the other: for who asks what is still named, not for who decides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from streams.adapters.redis_state import PREFIX
from streams.errors import StateStoreAway
from streams.ports import Place

AT_ONCE = 200


async def states(redis: Redis, prefix: str = PREFIX) -> AsyncIterator[tuple[str, dict[str, bytes]]]:
    """The agent, and all fields, of each key's state: its parts, and what was said last (#said).

    What is written meanwhile may be missing; what is there all the time is not (SCAN).

    Raises:
        StateStoreAway.
    """
    client: Any = redis
    cursor = 0
    while True:
        try:
            cursor, names = await client.scan(cursor, match=f"{prefix}{{*}}:state:*", count=AT_ONCE)
            pipe = client.pipeline(transaction=False)
            for name in names:
                pipe.hgetall(name)
            found = await pipe.execute() if names else []
        except (RedisError, OSError) as error:
            raise StateStoreAway(f"Redis: {type(error).__name__}: {error}") from error
        for name, fields in zip(names, found, strict=True):
            agent = name[len(prefix) + 1 :].partition(b":")[0].decode()
            yield agent, {field.decode(): value for field, value in fields.items()}
        if cursor == 0:
            return


async def unknown_places(redis: Redis, places: Sequence[Place], prefix: str = PREFIX) -> list[Place]:
    """Those of which Redis holds nothing.

    Raises:
        StateStoreAway.
    """
    client: Any = redis
    try:
        pipe = client.pipeline(transaction=False)
        for place in places:
            pipe.hexists(f"{prefix}{{{place.agent}:{place.partition}}}:place", "seq")
        found = await pipe.execute()
    except (RedisError, OSError) as error:
        raise StateStoreAway(f"Redis: {type(error).__name__}: {error}") from error
    return [place for place, known in zip(places, found, strict=True) if not known]
