"""Mutated DICOM files: header bits, lengths, shapes, syntaxes, pixels and codestreams, from sound files and a seed."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from streams.doors.part10 import read_meta
from streams.errors import NotDicom
from streams.phantom.dicom import Series, ct_slices
from streams.phantom.lattice import Frame
from tests.support.small_heads import study

SIDE, GROUP = 64, 3
"""Pixels of a side; files of a series."""
FRAME = Frame(z=tuple(7.5 * n for n in range(GROUP)), thickness=7.5, pixel=3.0, size=SIDE)
EXPLICIT, IMPLICIT, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
RLE, JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"
LOSSLESS, BIG = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.2"
SYNTAXES = (EXPLICIT, IMPLICIT, DEFLATED, RLE, JPEG_LS, JPEG_2000, LOSSLESS)
SHAPES = (b"\x28\0\x10\0US", b"\x28\0\x11\0US", b"\x28\0\0\1US", b"\x28\0\1\1US", b"\x28\0\2\0US", b"\x28\0\3\1US")
PIXELS = b"\xe0\x7f\x10\0"
EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
LENGTHS = (0, 1, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file, what was done to it, and what its sender calls it."""

    content: bytes
    how: str
    sop_class: str
    sop_instance: str
    syntax: str

    @property
    def dataset(self) -> bytes:
        """What a sender would send: all behind the meta group, as far as there is one."""
        try:
            return self.content[read_meta(BytesIO(self.content)).start :]
        except NotDicom:
            return self.content[300:]


def sound(number: int, syntax: str) -> list[Dataset]:
    """A series of three small slices in that transfer syntax, another study for each number."""
    z, y, x = np.ogrid[:GROUP, :SIDE, :SIDE]
    far = np.hypot(y - SIDE / 2, x - SIDE / 2) + z
    hu = np.where(far < 24, 34, np.where(far < 28, 1000, -1000)).astype(np.float32)
    return [_coded(each, syntax) for each in ct_slices(study(f"fuzz {number}"), Series(2, "HEAD", "H30s"), hu, FRAME)]


def _coded(dataset: Dataset, syntax: str) -> Dataset:
    encoders: dict[str, Callable[[np.ndarray], bytes]] = {
        JPEG_LS: imagecodecs.jpegls_encode,
        JPEG_2000: lambda image: imagecodecs.jpeg2k_encode(image, codecformat="j2k", reversible=True),
        LOSSLESS: imagecodecs.ljpeg_encode,
        RLE: _run_lengths,
    }
    if syntax in encoders:
        image = np.frombuffer(dataset.PixelData, "<i2" if dataset.PixelRepresentation else "<u2")
        dataset.PixelData = encapsulate([encoders[syntax](image.reshape(SIDE, SIDE).view(np.uint16))])
        dataset["PixelData"].is_undefined_length = True
    meta = dataset.file_meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(syntax)
    return dataset


def _run_lengths(image: np.ndarray) -> bytes:
    """RLE (PS3.5 annex G) of literal runs only: two segments, high bytes first."""
    segments = []
    for plane in (image >> 8, image & 0xFF):
        content = plane.astype(np.uint8).tobytes()
        runs = (content[at : at + 128] for at in range(0, len(content), 128))
        segments.append(b"".join(bytes([len(run) - 1]) + run for run in runs))
    places = [64, 64 + len(segments[0])]
    return struct.pack("<16L", 2, *places, *[0] * 13) + b"".join(segments)


Change = Callable[[random.Random, bytearray], None]


def _flip(low: float, high: float) -> Change:
    """Some bits between two places, as shares of the file."""

    def change(chance: random.Random, content: bytearray) -> None:
        first, last = int(len(content) * low), max(int(len(content) * high), 1)
        for _ in range(chance.choice((1, 1, 2, 4, 16))):
            content[chance.randrange(first, last)] ^= 1 << chance.randrange(8)

    return change


def _header_flip(chance: random.Random, content: bytearray) -> None:
    end = max(content.find(PIXELS), 400)
    for _ in range(chance.choice((1, 1, 2, 4))):
        content[chance.randrange(128, min(end, len(content)))] = chance.randrange(256)


def _length(chance: random.Random, content: bytearray) -> None:
    """A length that lies: of an element with two bytes for it, or with four."""
    at = chance.randrange(132, max(min(content.find(PIXELS), len(content) - 16), 133))
    for place in range(at, min(at + 400, len(content) - 12)):
        if content[place : place + 2].isalpha() and content[place : place + 2].isupper():
            wide = content[place : place + 2] in (b"OB", b"OW", b"SQ", b"UN", b"UT")
            where, form = (place + 4, "<L") if wide else (place + 2, "<H")
            struct.pack_into(form, content, where, chance.choice(LENGTHS) & (0xFFFFFFFF if wide else 0xFFFF))
            return


def _shape(chance: random.Random, content: bytearray) -> None:
    """Rows, Columns, Bits, Samples, Pixel Representation."""
    for _ in range(chance.choice((1, 1, 2))):
        at = content.find(chance.choice(SHAPES))
        if at >= 0:
            struct.pack_into("<H", content, at + 8, chance.choice((*EDGES, 8, 16, 32, 63, 65, 128)))


