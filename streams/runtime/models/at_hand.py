"""DICOM files at hand as series in a store, and what lay beside them that is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from streams.adapters.object_folder import ObjectFolder
from streams.contract import Contract
from streams.doors.header import read_header
from streams.doors.pseudonym import Pseudonyms
from streams.errors import NotDicom
from streams.events.imaging import InstanceFacts, SeriesFacts
from streams.events.manifest import Manifest, encode_manifest
from streams.events.reading import ReadingRequested, SeriesToRead

LARGEST = 1 << 30
"""Bytes; no image is larger, and a file is held in memory whole."""
NAMED_MOST = 3


@dataclass(slots=True)
class FoundSeries:
    """A series of the files, with what each of its instances says."""

    study: str
    facts: SeriesFacts
    instances: dict[str, InstanceFacts] = field(default_factory=dict)

    @property
    def named(self) -> str:
        """For a person; no identity."""
        return f"{self.facts.modality}, {len(self.instances)} images"


@dataclass(frozen=True, slots=True)
class AtHand:
    """What a folder holds.

    Attributes:
        series: each with the instances that are there.
        left: files that could not be read as DICOM, with the reason, in the order of their names.
        files: how many there are.
    """

    series: tuple[FoundSeries, ...]
    left: tuple[tuple[Path, str], ...]
    files: int

    @property
    def said(self) -> str:
        """How much was left out and why, in a sentence; empty: nothing was."""
        if not self.files:
            return "the folder holds no files"
        if not self.left:
            return ""
        shown = ", ".join(f"{path.name} ({why})" for path, why in self.left[:NAMED_MOST])
        more = f" and {len(self.left) - NAMED_MOST} more" if len(self.left) > NAMED_MOST else ""
        if not self.series:
            return f"nothing is readable: none of the {self.files} files is an image in DICOM: {shown}{more}"
        were = "was" if len(self.left) == 1 else "were"
        return f"{len(self.left)} of {self.files} files {were} left out: {shown}{more}"


def at_hand(folder: Path, objects: ObjectFolder) -> AtHand:
    """The files below a folder, put into the store."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found: dict[str, FoundSeries] = {}
    left = tuple((path, why) for path in files if (why := _taken(path, objects, found)))
    return AtHand(tuple(found.values()), left, len(files))


def _taken(path: Path, objects: ObjectFolder, found: dict[str, FoundSeries]) -> str:
    """Why a file is left out; empty: it is in its series."""
    try:
        if path.stat().st_size > LARGEST:
            return f"over {LARGEST >> 20} MB"
        content = path.read_bytes()
        header = read_header(content, Pseudonyms(b"check"))
    except NotDicom as fault:
        return str(fault)
    except OSError as fault:
        return fault.strerror or type(fault).__name__
    objects.put(content)
    series = found.setdefault(header.series.series, FoundSeries(header.study.study, header.series))
    series.instances[header.instance.instance] = header.instance
    return ""


def request(
    series: FoundSeries, beside: Iterable[FoundSeries], contract: Contract, objects: ObjectFolder
) -> ReadingRequested:
    """The reading that a model would be asked for; of an exam, with the other series of its study."""

    def manifest(of: FoundSeries) -> str:
        whole = Manifest(study=of.study, series=of.facts.series, instances=tuple(of.instances.values()))
        return objects.put(encode_manifest(whole))

    others: Sequence[FoundSeries] = ()
    if contract.needs.views:
        others = [one for one in beside if one is not series and one.study == series.study]
    return ReadingRequested(
        reading="check",
        study=series.study,
        revision=1,
        model=contract.name,
        role="shadow",
        lane="routine",
        priority="routine",
        series=series.facts,
        manifest=manifest(series),
        others=tuple(SeriesToRead(series=one.facts, manifest=manifest(one)) for one in others),
        last_stored_at=datetime.now(UTC),
    )
