"""Mutated files through a door and the whole flow in memory, with the real decoder: each must end in something told."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from streams.adapters.contract_files import ModelFolder, read_model
from streams.adapters.dicom_pixels import DecodeLimits, DicomPixels
from streams.adapters.memory_reading import ScriptedModels
from streams.adapters.memory_twins import MemoryLog
from streams.adapters.object_folder import ObjectFolder
from streams.contract import Contract
from streams.doors.folder import FolderDoor
from streams.doors.header import read_header
from streams.doors.part10 import stored_form, wrap
from streams.doors.shipping import Shipper
from streams.doors.spool import Spool
from streams.errors import NotReadable, SetAside
from streams.events.envelope import from_kafka
from streams.events.identifiers import digest_of, is_uid
from streams.events.imaging import InstanceFacts, InstancesStored, StudyAssembled
from streams.events.reading import ReadingAnswered, ReadingFailed, ReadingRequested
from streams.events.watching import StudyClosed
from streams.flow import DEADLETTERS
from streams.ports import Tensor
from streams.runtime.inference.answering import Answering
from streams.runtime.inference.preparing import Preparing
from streams.runtime.inference.reader import Reader
from streams.runtime.processing.local import LocalFlow
from tests.attack.mutants import EXPLICIT, SIDE, Mutant, file_of, sound
from tests.attack.wire import Context, Peer, request
from tests.support.doors import NAMES, dimse_door
from tests.support.models import write_model_folder
from tests.support.studies import POLICIES, at

REPLACED_S = 1.0
FAR_S = 1e9
TIMEOUT_S = 300


@dataclass
class Found:
    """What became of some mutants.

    Attributes:
        ends: outcome, dead letter or refusal, and how often; silent: mutants of which nothing was told.
        twice: studies' revisions with no outcome, or with two.
        broken: errors that a door, the flow or the reading logged: a fault of ours that was caught.
        replaced_s: after each decoder that died, how long the next sound slice took.
    """

    sent: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    silent: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    replaced_s: list[float] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Nothing silent, nothing twice, nothing broken, each dead decoder replaced in time."""
        slow = [s for s in self.replaced_s if s > REPLACED_S]
        return not (self.silent or self.twice or self.broken or slow)

    def add(self, other: Found) -> None:
        """Both together."""
        self.sent += other.sent
        self.ends += other.ends
        for name in ("silent", "twice", "broken", "replaced_s"):
            getattr(self, name).extend(getattr(other, name))


class _Heard(logging.Handler):
    """Errors with a traceback: something raised what nobody had thought of."""

    def __init__(self, found: Found) -> None:
        super().__init__(logging.ERROR)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("streams") and record.exc_info:
            kind = record.exc_info[0]
            self._found.broken.append(f"{record.name}: {record.getMessage()[:100]} ({kind.__name__ if kind else '?'})")


async def by_dimse(home: Path, mutants: Sequence[Mutant], found: Found) -> tuple[MemoryLog, dict[str, str]]:
    """Sent by C-STORE, each in an association; the record, and each stored digest with what was done to it."""
    async with dimse_door(home) as parts:
        digests = await asyncio.to_thread(_send_all, parts.door.port, mutants, found)
        assert await parts.shipper.drained(TIMEOUT_S)
    return parts.log, digests


def _send_all(port: int, mutants: Sequence[Mutant], found: Found) -> dict[str, str]:
    digests = {}
    for mutant in mutants:
        with Peer(port) as peer:
            syntax = mutant.syntax if is_uid(mutant.syntax) else EXPLICIT
            assert peer.associate(request([Context(1, mutant.sop_class, syntax)])), "the door has gone"
            status = peer.store(mutant.dataset, mutant.sop_instance, mutant.sop_class)
            peer.release()
        if status:
            found.ends[f"refused {status:#06x}"] += 1
            if status < 0:
                found.silent.append(f"dimse: {mutant.how}")
            continue
        names = {"sop_class": mutant.sop_class, "sop_instance": mutant.sop_instance, "transfer_syntax": syntax}
        digests[digest_of(wrap(mutant.dataset, **names))] = f"dimse: {mutant.how}"
    return digests


