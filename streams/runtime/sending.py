"""Sending files to our own doors, and waiting until each study has its one outcome."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from streams.adapters.dicom_scu import SUCCESS, FileName, Sent, name_of, send
from streams.doors.orders import place_order
from streams.doors.part10 import stored_form
from streams.events.envelope import Envelope, header, to_kafka
from streams.events.identifiers import digest_of, named_id
from streams.events.imaging import Priority
from streams.events.watching import PriorityOverridden
from streams.flow import addressed
from streams.ports import EventLog, Message
from streams.runtime.record.following import Following
from streams.runtime.settings import Settings
from streams.runtime.wiring import dicom_address, pseudonym


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Files to be sent: what C-STORE can carry, and what only the watched folder takes."""

    files: tuple[FileName, ...]
    others: tuple[Path, ...]

    @property
    def studies(self) -> tuple[str, ...]:
        """Study Instance UIDs, in the order in which they come."""
        return tuple(dict.fromkeys(f.study for f in self.files))


@dataclass(slots=True, kw_only=True)
class Delivery:
    """What became of an offer: each file's DIMSE status, and the folder's files by the digest of what it stores."""

    sent: list[Sent]
    dropped: dict[str, Path]

    @property
    def stored(self) -> dict[str, set[str]]:
        """Study to the SOP Instance UIDs that the door has answered with success."""
        found: dict[str, set[str]] = {}
        for one in self.sent:
            if one.status == SUCCESS:
                found.setdefault(one.file.study, set()).add(one.file.instance)
        return found

    @property
    def refused(self) -> list[Sent]:
        """Files that the door did not take."""
        return [one for one in self.sent if one.status != SUCCESS]


def offer(paths: Iterable[Path]) -> Offer:
    """All files under the paths, in the order of their names; hidden ones are left out."""
    files: list[FileName] = []
    others: list[Path] = []
    for root in paths:
        members = sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]
        for path in members:
            if path.name.startswith("."):
                continue
            name = name_of(path)
            if name:
                files.append(name)
            else:
                others.append(path)
    return Offer(files=tuple(files), others=tuple(others))


async def order_for(log: EventLog, settings: Settings, files: Iterable[FileName], priority: Priority) -> None:
    """Place an order of this priority for each study: by accession number, or as an override where none is named."""
    now = datetime.now(UTC)
    for study, accession in {f.study: f.accession for f in files}.items():
        if accession:
            envelope = place_order(accession, priority, pseudonym(settings), now)
        else:
            event = PriorityOverridden(study=study, by="wetread send", priority=priority)
            identity = named_id("send", study, priority, now.isoformat())
            envelope = Envelope(id=identity, time=now, key=study, data=event)
        await log.send([Message(topic, *to_kafka(e)) for topic, e in addressed(envelope, "door")])


async def deliver(offered: Offer, settings: Settings, on_sent: Callable[[Sent], None] = lambda _sent: None) -> Delivery:
    """C-STORE what can be, drop the rest into the watched folder as one set."""
    host, port = dicom_address(settings)
    sent = await asyncio.to_thread(send, offered.files, host, port, settings.ae_title, on_sent)
    return Delivery(sent=sent, dropped=await asyncio.to_thread(_drop, offered.others, settings.inbox))


def _drop(paths: Sequence[Path], inbox: Path) -> dict[str, Path]:
    if not paths:
        return {}
    digests: dict[str, Path] = {digest_of(stored_form(path.read_bytes())): path for path in paths}
    name = hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()[:16]
    folder = inbox / f"send-{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{name}"
    folder.mkdir(parents=True)
    for number, path in enumerate(paths):
        part = folder / f"{number:05d}.part"
        shutil.copyfile(path, part)
        part.rename(folder / f"{number:05d}.dcm")
    (folder / ".complete").touch()
    return digests


async def settled(following: Following, delivery: Delivery, timeout_s: float) -> bool:
    """Wait until every study sent has its outcomes and every odd file its dead letter; False: not in time."""
    return await following.until(lambda: not pending(following, delivery), timeout_s)


def pending(following: Following, delivery: Delivery) -> list[str]:
    """What has not ended yet: studies, and digests of files given to the folder."""
    dead = {header(d.record.headers, "wetread-instance") for d in following.dead_letters}
    objects = {header(d.record.headers, "wetread-object") for d in following.dead_letters}
    waiting = []
    for study, instances in delivery.stored.items():
        line = following.ledger.lines.get(study)
        known = line.instances if line else set()
        missing = instances - known - dead
        if missing or (instances & known and line and not (line.settled and line.whole)):
            waiting.append(study)
    return waiting + [d for d in delivery.dropped if d not in objects and not _as_study(following, d)]


def _as_study(following: Following, digest: str) -> bool:
    """Whether a file of the folder was readable after all and its study has settled."""
    study = following.ledger.studies_of_object.get(digest)
    line = following.ledger.lines[study] if study is not None else None
    return line is not None and line.settled and line.whole
