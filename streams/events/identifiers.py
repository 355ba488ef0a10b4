"""Names of things: studies, digests, events; and the rule by which event ids repeat after a crash."""

from __future__ import annotations

import hashlib
import re
from typing import NewType
from uuid import UUID

StudyUID = NewType("StudyUID", str)
"""Study Instance UID (0020,000D)."""
Digest = NewType("Digest", str)
"""SHA-256 of stored bytes, 64 hexadecimal digits; also their name in the object store."""
EventId = NewType("EventId", str)
"""UUID of an event, as text."""

NAMESPACE = UUID("5c1de3f0-5a0c-5f0f-9a53-6d1f0a7e2b11")
_NAMESPACE = NAMESPACE.bytes
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
UID_LONGEST = 64
_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")


def is_uid(text: str) -> bool:
    """Whether text is a UID by PS3.5 9.1: digits and dots, no leading zeros, at most 64 characters."""
    return len(text) <= UID_LONGEST and _UID.fullmatch(text) is not None


def digest_of(content: bytes) -> Digest:
    """SHA-256 of content, in hexadecimal."""
    return Digest(hashlib.sha256(content).hexdigest())


def _uuid5(name: str) -> EventId:
    """uuid.uuid5(NAMESPACE, name) as text (RFC 9562 5.5), without the object: each event said has one made."""
    h = hashlib.sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
    return EventId(f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}")


def event_id(cause: str, stage: str, index: int) -> EventId:
    """The id of the index-th event that stage says because of cause: the same again after every crash."""
    return _uuid5(f"{cause}/{stage}/{index}")


def named_id(*parts: str) -> EventId:
    """An id for a thing that has a name of its own (an alert, a reading, a timer): UUIDv5 of its parts."""
    return _uuid5("\x1f".join(parts))
