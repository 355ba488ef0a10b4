"""Files checked against a lock of SHA-256 digests, and folders that appear whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from streams.errors import PartMissing

MARK = ".whole"


class Fill(Protocol):
    """Fills a folder that an interrupted attempt may have begun, and tells of its progress."""

    def __call__(self, folder: Path, say: Callable[[str], None]) -> None:
        """Raises PartMissing where it cannot."""


@dataclass(frozen=True, slots=True)
class LockedJar:
    """One jar of the lock: Maven's coordinates and the SHA-256 of its bytes."""

    group: str
    artifact: str
    version: str
    classifier: str
    sha256: str

    @property
    def filename(self) -> str:
        """The name that Maven gives the file."""
        suffix = f"-{self.classifier}" if self.classifier else ""
        return f"{self.artifact}-{self.version}{suffix}.jar"


def read_jar_lock(path: Path) -> tuple[LockedJar, ...]:
    """The jars of a `jgo.lock.toml`.

    Raises:
        PartMissing: the lock has a jar without digest, which nothing could check.
    """
    jars = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["dependencies"]:
        if not entry.get("sha256"):
            raise PartMissing(f"{path.name} has no SHA-256 for {entry['artifactId']}: write the lock anew")
        jars.append(
            LockedJar(
                entry["groupId"], entry["artifactId"], entry["version"], entry.get("classifier") or "", entry["sha256"]
            )
        )
    return tuple(jars)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(*paths: Path) -> str:
    """One digest over several small files, such as locks: it changes when any of them does."""
    return hashlib.sha256("".join(sha256_of(p) for p in paths).encode()).hexdigest()


def is_whole(folder: Path, version: str) -> bool:
    """Whether `folder` was set up to its end, from the lock whose digest is `version`."""
    try:
        return (folder / MARK).read_text(encoding="utf-8") == version
    except (FileNotFoundError, NotADirectoryError):
        return False


def make_whole(folder: Path, version: str, fill: Callable[[Path], None]) -> None:
    """Fills a temporary folder beside `folder`, marks it, and only then puts it in its place.

    What an interrupted attempt left is handed to `fill` again, so that it can go on where it stopped.
    """
    working = folder.with_name(f"{folder.name}.partial")
    working.mkdir(parents=True, exist_ok=True)
    fill(working)
    (working / MARK).write_text(version, encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    working.rename(folder)


@contextmanager
def one_at_a_time(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Holds `folder` against other set-ups; calls `waiting` once where another one is at work."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def replace_text(path: Path, text: str) -> None:
    """Writes a small file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
