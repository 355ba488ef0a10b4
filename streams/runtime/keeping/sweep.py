"""The sweep: old objects that no state, no event of a kept study, no letter and no owed note names are removed.

Everything is asked for what it names before anything is removed: a part that is away, or a Redis that knows less than
the record, removes nothing. What is put meanwhile is young, and `remove` looks at that under the store's lock.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streams.adapters.object_folder import ObjectFolder
from streams.doors.spool import owed_in
from streams.errors import ObjectDamaged, ObjectMissing, StateStoreAway
from streams.events.codec import decode_part, type_name
from streams.events.envelope import header
from streams.events.watching import StudyLetGo
from streams.flow import DEADLETTERS, INTAKE, RETRY, TOPICS, TRIAGE
from streams.policy import RetentionPolicy
from streams.ports import EventLog, Place
from streams.retention.state import Kept
from streams.runtime.keeping.references import Selection

log = logging.getLogger(__name__)

OF_STUDIES = (*(topic.name for topic in TOPICS if topic.key == "study"), *RETRY.values())
DECIDES = {"imaging.instances": INTAKE, "triage.findings": TRIAGE}
"""Topics whose events make the states that are asked, and whose they are."""
KEPT_PART = "retention.kept"
_LET_GO = type_name(StudyLetGo)
States = Callable[[], AsyncIterator[tuple[str, dict[str, bytes]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """All that is asked, and what is removed from.

    Attributes:
        states: of all agents (streams.adapters.redis_scan.states).
        unknown: places of which the state store holds nothing.
        owed: folder of the doors' notes.
    """

    policy: RetentionPolicy
    objects: ObjectFolder
    record: EventLog
    states: States
    unknown: Callable[[Sequence[Place]], Awaitable[list[Place]]]
    owed: Path


@dataclass(slots=True, kw_only=True)
class Sweep:
    """What a sweep found.

    Attributes:
        objects, size: all that the store holds, and its bytes.
        leave, leave_size: what leaves, or would.
        removed: how many were removed: fewer, where one was put meanwhile; 0 in a dry run.
        stays: why objects stay, to how many.
        studies: how studies stand: open, ended (and kept for now), let go (as the record still tells).
        next_leaves_at: when the next study leaves; None: none has ended, or they are kept for ever.
    """

    objects: int = 0
    size: int = 0
    leave: int = 0
    leave_size: int = 0
    removed: int = 0
    stays: Counter[str] = field(default_factory=Counter)
    studies: Counter[str] = field(default_factory=Counter)
    next_leaves_at: datetime | None = None


async def sweep(asked: Asked, *, dry: bool, now: datetime | None = None) -> Sweep:
    """Look through the store, and remove what may go, unless it is dry.

    Raises:
        StateStoreAway, BrokerAway: nothing was removed.
    """
    now = now or datetime.now(UTC)
    found = Sweep()
    before = now - timedelta(days=asked.policy.ended_days)
    old = await asyncio.to_thread(_old, asked, before.timestamp(), found)
    selection = Selection(old)
    await asyncio.to_thread(_ask_owed, asked.owed, selection)  # before the record: what is shipped then is heard there
    await _ask_states(asked, selection, found)
    await _ask_record(asked, selection, found)
    await asyncio.to_thread(lambda: selection.settle(_lists(asked.objects, selection)))
    found.stays += selection.stays
    found.leave, found.leave_size = len(selection.candidates), sum(selection.candidates.values())
    if not dry and selection.candidates:
        found.removed = await asyncio.to_thread(_remove, asked.objects, selection, before.timestamp())
        log.info(
            "retention: removed %d of %d objects that nothing names, %d bytes; studies: %s",
            found.removed, found.objects, found.leave_size, dict(found.studies),
        )  # fmt: skip
    return found


def _old(asked: Asked, before: float, found: Sweep) -> dict[str, int]:
    """Digest and bytes of what was last put before then."""
    old: dict[str, int] = {}
    for each in asked.objects.stored():
        found.objects += 1
        found.size += each.size
        if not asked.policy.ended_days:
            found.stays["kept for ever"] += 1
        elif each.stored_at < before:
            old[each.digest] = each.size
        else:
            found.stays["young"] += 1
    return old


async def _ask_states(asked: Asked, selection: Selection, found: Sweep) -> None:
    async for agent, fields in asked.states():
        for content in fields.values():
            selection.keep(content, "a state")
        if agent == TRIAGE and KEPT_PART in fields:
            _count(decode_part(Kept, fields[KEPT_PART]), asked.policy, found)


def _count(kept: Kept, policy: RetentionPolicy, found: Sweep) -> None:
    found.studies["open" if kept.ended_at is None else "ended"] += 1
    leaves = policy.leaves_at(kept.ended_at) if kept.ended_at else None
    if leaves is not None:
        found.next_leaves_at = min(found.next_leaves_at or leaves, leaves)


async def _ask_record(asked: Asked, selection: Selection, found: Sweep) -> None:
    """Events of studies, and letters; a letter counts for as long as it is on its topic."""
    heard: set[Place] = set()
    let_go: set[str] = set()
    async for record in asked.record.read((*OF_STUDIES, DEADLETTERS), follow=False):
        if record.topic == DEADLETTERS:
            selection.keep(
                b" ".join((record.value or b"", *(value for _name, value in record.headers))), "a dead letter"
            )
            continue
        if record.topic in DECIDES:
            heard.add(Place(DECIDES[record.topic], record.partition))
        study = (record.key or b"").decode(errors="replace")
        if header(record.headers, "ce_type") == _LET_GO:
            selection.let_go(study, record.written_at)
            let_go.add(study)
        else:
            selection.heard(study, record.value or b"", record.written_at)
    found.studies["let go"] = len(let_go)
    if unknown := await asked.unknown(sorted(heard, key=lambda place: (place.agent, place.partition))):
        told = ", ".join(f"{place.agent} {place.partition}" for place in unknown)
        raise StateStoreAway(
            f"Redis knows nothing of {told}, and the record does: nothing is removed until it does too"
        )


def _ask_owed(spools: Path, selection: Selection) -> None:
    """Notes of which no event tells yet."""
    for folder in spools.glob("*/"):
        for note in owed_in(folder):
            selection.keep(note, "a note that is owed")


def _lists(objects: ObjectFolder, selection: Selection) -> Iterator[bytes]:
    """The lists of instances that count; one that is gone or damaged names nothing that anybody could read."""
    for digest in selection.lists():
        try:
            yield objects.get(digest)
        except (ObjectMissing, ObjectDamaged) as error:
            log.info("retention: a list of instances is not there: %s", error)


def _remove(objects: ObjectFolder, selection: Selection, before: float) -> int:
    return sum(objects.remove(digest, before) for digest in selection.candidates)
