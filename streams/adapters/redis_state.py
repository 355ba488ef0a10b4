"""The state store on Redis: one hash per key, and one Lua script that writes a whole step or nothing of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

from streams.adapters.recent_states import RecentStates
from streams.adapters.redis_turns import Turns
from streams.errors import StateLost, StateStoreAway
from streams.faults.protections import Protection
from streams.ports import Change, DueTimer, Loaded, Message, Place
from streams.stage import Listing

PREFIX = "wetread:"
RING = 256
"""Commits of a place whose ids the store can still name; more than are ever in flight at once."""
ANSWER_WITHIN_S = 5.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCRIPTS = Path(__file__).with_name("scripts")
COMMIT = (_SCRIPTS / "commit.lua").read_text("ascii")
SETTLE = (_SCRIPTS / "settle.lua").read_text("ascii")
FORGET = (_SCRIPTS / "forget.lua").read_text("ascii")
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
        self._turns = Turns(redis)
        self._prefix = prefix
        self._latest: dict[Place, tuple[int, str]] = {}
        self._recent = RecentStates()

    async def load(self, place: Place, key: str, event: str, names: Sequence[str] | None) -> Loaded:
        """State of key: as this client saw it last, else in one round trip (two where the event was applied).

        The state is asked before the applied ids: an event applied between the two is then seen as applied, or
        its commit finds the version moved.
        """
        recent = self._recent.get(place, key, event, names)
        if recent is not None:
            return recent
        state, applied = self._key(place, f"state:{key}"), self._key(place, f"applied:{key}")
        asked: tuple[str, ...] = ("HGETALL", state) if names is None else ("HMGET", state, "#v", *names)
        with _answering():
            found, was_applied = await self._turns.ask(asked, ("SISMEMBER", applied, event))
            said = await self._said(state, event) if was_applied else None
        version, parts = _all_of(found) if names is None else _some_of(found, names)
        loaded = Loaded(version=version, parts=parts, applied=bool(was_applied), said=said)
        self._recent.read(place, key, names, loaded)
        return loaded

    async def commit(self, place: Place, key: str, change: Change) -> bool:
        """Write all of it atomically; False: the version has moved, or the event was applied before: load again."""
        keys = [self._key(place, n) for n in ("place", f"state:{key}", f"applied:{key}", "timers", "listing")]
        before = self._recent.take(place, key, change.version)
        with _answering():
            code, seq = await self._turns.run(COMMIT, keys, self._packed(place, key, change))
        if code == _LOST:
            raise StateLost(f"Redis no longer holds what it acknowledged for {place.agent} {place.partition}")
        if code != _WRITTEN:
            return False
        self._recent.wrote(place, key, before, change)
        if seq > self._latest.get(place, (0, ""))[0]:
            self._latest[place] = (seq, change.event)
        return True

    async def mark(self, place: Place) -> int | None:
        """Take the place: how far Redis has come, and which commit it is to know from now on."""
        name = self._key(place, "place")
        with _answering():
            mark, seq = await self._redis.hmget(name, "mark", "seq")
            latest = await self._redis.hget(name, _ring_field(int(seq))) if seq else None
        self._latest.pop(place, None)
        self._recent.drop(place)
        if latest is not None:
            number, _, event = latest.decode().partition(":")
            self._latest[place] = (int(number), event)
        return None if mark is None else int(mark)

    async def holds(self, place: Place) -> bool:
        """Whether Redis knows the latest commit that it acknowledged to us."""
        latest = self._latest.get(place)
        if latest is None or not Protection.REDIS_WATERMARK.on:
            return True
        with _answering():
            found = await self._redis.hget(self._key(place, "place"), _ring_field(latest[0]))
        return bool(found == _spelled(latest).encode())

    async def time(self) -> datetime:
        """Redis' own clock."""
        with _answering():
            seconds, micros = await self._redis.time()
        return _moment(int(seconds) * 1_000_000 + int(micros))

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
            timers = [self._key(timer.place, "timers")]
            await self._turns.run(SETTLE, timers, _member(timer.name, timer.key), _micros(timer.due))

    async def listed(self, agent: str, partitions: int, limit: int) -> list[tuple[str, datetime]]:
        """The agent's sorted view over all partitions, the earliest first."""
        with _answering():
            pipe = self._redis.pipeline(transaction=False)
            for partition in range(partitions):
                pipe.zrange(self._key(Place(agent, partition), "listing"), 0, limit - 1, withscores=True)
            found = await pipe.execute()
        rows = [(member.decode(), _moment(score)) for part in found for member, score in part]
        return sorted(rows, key=lambda row: (row[1], row[0]))[:limit]

    async def count_listed(self, agent: str, partitions: int) -> int:
        """How many keys the agent's sorted view holds, over all partitions; none of them is read."""
        with _answering():
            pipe = self._redis.pipeline(transaction=False)
            for partition in range(partitions):
                pipe.zcard(self._key(Place(agent, partition), "listing"))
            return sum(await pipe.execute())

    async def forget(self, timer: DueTimer) -> None:
        """Remove everything of the timer's key, unless it was set anew or cancelled: whoever writes does that too."""
        keys = [self._key(timer.place, name) for name in ("timers", f"state:{timer.key}", f"applied:{timer.key}")]
        keys.append(self._key(timer.place, "listing"))
        self._recent.drop(timer.place, timer.key)
        with _answering():
            await self._turns.run(FORGET, keys, _member(timer.name, timer.key), _micros(timer.due), timer.key)

    def _key(self, place: Place, name: str) -> str:
        return f"{self._prefix}{{{place.agent}:{place.partition}}}:{name}"

    async def _said(self, state: str, event: str) -> tuple[Message, ...] | None:
        ((last, said),) = await self._turns.ask(("HMGET", state, "#last", "#said"))
        return decode_outbox(said) if last == event.encode() else None

    def _packed(self, place: Place, key: str, change: Change) -> bytes:
        """The argument of commit.lua."""
        latest = self._latest.get(place) if Protection.REDIS_WATERMARK.on else None
        timers = change.timers.items()
        return msgspec.msgpack.encode(
            (
                change.event,
                change.version,
                change.mark,
                change.known_mark,
                _spelled(latest) if latest else "",
                _ring_field(latest[0] if latest else 0),
                RING,
                _text(encode_outbox(change.said)),
                key,
                _score(change.listing),
                [word for name, part in change.parts.items() if part is not None for word in (name, _text(part))],
                [name for name, part in change.parts.items() if part is None],
                [word for name, due in timers if due is not None for word in (_micros(due), _member(name, key))],
                [_member(name, key) for name, due in timers if due is None],
            )
        )


