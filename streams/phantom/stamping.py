"""Demo studies anew: the same pixels under other UIDs, accession numbers and patients, so that each run is fresh."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

UID_TAGS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
DRAWN = (b"\x08\x00\x50\x00SH", b"\x10\x00\x20\x00LO")
"""Accession Number (0008,0050) and Patient ID (0010,0020) in explicit VR little endian, before their lengths."""


def other_uid(uid: str, run: str) -> str:
    """A UID of the same length under the same root, another for each run (PS3.5 B.2: derived digits)."""
    root, _, _last = uid.rpartition(".")
    digits = str(int(hashlib.sha256(f"{run}/{uid}".encode()).hexdigest(), 16))
    return f"{root}.{'1' + digits[: len(uid) - len(root) - 2]}"


def uids_of(path: Path) -> tuple[str, ...]:
    """The UIDs that name this file's study, series and instance; none where it is no DICOM."""
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=list(UID_TAGS))
    except InvalidDicomError:
        return ()
    return tuple(str(header[tag].value) for tag in UID_TAGS if tag in header)


def stamp(source: Path, target: Path, run: str, known: Mapping[str, str]) -> None:
    """Write source to target with each known UID replaced, accession number and patient drawn anew.

    Equal ones become equal ones: two studies of one patient are of one patient again.

    Bytes of equal length take the place of bytes, so that damage which a case was given stays as it is.
    """
    content = source.read_bytes()
    for old, new in known.items():
        content = content.replace(old.encode(), new.encode())
    for element in DRAWN:
        at = content.find(element)
        if at < 0:
            continue
        start = at + len(element) + 2
        length = int.from_bytes(content[start - 2 : start], "little")
        drawn = hashlib.sha256(f"{run}/".encode() + content[start : start + length]).hexdigest().upper()
        content = content[:start] + drawn[:length].encode() + content[start + length :]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def stamp_all(waves: tuple[tuple[Path, ...], ...], folder: Path, run: str) -> tuple[tuple[Path, ...], ...]:
    """The files of one case's associations under this run's names, in `folder`."""
    paths = {path for wave in waves for path in wave}
    known = {uid: other_uid(uid, run) for path in paths for uid in uids_of(path)}
    written = {path: folder / f"{number:04d}.dcm" for number, path in enumerate(sorted(paths))}
    for source, target in written.items():
        stamp(source, target, run, known)
    return tuple(tuple(written[path] for path in wave) for wave in waves)
