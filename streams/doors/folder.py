"""The watched folder: files are taken when they are whole, their set is complete when it says so or falls quiet."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import stat
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from streams.doors.header import read_header
from streams.doors.notes import Note
from streams.doors.orders import order_in
from streams.doors.part10 import stored_form
from streams.doors.pseudonym import Pseudonyms
from streams.doors.spool import Spool
from streams.errors import NoRoom, NotDicom
from streams.events.imaging import OrderPlaced
from streams.faults.points import Point
from streams.ports import ObjectStore

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
STABLE_S = 1.0
QUIET_S = 2.0
LARGEST_FILE = 2_000_000_000
COMPLETE, PART, ORDERS, REFUSED = ".complete", ".part", "orders", "refused"
NAME_LONGEST = 150
"""Bytes of a refused file's own name: time and ending come on top, and file systems take 255."""


@dataclass(slots=True)
class _Set:
    """The files of one sub-folder, or of the folder itself: they arrive together."""

    association: str = field(default_factory=lambda: str(uuid.uuid4()))  # a door names what enters
    taken: int = 0
    touched: float = 0.0


@dataclass(slots=True)
class FolderDoor:
    """Takes files out of a folder: what is stored durably is removed, what is none goes to `refused/`, with why."""

    inbox: Path
    objects: ObjectStore
    spool: Spool
    pseudonyms: Pseudonyms
    shipped: Callable[[Note], None]
    _seen: dict[Path, tuple[int, float]] = field(default_factory=dict)
    _sets: dict[Path, _Set] = field(default_factory=dict)

    async def run(self) -> None:
        """Look at the folder four times a second, for ever."""
        self.inbox.mkdir(parents=True, exist_ok=True)
        while True:
            for note in await asyncio.to_thread(lambda: list(self._look())):
                self.shipped(note)
            await asyncio.sleep(LOOK_EVERY_S)  # a folder tells nothing by itself on every file system

    def _look(self) -> Iterator[Note]:
        now = asyncio_time()
        complete: set[Path] = set()
        files = _files(self.inbox)
        self._seen = {path: self._seen[path] for path in files if path in self._seen}
        for path in files:
            top = self._set_of(path)
            if path.name == COMPLETE:
                complete.add(top)
            elif self._is_whole(path, now):
                yield from self._take(path, top, now)
        for top in list(self._sets):
            yield from self._end(top, complete, now)

    def _set_of(self, path: Path) -> Path:
        parts = path.relative_to(self.inbox).parts
        return self.inbox / parts[0] if len(parts) > 1 else self.inbox

    def _is_whole(self, path: Path, now: float) -> bool:
        """Its size has stood still for a second, or its set says that it is complete."""
        if path.name.startswith(".") or path.suffix == PART:
            return False
        try:
            size = path.lstat().st_size
        except FileNotFoundError:
            return False
        if (self._set_of(path) / COMPLETE).exists():
            return True
        known = self._seen.get(path)
        if known is None or known[0] != size:
            self._seen[path] = (size, now)
            return False
        return now - known[1] >= STABLE_S

    def _take(self, path: Path, top: Path, now: float) -> Iterator[Note]:
        try:
            if not os.access(path.parent, os.W_OK | os.X_OK):  # what cannot be removed would be taken for ever
                raise PermissionError(errno.EACCES, "its folder cannot be written")
            note, why = self._order(path) if top == self.inbox / ORDERS else self._image(path, top)
            self.spool.owe(note)
        except (NoRoom, OSError) as error:
            log.warning("left in the folder: %s", error if isinstance(error, NoRoom) else error.strerror)
            self._seen[path] = (-1, now)
            return
        self._seen.pop(path, None)
        members = self._sets.get(top)
        if members is not None:
            members.taken, members.touched = members.taken + 1, now
        with Point.FILE_REMOVED:
            if why:
                self._refuse(path, why)
            else:
                path.unlink(missing_ok=True)
        yield note

    def _image(self, path: Path, top: Path) -> tuple[Note, str | None]:
        """What is owed for a file, and why it is none to be read."""
        content, why = _content(path)
        try:
            content = stored_form(content)
            read_header(content, self.pseudonyms)
        except NotDicom as error:
            why = why or str(error)
        except Exception as error:  # one file must never stop all that come after it
            log.exception("the header of a file")
            why = why or f"its header cannot be read ({type(error).__name__})"
        members = self._sets.setdefault(top, _Set())
        digest = self.objects.put(content)
        return Note(kind="instance", at=datetime.now(UTC), association=members.association, digest=digest), why

    def _order(self, path: Path) -> tuple[Note, str | None]:
        now = datetime.now(UTC)
        content, why = _content(path)
        try:
            event = order_in(content, self.pseudonyms, now).data
        except NotDicom as error:
            digest = self.objects.put(content)
            note = Note(kind="instance", at=now, association=str(uuid.uuid4()), digest=digest)
            return note, why or str(error)
        assert isinstance(event, OrderPlaced)
        return Note(kind="order", at=now, order=event.order, priority=event.priority), None

    def _refuse(self, path: Path, reason: str) -> None:
        """Keep it where a person finds it, with the reason; its dead letter is owed by now."""
        refused = self.inbox / REFUSED
        refused.mkdir(exist_ok=True)
        own = os.fsdecode(os.fsencode(path.name)[-NAME_LONGEST:])
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{own}"
        path.rename(refused / name)
        (refused / f"{name}.why.txt").write_text(f"{reason}\n", encoding="utf-8")

    def _end(self, top: Path, complete: set[Path], now: float) -> Iterator[Note]:
        members = self._sets[top]
        told = top in complete
        if not told and now - members.touched < QUIET_S:
            return
        if any(self._set_of(p) == top for p in _files(self.inbox) if p.name != COMPLETE and not p.name.startswith(".")):
            return  # a file of it is still growing
        note = Note(kind="closed", at=datetime.now(UTC), association=members.association, how="folder-complete")
        self.spool.owe(note, always=True)
        del self._sets[top]
        _remove(top, self.inbox)
        yield note


def _content(path: Path) -> tuple[bytes, str | None]:
    """The bytes of a file; none, and why, where it is not one to be read: a link may lead out of the folder."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return b"", "a symbolic link, not a file"
    with os.fdopen(opened, "rb") as file:
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode):
            return b"", "not a file, but a pipe or a device"
        if found.st_size > LARGEST_FILE:
            return b"", f"a file of {found.st_size} bytes: over {LARGEST_FILE} are not taken"
        return file.read(), None


def asyncio_time() -> float:
    """Seconds of a clock that only goes forward."""
    return os.times().elapsed


def _files(inbox: Path) -> list[Path]:
    """Files below the inbox, without what was refused, in the order of their names."""
    found = []
    for folder, folders, files in os.walk(inbox):
        if Path(folder) == inbox and REFUSED in folders:
            folders.remove(REFUSED)
        found += [Path(folder) / name for name in files]
    return sorted(found)


def _remove(top: Path, inbox: Path) -> None:
    """An emptied set leaves nothing behind."""
    (top / COMPLETE).unlink(missing_ok=True)
    if top != inbox:
        for folder, _, files in os.walk(top, topdown=False):
            if not files:
                try:
                    Path(folder).rmdir()
                except OSError:
                    log.info("%s is in use again", top.name)
