"""How long a door tries to read an object that its disk cannot read: some times, unless it can read none."""

from __future__ import annotations

import errno
import logging
from collections import Counter
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

DAMAGE = (errno.EIO, errno.EBADMSG, errno.EUCLEAN)
"""Of the object's own place on the disk; all else (no handles, no memory, a server away) is none of its fault."""
TRIES = 6
"""With the shipper's pauses: some three seconds."""
TOO_MANY = 20


@dataclass(slots=True)
class Patience:
    """Tries so far, by the object's digest; after `TOO_MANY` given up in a row it is the disk, and nothing more is."""

    _tries: Counter[str] = field(default_factory=Counter)
    _given_up: set[str] = field(default_factory=set)
    _in_a_row: int = 0

    def gives_up(self, digest: str, fault: OSError) -> bool:
        """Whether this object is to hold up the others no longer."""
        if digest in self._given_up:
            return True
        self._tries[digest] += 1
        if fault.errno not in DAMAGE or self._tries[digest] < TRIES or self._in_a_row >= TOO_MANY:
            return False
        self._in_a_row += 1
        self._given_up.add(digest)
        log.error("the disk cannot read the object %s (%s): given up after %d tries", digest, fault.strerror, TRIES)
        return True

    def read(self, digest: str) -> None:
        """It was read: the disk is well."""
        self._in_a_row = 0
        self._tries.pop(digest, None)
        self._given_up.discard(digest)

    def shipped(self) -> None:
        """Those that were given up have their dead letters."""
        self._given_up.clear()
