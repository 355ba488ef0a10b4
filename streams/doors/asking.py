"""What an A-ASSOCIATE-RQ may hold (PS3.8 9.3.2): looked over before anything is built from it."""

from __future__ import annotations

import struct

FIXED_BYTES = 68
"""Protocol version, reserved bytes and both AE titles."""
CONTEXTS_MOST = 128
"""Presentation context ids are odd numbers from 1 to 255."""
ITEMS_MOST = 256
CONTEXT = 0x20
_ITEM = struct.Struct(">BxH")


def request_fault(body: bytes | bytearray) -> str | None:
    """Why the request behind its PDU header cannot be one; None: it can."""
    if len(body) < FIXED_BYTES:
        return "an association request that is too short"
    at = FIXED_BYTES
    contexts: set[int] = set()
    for _ in range(ITEMS_MOST):
        if at == len(body):
            return None
        kind, length = _ITEM.unpack_from(body, at) if at + _ITEM.size <= len(body) else (0, len(body))
        at += _ITEM.size
        if at + length > len(body):
            return "an association request whose items do not fit into it"
        if kind == CONTEXT and not (length and _is_new(body[at], contexts)):
            return "an association request whose presentation context ids are not odd, or not its own each"
        at += length
    return f"an association request of more than {ITEMS_MOST} items: {CONTEXTS_MOST} contexts are possible"


def _is_new(number: int, contexts: set[int]) -> bool:
    """Whether it is an id that no other context has; which leaves room for 128."""
    fresh = number % 2 == 1 and number not in contexts
    contexts.add(number)
    return fresh
