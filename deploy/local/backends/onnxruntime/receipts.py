# ruff: noqa: INP001  # Triton loads it by its path
"""Signs an answer with the call that it answers and the tensors that it was made of (streams/adapters/receipts.py)."""

from __future__ import annotations

import zlib

import numpy as np

OUTPUT = "RECEIPT"
NUMBERS = "biufc"


def receipt(request_id: str, feed: dict[str, np.ndarray]) -> bytes:
    """`<request id> <CRC-32 of the inputs by name>`; to be made before the model runs on them."""
    total = 0
    for _, tensor in sorted(feed.items()):
        if tensor.dtype.kind in NUMBERS:
            total = zlib.crc32(np.ascontiguousarray(tensor), total)
    return f"{request_id} {total:08x}".encode()
