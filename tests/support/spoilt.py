"""Studies that no scanner should send, and that some do: what each is, and how it must end."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from streams.phantom.dicom import Series, capture, localizer
from tests.support.small_heads import pixels, slices, study

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
STUDY_UID, TRANSFER_SYNTAX = b"\x20\x00\x0d\x00UI", b"\x02\x00\x10\x00UI"


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A small head, spoilt.

    Attributes:
        datasets: of a name; bytes: what is then done to each file.
        outcomes: any of them is right; "deadletter" too, where no study can be named.
        reason: one of these words stands in it.
    """

    datasets: Callable[[str], list[Dataset]]
    outcomes: tuple[str, ...]
    reason: tuple[str, ...]
    bytes: Callable[[bytes], bytes] | None = None


def _changed(change: Callable[[Dataset], None], name: str) -> list[Dataset]:
    made = slices(name)
    for ds in made:
        change(ds)
    return made


def _no_pixels(ds: Dataset) -> None:
    del ds.PixelData


def _lying(ds: Dataset) -> None:
    ds.Rows, ds.Columns = 300, 300


def _claims_2_gb(ds: Dataset) -> None:
    ds.Rows = ds.Columns = 32_768
    ds.PixelData = ds.PixelData[:2048]


def _multiframe(name: str) -> list[Dataset]:
    (ds, *others) = slices(name)
    ds.SOPClassUID, ds.NumberOfFrames = ENHANCED_CT, 14
    ds.PixelData = b"".join([ds.PixelData, *(o.PixelData for o in others)])
    del ds.ImagePositionPatient, ds.ImageOrientationPatient
    return [ds]


def _mixed(name: str) -> list[Dataset]:
    made = slices(name)
    for ds in made[::2]:
        ds.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    return made


def _scout(name: str) -> list[Dataset]:
    whose = study(name)
    return [localizer(whose, Series(1, "Scout", whose.vendor.kernel), pixels(), (7.5, 0.9375))]


def _screenshot(name: str) -> list[Dataset]:
    ds = capture(study(name), Series(9, "Screen", ""), pixels()[7])
    assert ds.SOPClassUID == SecondaryCaptureImageStorage
    return [ds]


def with_uid(tag: bytes, uid: bytes, content: bytes) -> bytes:
    """The file with another value in a UI element of explicit VR little endian, whatever it is."""
    at = content.index(tag) + len(tag)
    (length,) = struct.unpack_from("<H", content, at)
    value = uid + b"\0" * (len(uid) % 2)
    return content[:at] + struct.pack("<H", len(value)) + value + content[at + 2 + length :]


def _without_study(content: bytes) -> bytes:
    at = content.index(STUDY_UID)
    (length,) = struct.unpack_from("<H", content, at + len(STUDY_UID))
    return content[:at] + content[at + len(STUDY_UID) + 2 + length :]


def _nan_position(content: bytes) -> bytes:
    at = content.index(b"\x20\x00\x32\x00DS") + 6
    (length,) = struct.unpack_from("<H", content, at)
    return content[: at + 2] + b"nan\\0\\0".ljust(length) + content[at + 2 + length :]


UNREAD = ("ineligible", "rejected", "failed")
SPOILT: dict[str, Spoilt] = {
    "no pixels": Spoilt(partial(_changed, _no_pixels), UNREAD, ("no pixel data", "pixels")),
    "truncated": Spoilt(slices, UNREAD, ("truncated",), bytes=lambda b: b[: len(b) // 2]),
    "lying rows": Spoilt(partial(_changed, _lying), UNREAD, ("truncated", "claims", "of pixel data")),
    "claims 2 GB": Spoilt(partial(_changed, _claims_2_gb), UNREAD, ("claims", "announces")),
    "nan geometry": Spoilt(slices, UNREAD, ("ImagePosition", "where they lie"), bytes=_nan_position),
    "mixed orientations": Spoilt(_mixed, UNREAD, ("orientation", "mixed", "axial")),
    "one slice": Spoilt(lambda name: slices(name)[:1], UNREAD, ("1 image", "mm", "slices")),
    "localizer": Spoilt(_scout, ("ineligible",), ("localizer", "scout")),
    "secondary capture": Spoilt(_screenshot, ("ineligible",), ("derived", "secondary", "screenshot", "not")),
    "enhanced multi-frame": Spoilt(_multiframe, ("ineligible", "rejected"), ("multi-frame", "multiframe", "frames")),
}
"""By C-STORE: all name their study."""
NAMELESS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no study UID": (_without_study, "no Study Instance UID"),
    "path as UID": (partial(with_uid, STUDY_UID, b"../../../../tmp/1.2"), "is no UID"),
    "NUL in UID": (partial(with_uid, STUDY_UID, b"1.2\x003.4"), "is no UID"),
    "10 KB of UID": (partial(with_uid, STUDY_UID, b"1." * 5000 + b"1"), "is no UID"),
}
"""By C-STORE: their bytes, and what the dead letter says."""
