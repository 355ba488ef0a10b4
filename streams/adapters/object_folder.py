"""The object store as a folder: root/ab/cd/<sha256>, synced before anybody is told that it is stored."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from streams.errors import NoRoom, ObjectDamaged, ObjectMissing
from streams.events.identifiers import Digest, digest_of
from streams.faults.points import Point
from streams.faults.protections import Protection

RESERVE_BYTES = 2_000_000_000
RESERVE_SHARE = 0.05
ABANDONED_S = 3600.0
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class ObjectFolder:
    """ObjectStore port on a file system; several processes may share one folder.

    Names come from digests only: nothing that stands in a dataset ever becomes a path.
    """

    def __init__(self, root: Path, *, reserve: int | None = None, free: Callable[[Path], int] | None = None) -> None:
        """Open, or make, the folder.

        Args:
            root: where the objects lie; readable by this user only.
            reserve: bytes that stay free on the disk; None: the larger of 2 GB and 5 % of the disk.
            free: how many bytes are free on the disk of a folder.
        """
        self._root = root
        self._fresh = root / "new"
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
        if _holds(target, len(content)):
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


def _holds(target: Path, size: int) -> bool:
    """Whether it is there in its whole length: a damaged disk's stump is written anew."""
    try:
        return target.stat().st_size == size
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    if Protection.FSYNC.on:
        os.fsync(descriptor)