async def by_folder(home: Path, mutants: Sequence[Mutant], found: Found) -> tuple[MemoryLog, dict[str, str]]:
    """Written into the watched folder, as one set."""
    inbox, log = home / "inbox", MemoryLog()
    spool, store = Spool(home / "spool", len(mutants) + 10), ObjectFolder(home / "objects", reserve=0)
    shipper = Shipper("folder", spool, store, NAMES, log)
    door = FolderDoor(inbox, store, spool, NAMES, shipper.take)
    digests = {}
    (inbox / "set").mkdir(parents=True)
    for number, mutant in enumerate(mutants):
        (inbox / "set" / f"{number:06d}").write_bytes(mutant.content)
        digests[digest_of(stored_form(mutant.content))] = f"folder: {mutant.how}"
    (inbox / "set" / ".complete").touch()
    shipping = asyncio.create_task(shipper.run())
    watching = asyncio.create_task(door.run())
    until = time.monotonic() + TIMEOUT_S
    while ((inbox / "set").exists() or spool.owed) and time.monotonic() < until and not watching.done():
        await asyncio.wait({watching, shipping}, timeout=0.05)  # a folder tells nothing by itself
    assert watching.done() or not (inbox / "set").exists(), "the machine was too slow: the folder was not taken in time"
    assert await shipper.drained(TIMEOUT_S), "the machine was too slow: what was taken was not shipped in time"
    for task in (watching, shipping):
        if task.done():
            found.broken.append(f"the folder door ended: {task.exception()!r}")
        task.cancel()
    spool.close()
    return log, digests


class _Stores:
    """The door's objects, and those that the flow keeps."""

    def __init__(self, folder: Path) -> None:
        self._folder = ObjectFolder(folder, reserve=0)
        self.path, self.put = self._folder.path, self._folder.put
        self.kept: Mapping[str, bytes] = {}

    def get(self, digest: str) -> bytes:
        return self.kept.get(digest) or self._folder.get(digest)


class _WatchedPixels:
    """The real decoder; when its child has died, a sound slice is decoded at once and timed."""

    def __init__(self, pixels: DicomPixels, probe: InstanceFacts, found: Found) -> None:
        self._pixels, self._probe, self._found = pixels, probe, found

    async def decode(self, instances: Sequence[InstanceFacts], deadline_s: float) -> Tensor:
        try:
            return await self._pixels.decode(instances, min(deadline_s, 10.0))
        except NotReadable as fault:
            if "crashed" in str(fault) or "longer than" in str(fault):
                began = time.monotonic()
                await self._pixels.decode([self._probe], 10.0)
                self._found.replaced_s.append(time.monotonic() - began)
            raise


