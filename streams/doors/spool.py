"""A door's durable promise: notes of events that are owed, in synced segments, until Kafka has acknowledged them."""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal

from streams.errors import NoRoom
from streams.events.codec import decode_part, encode_part
from streams.events.imaging import Priority

SEGMENT_BYTES = 1_000_000
NOTE_LONGEST = 65_536
_HEAD = struct.Struct("<LL")
"""Length and CRC-32 of the note that follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is owed: the event of an instance, of an association's end, or of an order."""

    kind: Literal["instance", "closed", "order"]
    at: datetime
    association: str = ""
    digest: str = ""
    instance: str = ""
    """Affected SOP Instance UID (0000,1000), where the sender named one."""
    how: Literal["association-released", "folder-complete", "association-aborted"] = "association-aborted"
    order: str = ""
    priority: Priority = "routine"


@dataclass(slots=True)
class _Segment:
    path: Path
    last: int
    """Number of its last note."""


class Spool:
    """Notes in the order in which they were owed; numbers begin at 1 with each opening.

    `owe` may be called by many threads: whoever syncs, syncs for all that have written by then.
    """

    def __init__(self, folder: Path, owed_most: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Open, or make, the spool; `recovered` are the notes that an earlier process still owed."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._owed_most, self._segment_bytes = folder, owed_most, segment_bytes
        self._write_lock, self._sync_lock = threading.Lock(), threading.Lock()
        self._segments: list[_Segment] = []
        self.recovered: list[Note] = []
        for path in sorted(folder.glob("*.notes")):
            self.recovered += list(_notes_in(path))
            self._segments.append(_Segment(path, len(self.recovered)))
        self._written = self._synced = self._shipped = 0
        self._written = self._synced = len(self.recovered)
        self._number = max((int(s.path.stem) for s in self._segments), default=0)
        self._file = self._next_file()

    @property
    def owed(self) -> int:
        """Notes not yet acknowledged by Kafka."""
        return self._written - self._shipped

    def owe(self, note: Note) -> None:
        """Append and sync; returns when the note is durable.

        Raises:
            NoRoom: too much is owed already, or the disk is full.
        """
        if self.owed >= self._owed_most:
            raise NoRoom(f"{self.owed} events are owed to Kafka already: no more is taken until it is back")
        body = encode_part(note)
        try:
            with self._write_lock:
                if self._file.tell() > self._segment_bytes:
                    self._roll()
                self._file.write(_HEAD.pack(len(body), zlib.crc32(body)) + body)
                self._file.flush()
                self._written += 1
                mine, file = self._written, self._file
            self._sync(mine, file.fileno())
        except OSError as error:
            raise NoRoom(f"the spool cannot be written: {error.strerror}") from error

    def shipped(self, upto: int) -> None:
        """Kafka has acknowledged the events of the notes up to that number; whole segments of them are removed."""
        with self._write_lock:
            self._shipped = max(self._shipped, upto)
            while self._segments and self._segments[0].last <= self._shipped:
                self._segments.pop(0).path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close; what is shipped whole is removed."""
        with self._write_lock:
            self._file.close()
            if self.owed == 0:
                Path(self._file.name).unlink(missing_ok=True)

    def _sync(self, mine: int, descriptor: int) -> None:
        with self._sync_lock:
            if self._synced < mine:
                target = self._written
                os.fsync(descriptor)
                self._synced = target

    def _roll(self) -> None:
        with self._sync_lock:
            os.fsync(self._file.fileno())
            self._synced = self._written
            self._segments.append(_Segment(Path(self._file.name), self._written))
            self._file.close()
            self._file = self._next_file()

    def _next_file(self) -> BinaryIO:
        self._number += 1
        file = (self._folder / f"{self._number:012d}.notes").open("ab")
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return file


def _notes_in(path: Path) -> Iterator[Note]:
    """The whole notes of a segment; a tail torn by a crash was never promised, and ends it."""
    content, at = path.read_bytes(), 0
    while at + _HEAD.size <= len(content):
        length, crc = _HEAD.unpack_from(content, at)
        body = content[at + _HEAD.size : at + _HEAD.size + length]
        if length > NOTE_LONGEST or len(body) < length or zlib.crc32(body) != crc:
            return
        yield decode_part(Note, body)
        at += _HEAD.size + length
