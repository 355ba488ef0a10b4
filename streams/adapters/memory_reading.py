"""In-memory twins of the ports of reading: bytes by digest, a model server with scripted answers, prepared pixels."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from streams.contract import Contract
from streams.errors import ModelServerAway, ObjectDamaged, ObjectMissing
from streams.events.identifiers import Digest, digest_of
from streams.events.imaging import InstanceFacts
from streams.ports import Inference, Tensor


@dataclass(slots=True)
class MemoryObjects:
    """ObjectStore in a dictionary; `path` writes the bytes into a temporary folder."""

    contents: dict[str, bytes] = field(default_factory=dict)
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def put(self, content: bytes) -> Digest:
        """Keep the bytes."""
        digest = digest_of(content)
        self.contents[digest] = content
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes, their digest checked."""
        content = self.contents.get(digest)
        if content is None:
            raise ObjectMissing(f"no object {digest}")
        if digest_of(content) != digest:
            raise ObjectDamaged(f"object {digest} no longer has its digest")
        return content

    def path(self, digest: str) -> Path:
        """A file with the bytes."""
        content = self.get(digest)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="wetread-objects-")
        path = Path(self._folder.name) / digest
        path.write_bytes(content)
        return path

    def close(self) -> None:
        """Remove the temporary folder."""
        if self._folder is not None:
            self._folder.cleanup()


Answer = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


@dataclass(slots=True)
class ScriptedModels:
    """ModelServer whose answers are functions by model name; an exception in their place is raised."""

    answers: Mapping[str, Answer | Exception]
    seconds: float = 0.0
    asked: list[str] = field(default_factory=list)

    async def infer(
        self, model: str, inputs: Mapping[str, Tensor], *, outputs: Sequence[str], request_id: str, deadline_s: float
    ) -> Inference:
        """The scripted answer, after `seconds`."""
        self.asked.append(request_id)
        answer = self.answers.get(model)
        if self.seconds >= deadline_s or answer is None:
            raise ModelServerAway(f"{model}: no answer within {deadline_s} s")
        await asyncio.sleep(self.seconds)
        if isinstance(answer, Exception):
            raise answer
        said = answer(inputs)
        return Inference(outputs={n: said[n] for n in outputs}, model_version="1", seconds=self.seconds)

    async def ready(self, contract: Contract) -> None:
        """Ready is what has a script."""
        if contract.name not in self.answers:
            raise ModelServerAway(f"{contract.name} is not loaded")


@dataclass(slots=True)
class MemoryPixels:
    """PixelSource of prepared slices [rows, columns] by digest; an exception in their place is raised."""

    slices: Mapping[str, Tensor | Exception]

    async def decode(self, instances: Sequence[InstanceFacts], deadline_s: float) -> Tensor:  # noqa: ARG002
        """The slices prepared for these instances, by digest, in the given order."""
        found = []
        for instance in instances:
            prepared = self.slices.get(instance.digest)
            if prepared is None:
                raise ObjectMissing(f"no object {instance.digest}")
            if isinstance(prepared, Exception):
                raise prepared
            found.append(prepared)
        return np.stack(found)
