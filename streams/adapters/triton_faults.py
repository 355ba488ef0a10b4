"""What Triton's errors and answers mean: away, refused, or not to be believed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tritonclient.utils import triton_to_np_dtype

from streams.contract import TensorSpec
from streams.errors import ModelServerAway, ReadingBroken, WetreadError
from streams.ports import Tensor

REFUSALS = ("INVALID_ARGUMENT", "INTERNAL", "OUT_OF_RANGE", "FAILED_PRECONDITION")
"""Statuses that say something about these tensors; every other one is about the server."""
_DEAD_STUB = re.compile(r"(?i)stub process .* not healthy|failed to process the requests\.?\s*$")
"""Triton's words for the process of a model (its stub) that gives no sign; the second ones, without a reason, are of a
process that was stalled and found the call's memory taken back."""
_LOST_REGION = re.compile(r"(?i)unable to find .*shared memory region|shared memory region .*not (found|registered)")
_SHORT_OF_MEMORY = re.compile(r"(?i)shared memory pool|failed to allocate|bad_alloc|out of memory")
LONGEST = 300


class ModelLost(ModelServerAway):
    """The model's process has died, or shown no sign of life for a second: the model is to be loaded anew."""


def status(error: Exception) -> str:
    """The name of grpc's status code; empty where there is none."""
    code = getattr(error, "status", lambda: None)()
    return str(code or "").removeprefix("StatusCode.")


def is_dead_stub(error: Exception) -> bool:
    """The model's process has died or was stalled, and Triton does nothing about it."""
    return _DEAD_STUB.search(str(error)) is not None


def is_lost_region(error: Exception) -> bool:
    """The server does not know a region of shared memory that it was told of."""
    return _LOST_REGION.search(str(error)) is not None


def meaning(model: str, error: Exception) -> WetreadError:
    """An error of ours: try again, or this study cannot be read."""
    code = status(error)
    text = " ".join(str(error).split())[:LONGEST]
    if code in REFUSALS and not is_dead_stub(error) and not _SHORT_OF_MEMORY.search(text):
        return ReadingBroken(f"The model {model} failed on these images: {text}")
    kind = ModelLost if is_dead_stub(error) else ModelServerAway
    return kind(f"{model}: {code or 'no answer'}: {text}")


def checked(result: Any, outputs: Sequence[str], specs: Mapping[str, TensorSpec]) -> dict[str, Tensor]:
    """The outputs by name, as the contract says that they are.

    Raises:
        ReadingBroken: one is missing, of another datatype or shape, or holds NaN or infinity.
    """
    found = {name: _output(result, name) for name in outputs}
    for name, array in found.items():
        spec = specs.get(name)
        if spec is not None:
            _check_spec(name, array, spec)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ReadingBroken(f"The model's output {name} holds values that are no numbers (NaN or infinity).")
    return found


def _output(result: Any, name: str) -> Tensor:
    array = result.as_numpy(name)
    if array is None:
        raise ReadingBroken(f"The model gave no output {name}.")
    return np.asarray(array)


def _check_spec(name: str, array: Tensor, spec: TensorSpec) -> None:
    if array.dtype != triton_to_np_dtype(spec.datatype):
        raise ReadingBroken(f"The model's output {name} is {array.dtype}, not {spec.datatype}.")
    fits = len(array.shape) == len(spec.shape) and all(
        want in (-1, have) for want, have in zip(spec.shape, array.shape, strict=True)
    )
    if not fits:
        raise ReadingBroken(f"The model's output {name} has the shape {array.shape}, not {spec.shape}.")
