"""The promise held against the whole record: nothing lost, nothing twice, no patient named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from streams.adapters.redis_state import RedisState, connect
from streams.errors import SetAside
from streams.events.envelope import from_kafka, header
from streams.flow import DEADLETTERS, PARTITIONS, TRIAGE
from streams.oversight.ledger import Ledger
from streams.ports import Record
from streams.runtime.processing.dead_letters import KEY
from streams.runtime.processing.failures import OURS
from streams.runtime.wiring import addresses
from tests.support.whole_stack import WholeStack, all_records

KEYED = {"ce_subject", "ce_partitionkey"}
"""Headers that name the key, which an event has anew on each topic."""
Content = tuple[bytes, tuple[tuple[str, bytes], ...]]


def content_of(record: Record) -> Content:
    """An event without its key and without what retry topics and dead letters add."""
    own = [(n, v) for n, v in record.headers if n not in KEYED and not n.startswith(OURS)]
    return record.value or b"", tuple(sorted(own))


def contradictions(records: Iterable[Record]) -> Iterator[str]:
    """Event ids that stand for two contents, on whatever topics."""
    contents: dict[str, Content] = {}
    for record in records:
        identity = header(record.headers, "ce_id")
        if identity and contents.setdefault(identity, content_of(record)) != content_of(record):
            yield f"{header(record.headers, 'ce_type')} {identity} on {record.topic} says two things"


def ledger_of(records: Iterable[Record]) -> Ledger:
    """The fold of the topics."""
    ledger = Ledger()
    for record in records:
        if record.topic != DEADLETTERS:
            try:
                envelope = from_kafka(record.value, record.headers)
            except SetAside:
                continue
            ledger.take(record.topic, envelope, record.written_at)
    return ledger


def broken_promises(ledger: Ledger, studies: Iterable[str]) -> Iterator[str]:
    """Studies that have not exactly one outcome per revision."""
    for study in studies:
        line = ledger.line(study)
        if not line.settled:
            counts = {r: len(line.outcomes.get(r, ())) for r in range(1, line.revision + 1)}
            yield f"{study}: outcomes by revision {counts}, {line.assembled} of {len(line.instances)} images"
        told = [(a.finding, a.model) for a in line.alerts.values()]
        if len(told) != len(set(told)):
            yield f"{study}: told twice {told}"


async def kept(stack: WholeStack, studies: Iterable[str]) -> Ledger:
    """Assert the promise over the whole record and for these studies; the fold."""
    async with stack.record() as log:
        records = await all_records(log)
    ledger = ledger_of(records)
    broken = [*contradictions(records), *broken_promises(ledger, studies)]
    assert not broken, broken
    return ledger


async def states(stack: WholeStack) -> dict[bytes, dict[bytes, bytes]]:
    """Every state that the record makes again: its parts, without the store's own bookkeeping or rows of failures."""
    client: Any = connect(addresses(stack.settings).redis)  # answers in bytes; its types allow text too
    async with client as redis:
        found = {name: await redis.hgetall(name) async for name in redis.scan_iter(match="*:state:*", count=1000)}
    found = {name: state for name, state in found.items() if not name.endswith(f":{KEY}".encode())}
    parts = {
        name: {field: value for field, value in state.items() if not field.startswith(b"#")}
        for name, state in found.items()
    }
    return {name: state for name, state in parts.items() if state}


async def listed(stack: WholeStack) -> list[str]:
    """The worklist as Redis has it."""
    client: Any = connect(addresses(stack.settings).redis)  # answers in bytes; its types allow text too
    async with client as redis:
        return [study for study, _read_by in await RedisState(redis).listed(TRIAGE, PARTITIONS, 10_000)]


async def everything_said(stack: WholeStack) -> dict[str, bytes]:
    """All bytes of topics, of the logs and of Redis, by where they stand."""
    async with stack.record() as log:
        found = {
            f"{r.topic}/{r.partition}/{r.offset}": b"\n".join(
                [r.key or b"", r.value or b"", *(n.encode() + b"=" + v for n, v in r.headers)]
            )
            for r in await all_records(log)
        }
    logs = (path for path in Path(stack.settings.home, "logs").rglob("*") if path.is_file())
    found |= {path.name: path.read_bytes() for path in logs}
    client: Any = connect(addresses(stack.settings).redis)  # answers in bytes; its types allow text too
    async with client as redis:
        found |= {f"redis {name!r}": name + b"\n" + await _value(redis, name) async for name in redis.scan_iter()}
    return found


async def _value(redis: Any, name: bytes) -> bytes:
    kind = await redis.type(name)
    if kind == b"hash":
        return b"\n".join(part for pair in (await redis.hgetall(name)).items() for part in pair)
    if kind == b"set":
        return b"\n".join(await redis.smembers(name))
    if kind == b"zset":
        return b"\n".join(await redis.zrange(name, 0, -1))
    assert kind == b"string", (name, kind)
    return bytes(await redis.get(name))
