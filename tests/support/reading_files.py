"""Series from folders of files as a door would tell of them, and readings asked about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from streams.doors.header import read_header
from streams.doors.pseudonym import Pseudonyms
from streams.errors import NotDicom
from streams.events.imaging import InstanceFacts, SeriesFacts
from streams.events.manifest import Manifest, encode_manifest
from streams.events.reading import ReadingRequested
from streams.ports import ObjectStore


@dataclass(slots=True)
class FoundSeries:
    """One series of some files, its bytes in the store."""

    study: str
    facts: SeriesFacts
    instances: dict[str, InstanceFacts] = field(default_factory=dict)

    def request(self, objects: ObjectStore, model: str) -> ReadingRequested:
        """A reading of it by a model."""
        manifest = Manifest(study=self.study, series=self.facts.series, instances=tuple(self.instances.values()))
        return ReadingRequested(
            reading=f"{self.facts.series}/{model}",
            study=self.study,
            revision=1,
            model=model,
            role="live",
            lane="urgent",
            priority="stat",
            series=self.facts,
            manifest=objects.put(encode_manifest(manifest)),
            last_stored_at=datetime(2026, 1, 1, tzinfo=UTC),
        )


def series_in(files: Iterable[Path], objects: ObjectStore) -> list[FoundSeries]:
    """The series of these files; what is no DICOM is passed over."""
    found: dict[str, FoundSeries] = {}
    for path in sorted(files):
        content = path.read_bytes()
        try:
            header = read_header(content, Pseudonyms(b"key"))
        except NotDicom:
            continue
        objects.put(content)
        series = found.setdefault(header.series.series, FoundSeries(header.study.study, header.series))
        series.instances[header.instance.instance] = header.instance
    return list(found.values())
