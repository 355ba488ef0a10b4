"""All that the record says of one study, read from the few partitions where it can stand."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from streams.errors import SettingInvalid
from streams.events.identifiers import is_uid
from streams.flow import TOPICS
from streams.oversight.story import belongs
from streams.ports import EventLog
from streams.runtime.record.entries import Entry, entries

FIRST_SAID = "imaging.instances"
"""Where each study's first event stands."""
_BY_KEY = {by: tuple(topic.name for topic in TOPICS if topic.key == by) for by in {topic.key for topic in TOPICS}}


async def about(log: EventLog, study: str) -> list[Entry]:
    """The events that belong to a study, each once.

    They stand in one partition of each topic that is keyed by study, and, where its own events name the patient and
    the order, in one of each topic that is keyed by those.
    """
    found = await _belonging(log, "study", {study}, study)
    named = {by: _named(by, found) for by in _BY_KEY if by != "study"}
    for by, keys in named.items():
        found += await _belonging(log, by, keys, study)
    return found


async def find_study(log: EventLog, text: str) -> str:
    """The one study whose UID is, or ends in, text.

    A whole UID is looked for in its own partition; only the end of one asks for the keys of all.

    Raises:
        SettingInvalid: none, or several.
    """
    wanted = text.lstrip("…")
    if is_uid(wanted) and wanted in await _studies(log, wanted, {wanted}):
        return wanted
    found = await _studies(log, wanted, None)
    if wanted in found or (not found and is_uid(wanted)):
        return wanted
    if len(found) != 1:
        raise SettingInvalid(f"{text!r} names {len(found)} studies; give more of its UID")
    return found.pop()


async def _studies(log: EventLog, end: str, keys: Collection[str] | None) -> set[str]:
    """Studies whose UID ends so; their events are not looked into."""
    ending, found = end.encode(), set[bytes]()
    asked = None if keys is None else [key.encode() for key in keys]
    async for record in log.read((FIRST_SAID,), follow=False, keys=asked):
        if record.key is not None and record.key.endswith(ending):
            found.add(record.key)
    return {key.decode(errors="replace") for key in found}


async def _belonging(log: EventLog, by: str, keys: Collection[str], study: str) -> list[Entry]:
    if not keys:
        return []
    read = entries(log, _BY_KEY[by], keys=[key.encode() for key in sorted(keys)])
    return [entry async for entry in read if belongs(entry.envelope, study)]


def _named(field: str, found: Iterable[Entry]) -> set[str]:
    """The patients, or orders, that a study's events name."""
    events = [entry.envelope.data for entry in found]
    named = {getattr(said, field, None) for event in events for said in (event, getattr(event, "facts", None))}
    return {key for key in named if isinstance(key, str) and key}