def _text(content: bytes) -> msgspec.Raw:
    """Bytes as a MessagePack string, since Redis' cmsgpack knows no other."""
    count = len(content)
    if count < 1 << 5:
        head = bytes([0xA0 | count])
    elif count < 1 << 8:
        head = bytes([0xD9, count])
    elif count < 1 << 16:
        head = b"\xda" + count.to_bytes(2)
    else:
        head = b"\xdb" + count.to_bytes(4)
    return msgspec.Raw(head + content)


def _all_of(found: Any) -> tuple[int, dict[str, bytes]]:
    """HGETALL's reply: a map in RESP3, a list in RESP2."""
    fields = found if isinstance(found, dict) else dict(zip(found[::2], found[1::2], strict=True))
    parts = {name.decode(): value for name, value in fields.items() if not name.startswith(b"#")}
    return int(fields.get(b"#v") or 0), parts


def _some_of(found: Sequence[bytes | None], names: Sequence[str]) -> tuple[int, dict[str, bytes]]:
    parts = {name: value for name, value in zip(names, found[1:], strict=True) if value is not None}
    return int(found[0] or 0), parts


def encode_outbox(messages: Sequence[Message]) -> bytes:
    """Messages as one field of the state; nothing where there are none."""
    return msgspec.msgpack.encode([(m.topic, m.key, m.value, m.headers) for m in messages]) if messages else b""


def decode_outbox(content: bytes | None) -> tuple[Message, ...]:
    """The messages again, byte for byte."""
    if not content:
        return ()
    rows = msgspec.msgpack.decode(content, type=list[tuple[str, bytes, bytes, list[tuple[str, bytes]]]])
    return tuple(Message(*row) for row in rows)


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