def _pixel_flip(chance: random.Random, content: bytearray) -> None:
    at = content.rfind(PIXELS)
    for _ in range(chance.choice((1, 2, 8, 64))):
        content[chance.randrange(max(at, 0), len(content))] = chance.randrange(256)


def _codestream_head(chance: random.Random, content: bytearray) -> None:
    """Within the first bytes of the pixel data: fragments, markers, sizes."""
    at = max(content.rfind(PIXELS), 0) + 8
    for _ in range(chance.choice((1, 2, 4))):
        if at < len(content):
            content[chance.randrange(at, min(at + 90, len(content)))] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))


def _cut(chance: random.Random, content: bytearray) -> None:
    del content[chance.randrange(len(content)) :]


def _cut_end(chance: random.Random, content: bytearray) -> None:
    del content[len(content) - chance.randrange(1, min(600, len(content))) :]


def _syntax(chance: random.Random, content: bytearray) -> None:
    """Another transfer syntax than the one that it is written in."""
    at = content.find(b"\2\0\x10\0UI", 132)
    if at >= 0:
        length = struct.unpack_from("<H", content, at + 6)[0]
        other = chance.choice((*SYNTAXES, BIG, "1.2.840.10008.1.2.4.50", "1.2.3", "")).encode()
        content[at + 8 : at + 8 + length] = other[:length].ljust(length, b"\0")


def _nested(chance: random.Random, content: bytearray) -> None:
    """Sequences of undefined length, one in the other, in front of the pixels."""
    at = max(content.find(b"\x28\0\2\0"), 132)
    depth = chance.choice((1, 20, 300, 3_000))
    content[at:at] = (b"\x20\0\x40\x92SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\xff\xff\xff\xff") * depth


def _inserted(chance: random.Random, content: bytearray) -> None:
    at = chance.randrange(len(content))
    content[at:at] = chance.randbytes(chance.choice((1, 2, 7, 100, 5_000)))


def _swapped(chance: random.Random, content: bytearray) -> None:
    """A piece in another's place."""
    size = chance.choice((2, 8, 64, 512))
    one, other = (chance.randrange(max(len(content) - size, 1)) for _ in range(2))
    content[one : one + size] = content[other : other + size]


def _texts(chance: random.Random, content: bytearray) -> None:
    """Numbers as text that are none, or too large to count with."""
    fields = (b"\x28\0\x52\x10DS", b"\x28\0\x53\x10DS", b"\x20\0\x32\0DS", b"\x28\0\x30\0DS", b"\x20\0\x13\0IS")
    at = content.find(chance.choice((*fields, b"\x20\0\x37\0DS", b"\x18\0\x50\0DS", b"\x28\0\x08\0IS")))
    if at >= 0:
        length = struct.unpack_from("<H", content, at + 6)[0]
        words = (b"nan", b"inf", b"-1e308", b"1e-320", b"1e999999999", b"\\\\\\", b"0", b"-0", b"9" * 40, b"\xff\xfe")
        content[at + 8 : at + 8 + length] = chance.choice(words).ljust(length)[:length]


CHANGES: dict[str, Change] = {
    "any bits": _flip(0.0, 1.0),
    "header bytes": _header_flip,
    "lengths": _length,
    "shape": _shape,
    "pixels": _pixel_flip,
    "codestream": _codestream_head,
    "cut": _cut,
    "cut at its end": _cut_end,
    "other syntax": _syntax,
    "nested": _nested,
    "inserted": _inserted,
    "swapped": _swapped,
    "numbers": _texts,
}


def mutants(count: int, seed: int, others: Sequence[Path] = ()) -> Iterator[Mutant]:
    """So many; a third from other files where there are some, the rest from phantoms, all by the seed."""
    chance = random.Random(seed)
    made = 0
    while made < count:
        if others and chance.random() < 1 / 3:
            files = [chance.choice(others).read_bytes()]
        else:
            files = [file_of(each) for each in sound(made + seed * 1_000_000, chance.choice(SYNTAXES))]
        for content in files[: count - made]:
            yield _mutated(chance, content)
            made += 1


def file_of(dataset: Dataset) -> bytes:
    """A Part 10 file in the transfer syntax that its meta group names."""
    syntax = dataset.file_meta.TransferSyntaxUID
    written = BytesIO()
    dataset.save_as(written, implicit_vr=syntax == IMPLICIT, little_endian=True, enforce_file_format=True)
    return written.getvalue()


def _mutated(chance: random.Random, content: bytes) -> Mutant:
    known = dcmread(BytesIO(content), stop_before_pixels=True, force=True)
    changed = bytearray(content)
    hows = chance.choices(list(CHANGES), k=chance.choice((1, 1, 1, 2, 3)))
    for how in hows:
        if len(changed) > 600:
            CHANGES[how](chance, changed)
    meta = getattr(known, "file_meta", None)
    return Mutant(
        bytes(changed),
        " + ".join(hows),
        str(known.get("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2")),
        str(known.get("SOPInstanceUID", "1.2.3")),
        str(getattr(meta, "TransferSyntaxUID", EXPLICIT)),
    )
