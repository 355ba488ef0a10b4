"""The object store as a folder: root/ab/cd/<sha256>, synced before anybody is told that it is stored."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streams.errors import NoRoom, ObjectDamaged, ObjectMissing
from streams.events.identifiers import Digest, digest_of
from streams.faults.points import Point
from streams.faults.protections import Protection
from streams.ports import StoredObject

RESERVE_BYTES = 2_000_000_000
RESERVE_SHARE = 0.05
ABANDONED_S = 3600.0
CHUNK_BYTES = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class ObjectFolder:
    """ObjectStore port on a file system; several processes may share one folder.

    Names come from digests only: nothing that stands in a dataset ever becomes a path. A file's time is when its
    content was last stored, the repeats included: who removes what is old (`remove`) never takes what was just
    acknowledged again. A lock between the two holds for all processes, and goes with the process that held it.
    """

    def __init__(self, root: Path, *, reserve: int | None = None, free: Callable[[Path], int] | None = None) -> None:
        """Open, or make, the folder.

        Args:
            root: where the objects lie; readable by this user only.
            reserve: bytes that stay free on the disk; None: the larger of 2 GB and 5 % of the disk.
            free: how many bytes are free on the disk of a folder.
        """
        self._root = root
        self._fresh, self._lock = root / "new", root / "lock"
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fresh.mkdir(mode=0o700, exist_ok=True)
        self._free = free or (lambda folder: shutil.disk_usage(folder).free)
        total = shutil.disk_usage(root).total
        self._reserve = max(RESERVE_BYTES, int(total * RESERVE_SHARE)) if reserve is None else reserve
        self._durable: set[Path] = set()
        self._sweep()

    def put(self, content: bytes) -> Digest:
        """Store durably: the bytes, their name and its folders are synced on return.

        Raises:
            NoRoom: the disk would have less than the reserve left.
        """
        digest = digest_of(content)
        target = self._place(digest)
        if self._is_renewed(target, content):
            self._sync_names(target)  # another thread may have renamed, but not yet synced, it
            return digest
        free = self._free(self._root)
        if free - len(content) < self._reserve:
            raise NoRoom(f"{free // 1_000_000} MB free on the disk of the object store: no more is taken")
        try:
            self._write(target, content)
        except OSError as error:
            if error.errno in _DISK_FULL:
                raise NoRoom(f"the disk of the object store is full: {error.strerror}") from error
            raise
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes, their digest checked.

        Raises:
            ObjectMissing, ObjectDamaged.
        """
        content = self.path(digest).read_bytes()
        if digest_of(content) != digest:
            raise ObjectDamaged(f"the object {digest[:12]} no longer has its digest")
        return content

    def path(self, digest: str) -> Path:
        """Where the bytes lie.

        Raises:
            ObjectMissing: also for what is no digest at all.
        """
        if not _DIGEST.fullmatch(digest):
            raise ObjectMissing(f"{digest[:80]!r} is no digest")
        target = self._place(digest)
        if not target.is_file():
            raise ObjectMissing(f"the object store does not hold {digest[:12]}")
        return target

    def stored(self) -> Iterator[StoredObject]:
        """All objects, in no order; what is put meanwhile may be among them."""
        for folder in self._root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]"):
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):  # it was removed, or renamed over, since
                        if _DIGEST.fullmatch(entry.name):
                            found = entry.stat()
                            yield StoredObject(digest=entry.name, size=found.st_size, stored_at=found.st_mtime)

    def remove(self, digest: str, stored_before: float) -> bool:
        """Remove an object that nobody has put since then (seconds since 1970); False: somebody has, or it is gone."""
        target = self._place(digest)
        with self._locked(fcntl.LOCK_EX), suppress(FileNotFoundError):
            if target.stat().st_mtime < stored_before:
                target.unlink()
                return True
        return False

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Shared while something is put where a file may lie already, exclusive while one is removed."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)

    def _is_renewed(self, target: Path, content: bytes) -> bool:
        """Whether it is there, whole, and young from now on; a damaged disk's file is written anew."""
        if not _holds(target, content):
            return False
        with self._locked(fcntl.LOCK_SH):
            try:
                os.utime(target)
            except FileNotFoundError:  # removed since it was looked at
                return False
        return True

    def _place(self, digest: str) -> Path:
        return self._root / digest[:2] / digest[2:4] / digest

    def _write(self, target: Path, content: bytes) -> None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._fresh / secrets.token_hex(16)
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with Point.BYTES_WRITTEN:
                    rest = memoryview(content)
                    while rest:
                        rest = rest[os.write(descriptor, rest) :]
                with Point.FSYNCED:
                    _sync(descriptor)
            finally:
                os.close(descriptor)
            with self._locked(fcntl.LOCK_SH):
                fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)
        self._sync_names(target)

    def _sync_names(self, target: Path) -> None:
        """Sync the folder of the object, and those above it that are not known to be durable.

        From below upwards, once the bytes are synced: a journalling file system has by then committed the
        folders above together with the bytes, so that their syncs cost next to nothing.
        """
        _sync_folder(target.parent)
        for folder in (target.parent, target.parent.parent):
            if folder not in self._durable:
                _sync_folder(folder.parent)
                self._durable.add(folder)

    def _sweep(self) -> None:
        """Remove what a crash has left half written; what is young may be another process's."""
        for entry in self._fresh.iterdir():
            with suppress(FileNotFoundError):  # its writer, or another process that sweeps, was faster
                if time.time() - entry.stat().st_mtime > ABANDONED_S:
                    entry.unlink()


def _holds(target: Path, content: bytes) -> bool:
    """Whether it is there, byte for byte: reading it back costs less than the syncs of an object that is new."""
    at = 0
    try:
        with target.open("rb", buffering=0) as file:
            while part := file.read(CHUNK_BYTES):
                if content[at : at + len(part)] != part:
                    return False
                at += len(part)
    except OSError:  # not there, or the disk cannot read it
        return False
    return at == len(content)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    if Protection.FSYNC.on:
        os.fsync(descriptor)
