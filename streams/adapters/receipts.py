"""Receipts: an answer of a model says which call it answers, of which tensors, and by which weights.

Triton's backend for Python models gives a call up when the model's process has shown no sign of life for one second.
Where that process was only stalled (a busy machine, swapped memory) it goes on, and from then on each call is given
the answer of the one before it: another patient's (measured with Triton 2.51: tests/contract/test_stalled_model.py).
So a model in a process of its own signs what it answers, and nothing else is believed.

Who holds a contract cannot see that other weights were laid under the same name and loaded; the receipt names those
that answered, so that an answer is never said to be another version's.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from streams.adapters.triton_faults import ModelLost
from streams.contract import RECEIPT
from streams.faults.protections import Protection
from streams.ports import Tensor

NUMBERS = "biufc"
"""Kinds of numpy that are summed up; texts are not."""


class ForeignAnswer(ModelLost):
    """A model gave the answer of another call, or one that nobody signed."""


def call_id(request_id: str) -> str:
    """A name for one call: no two calls have it, though it be about the same reading."""
    return f"{request_id}/{uuid.uuid4().hex}"


def crc(inputs: Mapping[str, Tensor]) -> int:
    """CRC-32 over the bytes of the inputs in the order of their names, as the backend computes it."""
    total = 0
    for _, tensor in sorted(inputs.items()):
        if tensor.dtype.kind in NUMBERS:
            total = zlib.crc32(np.ascontiguousarray(tensor).data, total)
    return total


def check(model: str, result: Any, call: str, total: int) -> None:
    """Hold the receipt of an answer against the call.

    Raises:
        ForeignAnswer: it is the answer to another call, or of other tensors, or has no receipt.
    """
    if Protection.RECEIPT.on and _words(result)[:2] != [call, f"{total:08x}"]:
        raise ForeignAnswer(f"{model} gave the answer of another call; it is loaded anew")


def weights(result: Any) -> str:
    """SHA-256 of the weights that gave this answer; empty: nobody says (a native backend, an older one of ours)."""
    return next(iter(_words(result)[2:]), "")


def _words(result: Any) -> list[str]:
    found = result.as_numpy(RECEIPT)
    said = b"" if found is None or not found.size else bytes(found.reshape(-1)[0])
    return said.decode("utf-8", "replace").split(" ")