def _says(inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    slabs = len(inputs["HEAD"])
    mask = np.zeros((slabs, 96, 96), np.float32)
    return {"STUDY": np.zeros(1, np.float32), "SLICES": np.zeros(slabs, np.float32), "MASK": mask}


def _any_series(model: ModelFolder) -> ModelFolder:
    """The same model, for whatever comes: so that mutants reach the decoder."""
    needs = replace(
        model.contract.needs, modality=("CT", "MR", "OT", "US", "CR"), orientation="any",
        contrast="any", coverage_mm=0.0, slices_min=1, thickness_mm=(0.0, 1e9), max_gap=1e9,
    )  # fmt: skip
    return replace(model, contract=replace(model.contract, needs=needs))


async def through_the_flow(home: Path, log: MemoryLog, digests: Mapping[str, str], found: Found) -> None:
    """All that the record holds through every agent, and whatever is left untold into `found`."""
    letters = log.records(DEADLETTERS) if DEADLETTERS in log.topics else []
    dead = {str(dict(each.headers)["wetread-object"], "ascii") for each in letters}
    assert all(dict(each.headers)["wetread-reason"] for each in letters)
    store = _Stores(home / "objects")
    model = _any_series(read_model(write_model_folder(home / "models")))
    async with DicomPixels(store, limits=DecodeLimits(memory_bytes=1 << 30, threads=1)) as pixels:
        watched = _WatchedPixels(pixels, _sound_slice(store), found)
        reader = Reader(store, Preparing(store, watched), ScriptedModels({"m": _says}), {"m": model}, time.monotonic)
        flow = await asyncio.to_thread(_run_flow, log, Answering(reader, {"m": model}), model.contract, store)
        await _decode_the_rest(flow, watched, found)
    _tell(flow, dead, digests, found)


def _sound_slice(store: _Stores) -> InstanceFacts:
    content = file_of(sound(999_999_999, EXPLICIT)[0])
    store.put(content)
    facts = read_header(content, NAMES).instance
    assert (facts.rows, facts.fault) == (SIDE, None)
    return facts


def _run_flow(log: MemoryLog, answering: Answering, contract: Contract, store: _Stores) -> LocalFlow:
    """In a thread of its own: each reading is answered by an event loop that lives as long."""
    loop = asyncio.new_event_loop()

    def read(asked: ReadingRequested) -> ReadingAnswered | ReadingFailed:
        store.kept = flow.objects
        return loop.run_until_complete(answering._read(asked))

    flow = LocalFlow(POLICIES, [contract], read)
    for record in log.records("imaging.instances") if "imaging.instances" in log.topics else ():
        flow.put(from_kafka(record.value, record.headers))
    flow.advance(at(FAR_S))
    loop.close()
    return flow


async def _decode_the_rest(flow: LocalFlow, pixels: _WatchedPixels, found: Found) -> None:
    """What no model reads is decoded all the same: a faulty image must be told apart from a faulty decoder."""
    ineligible = {e.data.study for e in flow.records["triage.outcomes"] if e.data.outcome == "ineligible"}
    for envelope in flow.records["imaging.instances"]:
        if not (isinstance(envelope.data, InstancesStored) and envelope.data.facts.study in ineligible):
            continue
        for facts in envelope.data.instances:
            try:
                await pixels.decode([facts], 10.0)
            except (NotReadable, SetAside):
                continue
            except Exception as error:  # noqa: BLE001  # each kind is a fault of ours
                found.broken.append(f"decoding: {type(error).__name__}")


def _tell(flow: LocalFlow, dead: set[str], digests: Mapping[str, str], found: Found) -> None:
    """Each digest is a dead letter, or in a study each of whose revisions has one outcome."""
    studies: dict[str, str] = {}
    for envelope in flow.records["imaging.instances"]:
        if isinstance(envelope.data, InstancesStored):
            studies |= {i.digest: envelope.data.facts.study for i in envelope.data.instances}
    revisions = Counter(
        (e.data.facts.study, e.data.revision)
        for e in flow.records["imaging.studies"]
        if isinstance(e.data, StudyAssembled)
    )
    closed = [e.data for e in flow.records["triage.outcomes"] if isinstance(e.data, StudyClosed)]
    outcomes = {each.study: each.outcome for each in closed}
    aside = {refusal.envelope.key for refusal in flow.refused}
    ended = Counter((each.study, each.revision) for each in closed)
    found.twice += [f"{key}: {ended[key]} outcomes" for key in revisions | ended if ended[key] != 1]
    for digest, how in digests.items():
        study = studies.get(digest, "")
        if digest in dead:
            found.ends["dead letter"] += 1
        elif study in outcomes:
            found.ends[outcomes[study]] += 1
        elif study in aside:
            found.ends["set aside"] += 1
        else:
            found.silent.append(how)


async def fuzz(home: Path, mutants: Sequence[Mutant], door: str) -> Found:
    """Through one door, and to the end."""
    found = Found(sent=len(mutants))
    handler = _Heard(found)
    logging.getLogger().addHandler(handler)
    try:
        log, digests = await {"dimse": by_dimse, "folder": by_folder}[door](home, mutants, found)
        await through_the_flow(home, log, digests, found)
    finally:
        logging.getLogger().removeHandler(handler)
    return found
