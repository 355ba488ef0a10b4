"""A door's durable promise: notes of events that are owed, in synced segments, until Kafka has acknowledged them."""

from __future__ import annotations

import errno
import logging
import os
import re
import struct
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from streams.doors.notes import Note
from streams.errors import DoorClosed, EventUnreadable, NoRoom
from streams.events.codec import decode_part, encode_part
from streams.faults.late import LateWrites
from streams.faults.points import Point
from streams.faults.protections import Protection

SEGMENT_BYTES = 1_000_000
NOTE_LONGEST = 65_536
MARK_FILE = "shipped"
_HEAD = struct.Struct("<LL")
"""Length and CRC-32 of the note that follows."""
_SEGMENT = re.compile(r"([0-9]{16})\.notes")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Owed:
    """A note and its number; numbers go up by one and never come again."""

    number: int
    note: Note


class Spool:
    """Notes in the order in which they were owed, each segment named by the number of its first.

    One process owns the folder. `owe` may be called by many threads: whoever syncs, syncs for all that have
    written by then. Locks are taken in one order: sync, then write.
    """

    def __init__(self, folder: Path, owed_most: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Open, or make, the spool; what an earlier process still owed is there to be taken.

        Args:
            folder: the door's own.
            owed_most: notes owed at once; more are refused.
            segment_bytes: size at which a new segment begins.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._owed_most, self._segment_bytes = folder, owed_most, segment_bytes
        self._write_lock, self._sync_lock = threading.Lock(), threading.Lock()
        self._failure: str | None = None
        segments = self._segments()
        # a segment goes only when all before it are shipped: its name tells so where the mark was lost
        self._shipped = max(self._read_mark(), segments[0][0] - 1 if segments else 0)
        self._written = max(self._shipped, segments[-1][0] - 1 if segments else 0)
        self._waiting: deque[Owed] = deque()
        for owed in self._read_back():
            self._written = max(self._written, owed.number)
            if owed.number > self._shipped:
                self._waiting.append(owed)
        self._synced = self._written
        self._file = self._open_segment()
        self._size = 0
        self._late = LateWrites(self._write_late)
        self._drop_segments()

    @property
    def owed(self) -> int:
        """Notes not yet acknowledged by Kafka."""
        return self._written - self._shipped

    @property
    def waiting(self) -> list[Note]:
        """The notes that nobody has taken yet."""
        return [owed.note for owed in self._waiting]

    def owe(self, note: Note, *, always: bool = False) -> None:
        """Append and sync; returns when the note is durable.

        Args:
            note: its JSON is at most 64 KB.
            always: also past the watermark, as for the end of an association.

        Raises:
            NoRoom: too much is owed already, or the disk is full.
            DoorClosed: closed, or an earlier sync failed, so that these files can no longer be trusted.
        """
        body = encode_part(note)
        with self._write_lock:
            self._check()
            if not always and self.owed >= self._owed_most:
                raise NoRoom(f"{self.owed} events are owed to Kafka already: no more is taken until it is back")
            record = _HEAD.pack(len(body), zlib.crc32(body)) + body
            (self._write if Protection.FSYNC.on else self._late.put)(record)
            self._written += 1
            mine = self._written
            self._waiting.append(Owed(mine, note))
        with Point.NOTE_SYNCED:
            self._sync(mine)

    def take(self, most: int) -> list[Owed]:
        """The next durable notes, in order; they stay owed until they are shipped.

        Raises:
            DoorClosed: a sync has failed; what it covered is not known to be durable.
        """
        self._check()
        taken: list[Owed] = []
        while self._waiting and self._waiting[0].number <= self._synced and len(taken) < most:
            taken.append(self._waiting.popleft())
        return taken

    def shipped(self, upto: int) -> None:
        """Kafka has acknowledged the events of the notes up to that number; segments of only such go.

        The mark is not synced: losing it ships the same events once more.
        """
        with self._sync_lock, self._write_lock:
            self._shipped = max(self._shipped, upto)
            fresh = self._folder / f"{MARK_FILE}.new"
            fresh.write_text(f"{self._shipped}\n", encoding="ascii")
            fresh.replace(self._folder / MARK_FILE)
            if self._size >= self._segment_bytes and self._failure is None:
                self._roll()
            self._drop_segments()

    def close(self) -> None:
        """Close; what is owed stays for the next start."""
        with self._sync_lock, self._write_lock:
            if self._failure is None:
                self._failure = "the spool is closed"
                os.close(self._file)

    def _check(self) -> None:
        if self._failure:
            raise DoorClosed(self._failure)

    def _write(self, record: bytes) -> None:
        try:
            written = os.write(self._file, record)
        except OSError as error:
            written, why = 0, error.strerror
        else:
            why = os.strerror(errno.ENOSPC)
        if written != len(record):
            os.ftruncate(self._file, self._size)  # no half record may stand before the next one
            os.lseek(self._file, self._size, os.SEEK_SET)
            raise NoRoom(f"the spool cannot be written: {why}")
        self._size += written

    def _write_late(self, record: bytes) -> None:
        with self._write_lock:
            if self._failure is None:
                self._write(record)

    def _sync(self, mine: int) -> None:
        with self._sync_lock:
            if self._synced >= mine:
                return  # somebody who came later has synced for us
            self._check()
            with self._write_lock:
                target = self._written
            self._flush()
            self._synced = target
            if self._size >= self._segment_bytes:
                with self._write_lock:
                    self._roll()

    def _flush(self) -> None:
        if not Protection.FSYNC.on:
            return
        try:
            os.fsync(self._file)
        except OSError as error:
            # what a failed fsync has left in the cache is unknown: never trust these files again
            self._failure = f"the spool could not be synced: {error.strerror}"
            raise DoorClosed(self._failure) from error

    def _roll(self) -> None:
        """Go on in a new segment, or in this one where none can be made; both locks are held."""
        self._flush()
        self._synced = self._written
        try:
            fresh = self._open_segment()
        except OSError as error:
            log.warning("the spool goes on in a long segment: %s", error.strerror)
            return
        os.close(self._file)
        self._file, self._size = fresh, 0

    def _open_segment(self) -> int:
        path = self._folder / f"{self._written + 1:016d}.notes"
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError:
            os.close(opened)
            path.unlink(missing_ok=True)
            raise
        return opened

    def _segments(self) -> list[tuple[int, Path]]:
        """First number and path of each segment, in order."""
        found = ((_SEGMENT.fullmatch(path.name), path) for path in self._folder.iterdir())
        return sorted((int(match[1]), path) for match, path in found if match)

    def _drop_segments(self) -> None:
        for (_, path), (following, _) in pairwise(self._segments()):
            if following - 1 <= self._shipped:
                path.unlink()

    def _read_mark(self) -> int:
        try:
            return int((self._folder / MARK_FILE).read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0

    def _read_back(self) -> Iterator[Owed]:
        expected: int | None = None
        for first, path in self._segments():
            if expected is not None and first > max(expected, self._shipped + 1):
                # never by a torn tail: nobody was told of its note, so the next segment took its number
                log.error("the spool has lost the notes %d to %d: its disk is damaged", expected, first - 1)
            expected = first
            for body in _bodies(path.read_bytes()):
                try:
                    yield Owed(expected, decode_part(Note, body))
                except EventUnreadable:
                    log.exception("note %d of the spool is of another version; its object stays stored", expected)
                expected += 1


def owed_in(folder: Path) -> Iterator[bytes]:
    """The notes of a spool that are still owed, as JSON, for a process that it does not belong to: it only reads."""
    try:
        shipped = int((folder / MARK_FILE).read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        shipped = 0
    for path in sorted(folder.glob("*.notes")):
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # all of it was shipped meanwhile
            continue
        yield from (body for number, body in enumerate(_bodies(content), start=int(path.stem)) if number > shipped)


def _bodies(content: bytes) -> Iterator[bytes]:
    """The whole notes of a segment; a tail torn by a crash was never promised, and ends it."""
    at = 0
    while at + _HEAD.size <= len(content):
        length, crc = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        body = content[at : at + length]
        if length > NOTE_LONGEST or len(body) < length or zlib.crc32(body) != crc:
            return
        at += length
        yield body
