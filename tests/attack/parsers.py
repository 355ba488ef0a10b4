"""`make fuzz-parsers MINUTES=20`: atheris on each parser of ours, guided by coverage; exits 1 where one fails."""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

CORPUS = Path(__file__).parent / "corpus"
LONGEST = 65_536


def _header(content: bytes) -> None:
    from streams.doors.header import read_header
    from streams.doors.pseudonym import Pseudonyms
    from streams.errors import NotDicom

    try:
        read_header(content, Pseudonyms(b"k" * 32))
    except NotDicom:
        return


def _pixels(content: bytes) -> None:
    from streams.adapters.pixel_frames import stored_values
    from streams.adapters.pixel_header import read_pixel_header
    from streams.errors import QualityRejected

    try:
        header = read_pixel_header(content, "1.2.840.10008.1.2.1")
        if header.syntax in ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.5"):
            stored_values(header)  # native decoders crash by themselves: they live in a child, and make fuzz has them
    except QualityRejected:
        return


def _tag_walk(content: bytes) -> None:
    import struct

    from streams.adapters.tag_walk import WalkFailed, walk

    for explicit in (True, False):
        try:
            walk(content, 0, explicit=explicit, wanted=(0x00280010,), until=0x7FE00010)
        except (WalkFailed, struct.error):
            continue


def _event(content: bytes) -> None:
    from streams.errors import EventUnknown, EventUnreadable
    from streams.events.codec import EVENT_TYPES, type_name
    from streams.events.envelope import from_kafka

    kind = type_name(EVENT_TYPES[content[0] % len(EVENT_TYPES)]).encode() if content else b""
    cut = content.find(b"\0")
    time, body = (content[1:cut], content[cut + 1 :]) if cut > 0 else (b"2026-01-01T00:00:00Z", content[1:])
    try:
        from_kafka(body, [("ce_id", b"1"), ("ce_type", kind), ("ce_time", time), ("ce_subject", b"1.2")])
    except (EventUnknown, EventUnreadable):
        return


def _order(content: bytes) -> None:
    from datetime import UTC, datetime

    from streams.doors.orders import order_in
    from streams.doors.pseudonym import Pseudonyms
    from streams.errors import NotDicom

    try:
        order_in(content, Pseudonyms(b"k" * 32), datetime(2026, 1, 1, tzinfo=UTC))
    except NotDicom:
        return


def _mask(content: bytes) -> None:
    from streams.errors import EventUnreadable
    from streams.reading.masks import decode_mask

    try:
        decode_mask(content)
    except EventUnreadable:
        return


def _manifest(content: bytes) -> None:
    from streams.errors import EventUnreadable
    from streams.events.manifest import decode_manifest

    try:
        decode_manifest(content)
    except EventUnreadable:
        return


def _asking(content: bytes) -> None:
    from streams.doors.asking import request_fault

    assert request_fault(content) is None or len(content) >= 0


TARGETS: dict[str, Callable[[bytes], None]] = {
    "header": _header,
    "pixels": _pixels,
    "tag-walk": _tag_walk,
    "event": _event,
    "order": _order,
    "mask": _mask,
    "manifest": _manifest,
    "asking": _asking,
}


def seeds(name: str) -> list[bytes]:
    """What a parser of that name reads when all is well; and what once broke one (tests/attack/corpus)."""
    from streams.events.imaging import InstanceFacts
    from streams.events.manifest import Manifest, encode_manifest
    from streams.reading.masks import Mask, encode_mask
    from tests.attack.mutants import SYNTAXES, file_of, sound
    from tests.attack.wire import Context, request

    kept = [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))] if (CORPUS / name).is_dir() else []
    files = [file_of(sound(1, syntax)[0]) for syntax in SYNTAXES]
    facts = InstanceFacts(instance="1.2", sop_class="1.2", digest="0" * 64, size=1, position_mm=(0.0, 1.0, 2.0))
    made = {
        "header": [each[:4_000] for each in files],
        "pixels": files,
        "tag-walk": [each[300:2_000] for each in files],
        "event": [b'\x022026-01-01T00:00:00Z\0{"order":"a","priority":"stat"}'],
        "order": [b'{"accession": "A123", "priority": "stat"}'],
        "mask": [encode_mask(Mask(instances=("1.2",), bits=np.ones((1, 9, 7), np.bool_))) or b""],
        "manifest": [encode_manifest(Manifest(study="1.2", series="1.2.3", instances=(facts,)))],
        "asking": [request([Context(1), Context(3)])[6:]],
    }
    return [*kept, *made[name]]


def one(name: str, seconds: int, seed: int) -> None:
    """Run one target in this process until the time is up; a fault ends it, with its input kept and named."""
    import atheris  # type: ignore[import-not-found]  # of the group fuzz, not of the runtime

    with atheris.instrument_imports(include=["streams"]):
        TARGETS[name](b"")
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(seeds(name)):
            (Path(folder) / f"{number}").write_bytes(content)
        options = [
            f"-max_total_time={seconds}",
            f"-max_len={LONGEST}",
            f"-seed={seed}",
            "-timeout=20",
            "-rss_limit_mb=2000",
        ]
        found = f"-artifact_prefix={Path(tempfile.gettempdir())}/wetread-{name}-"
        atheris.Setup([sys.argv[0], *options, "-verbosity=1", "-print_final_stats=1", found, folder], TARGETS[name])
        atheris.Fuzz()


def main() -> int:
    """Each target in a process of its own, for an equal share of the time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(TARGETS))
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one", help="run this target here")
    parser.add_argument("--seconds", type=int, default=60)
    asked = parser.parse_args()
    if asked.one:
        one(asked.one, asked.seconds, asked.seed)
        return 0
    seconds = max(int(asked.minutes * 60 / len(asked.names)), 1)
    failed = []
    for name in asked.names:
        command = [sys.executable, "-m", "tests.attack.parsers", "--one", name]
        done = subprocess.run(
            [*command, "--seconds", str(seconds), "--seed", str(asked.seed)],
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        lines = [line for line in done.stderr.splitlines() if line.startswith(("stat::number_of_executed", "#"))]
        print(
            f"{name}: {'held' if not done.returncode else 'FAILED'}, {lines[-1] if lines else 'no figures'}", flush=True
        )
        if done.returncode:
            failed.append(name)
            print(done.stderr[-3_000:], done.stdout[-2_000:], flush=True)
    return min(len(failed), 1)


if __name__ == "__main__":
    random.seed(0)
    sys.exit(main())
