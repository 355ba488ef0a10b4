# ruff: noqa: INP001  # Triton loads it by its path
"""Signs an answer with its call, the tensors and the weights that it was made of (streams/adapters/receipts.py)."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import numpy as np

OUTPUT = "RECEIPT"
NUMBERS = "biufc"


def weights(path: Path) -> str:
    """SHA-256 of the model's file, to be taken when it is loaded: later another one may lie there."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def receipt(request_id: str, feed: dict[str, np.ndarray], of_weights: str = "") -> bytes:
    """`<request id> <CRC-32 of the inputs by name> <digest of the weights>`; to be made before the model runs."""
    total = 0
    for _, tensor in sorted(feed.items()):
        if tensor.dtype.kind in NUMBERS:
            total = zlib.crc32(np.ascontiguousarray(tensor), total)
    return f"{request_id} {total:08x} {of_weights}".rstrip().encode()
