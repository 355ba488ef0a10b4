"""The state store on Redis: one hash per key, and one Lua script that writes a whole step or nothing of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisUnreachable
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisLate

from streams.errors import StateLost, StateStoreAway
from streams.ports import Change, DueTimer, Loaded, Message, Place
from streams.stage import Listing

PREFIX = "wetread:"
RING = 256
"""Commits of a place whose ids the store can still name; more than are ever in flight at once."""
ANSWER_WITHIN_S = 5.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCRIPTS = Path(__file__).with_name("scripts")
_WRITTEN, _LOST = 1, -1


def connect(url: str) -> Redis:
    """A client with bounded waits and retries: what it sends again is idempotent."""
    return Redis.from_url(
        url,
        socket_timeout=ANSWER_WITHIN_S,
        socket_connect_timeout=2.0,
        health_check_interval=0,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 2),
        retry_on_error=[RedisUnreachable, RedisLate],
    )


class RedisState:
    """StateStore on Redis 6.2 or later; a Redis Cluster does too, since a script touches one slot.

    Keys of a Place share the hash tag {agent:partition}: `place` (hash: mark, seq of commits, and the ids of the
    last RING of them), `state:KEY` (hash: a field per part, #v version, #last event applied, #said its outbox),
    `applied:KEY` (set of event ids), `timers` (sorted by due time, in microseconds), `listing` (sorted by read-by).

    Each commit names the latest commit that this client was acknowledged; a store that does not know it has lost
    its tail, or everything, however it came about, and writes nothing more for us.
    """

    def __init__(self, redis: Redis, prefix: str = PREFIX) -> None:
        """The client stays the caller's to close; `prefix` keeps shadow runs apart."""
        self._redis: Any = redis
        self._prefix = prefix
        self._latest: dict[Place, tuple[int, str]] = {}
        self._commit: Callable[..., Awaitable[list[int]]] = redis.register_script(_script("commit"))
        self._settle: Callable[..., Awaitable[int]] = redis.register_script(_script("settle"))

    async def load(self, place: Place, key: str, event: str, names: Sequence[str] | None) -> Loaded:
        """State of key, in one round trip (two where the event was applied before).

        The state is asked before the applied ids: an event applied between the two is then seen as applied, or
        its commit finds the version moved.
        """
        state, applied = self._key(place, f"state:{key}"), self._key(place, f"applied:{key}")
        with _answering():
            pipe = self._redis.pipeline(transaction=False)
            if names is None:
                pipe.hgetall(state)
            else:
                pipe.hmget(state, "#v", *names)
            pipe.sismember(applied, event)
            found, was_applied = await pipe.execute()
            said = await self._said(state, event) if was_applied else None
        if names is None:
            version = found.get(b"#v")
            parts = {n.decode(): v for n, v in found.items() if not n.startswith(b"#")}
        else:
            version = found[0]
            parts = {n: v for n, v in zip(names, found[1:], strict=True) if v is not None}
        return Loaded(version=int(version or 0), parts=parts, applied=bool(was_applied), said=said)

    async def commit(self, place: Place, key: str, change: Change) -> bool:
        """Write all of it atomically; False: the version has moved, start again."""
        keys = [self._key(place, name) for name in ("place", f"state:{key}", f"applied:{key}", "timers", "listing")]
        with _answering():
            code, seq = await self._commit(keys=keys, args=[*self._arguments(place, key, change)])
        if code == _LOST:
            raise StateLost(f"Redis no longer holds what it acknowledged for {place.agent} {place.partition}")
        if code == _WRITTEN and seq > self._latest.get(place, (0, ""))[0]:
            self._latest[place] = (seq, change.event)
        return code == _WRITTEN

    async def mark(self, place: Place) -> int | None:
        """Take the place: how far Redis has come, and which commit it is to know from now on."""
        name = self._key(place, "place")
        with _answering():
            mark, seq = await self._redis.hmget(name, "mark", "seq")
            latest = await self._redis.hget(name, _ring_field(int(seq))) if seq else None
        self._latest.pop(place, None)
        if latest is not None:
            number, _, event = latest.decode().partition(":")
            self._latest[place] = (int(number), event)
        return None if mark is None else int(mark)

    async def holds(self, place: Place) -> bool:
        """Whether Redis knows the latest commit that it acknowledged to us."""
        latest = self._latest.get(place)
        if latest is None:
            return True
        with _answering():
            found = await self._redis.hget(self._key(place, "place"), _ring_field(latest[0]))
        return bool(found == _spelled(latest).encode())

    async def due(self, places: Sequence[Place], now: datetime, limit: int) -> list[DueTimer]:
        """Timers of these places that are due, the oldest first."""
        with _answering():
            pipe = self._redis.pipeline(transaction=False)
            for place in places:
                pipe.zrange(
                    self._key(place, "timers"), 0, _micros(now), byscore=True, offset=0, num=limit, withscores=True
                )
            found = await pipe.execute() if places else []
        timers = [
            _timer(place, member, score) for place, rows in zip(places, found, strict=True) for member, score in rows
        ]
        return sorted(timers, key=lambda t: (t.due, t.key, t.name))[:limit]

    async def settle(self, timer: DueTimer) -> None:
        """Forget a timer that was sent, unless it was set anew meanwhile."""
        with _answering():
            await self._settle(
                keys=[self._key(timer.place, "timers")], args=[_member(timer.name, timer.key), _micros(timer.due)]
            )

    async def listed(self, agent: str, partitions: int, limit: int) -> list[tuple[str, datetime]]:
        """The agent's sorted view over all partitions, the earliest first."""
        with _answering():
            pipe = self._redis.pipeline(transaction=False)
            for partition in range(partitions):
                pipe.zrange(self._key(Place(agent, partition), "listing"), 0, limit - 1, withscores=True)
            found = await pipe.execute()
        rows = [(member.decode(), _moment(score)) for part in found for member, score in part]
        return sorted(rows, key=lambda row: (row[1], row[0]))[:limit]

    async def forget(self, place: Place, key: str) -> None:
        """Remove everything of a key but its timers, which its step cancels."""
        with _answering():
            pipe = self._redis.pipeline(transaction=True)
            pipe.delete(self._key(place, f"state:{key}"), self._key(place, f"applied:{key}"))
            pipe.zrem(self._key(place, "listing"), key)
            await pipe.execute()

    def _key(self, place: Place, name: str) -> str:
        return f"{self._prefix}{{{place.agent}:{place.partition}}}:{name}"

    async def _said(self, state: str, event: str) -> tuple[Message, ...] | None:
        last, said = await self._redis.hmget(state, "#last", "#said")
        return decode_outbox(said) if last == event.encode() else None

    def _arguments(self, place: Place, key: str, change: Change) -> Iterator[str | bytes | int]:
        latest = self._latest.get(place)
        yield from (change.event, change.version, change.mark, change.known_mark)
        yield from (_spelled(latest) if latest else "", _ring_field(latest[0] if latest else 0))
        yield from (encode_outbox(change.said), _score(change.listing), key, RING)
        yield from _counted([(n, p) for n, p in change.parts.items() if p is not None])
        yield from _counted([(n,) for n, p in change.parts.items() if p is None])
        yield from _counted([(_micros(due), _member(n, key)) for n, due in change.timers.items() if due])
        yield from _counted([(_member(n, key),) for n, due in change.timers.items() if due is None])


def encode_outbox(messages: Sequence[Message]) -> bytes:
    """Messages as one field of the state; nothing where there are none."""
    return msgspec.msgpack.encode([(m.topic, m.key, m.value, m.headers) for m in messages]) if messages else b""


def decode_outbox(content: bytes | None) -> tuple[Message, ...]:
    """The messages again, byte for byte."""
    if not content:
        return ()
    rows = msgspec.msgpack.decode(content, type=list[tuple[str, bytes, bytes, list[tuple[str, bytes]]]])
    return tuple(Message(*row) for row in rows)


def _script(name: str) -> str:
    return (_SCRIPTS / f"{name}.lua").read_text("ascii")


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise StateStoreAway(f"Redis: {type(error).__name__}: {error}") from error


def _ring_field(seq: int) -> str:
    return f"c{seq % RING}"


def _spelled(latest: tuple[int, str]) -> str:
    return f"{latest[0]}:{latest[1]}"


def _counted(rows: Sequence[tuple[str | bytes | int, ...]]) -> Iterator[str | bytes | int]:
    yield len(rows)
    for row in rows:
        yield from row


def _score(listing: Listing | None) -> str | int:
    if listing is None:
        return ""
    return "-" if listing.read_by is None else _micros(listing.read_by)


def _micros(time: datetime) -> int:
    """Microseconds since 1970: exact in a sorted set's score, which is a double."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def _moment(micros: float) -> datetime:
    return _EPOCH + timedelta(microseconds=int(micros))


def _member(name: str, key: str) -> str:
    return f"{name}\x1f{key}"


def _timer(place: Place, member: bytes, score: float) -> DueTimer:
    name, _, key = member.decode().partition("\x1f")
    return DueTimer(place=place, key=key, name=name, due=_moment(score))
