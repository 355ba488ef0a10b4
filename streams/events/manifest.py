"""The full list of a series' instances, an object in the store; events carry its digest."""

from __future__ import annotations

from dataclasses import dataclass

from streams.events.codec import decode_part, encode_part
from streams.events.imaging import InstanceFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The instances of one series of one study, in the order of their SOP Instance UIDs."""

    study: str
    series: str
    instances: tuple[InstanceFacts, ...]


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest's bytes: the same instances give the same bytes, however they arrived."""
    ordered = tuple(sorted(manifest.instances, key=lambda i: i.instance))
    return encode_part(Manifest(study=manifest.study, series=manifest.series, instances=ordered))


def decode_manifest(content: bytes) -> Manifest:
    """A manifest from its bytes.

    Raises:
        EventUnreadable: the bytes are none.
    """
    return decode_part(Manifest, content)
