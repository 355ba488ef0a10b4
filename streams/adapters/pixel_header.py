"""What decoding needs of a DICOM file: some header values, and where the pixels lie; untrusted bytes."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from streams.adapters.tag_walk import UNDEFINED, WalkFailed, element_at, walk
from streams.errors import QualityRejected

IMPLICIT = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
UNCOMPRESSED = (IMPLICIT, "1.2.840.10008.1.2.1", DEFLATED, BIG_ENDIAN)
PREAMBLE = 132
WIDEST_BITS = 16
INFLATED_MOST = 512 << 20
"""Bytes that a deflated dataset may have."""

_SYNTAX = 0x00020010
_PIXELS = 0x7FE00010
_NUMBERS = {  # unsigned shorts (US), one and all
    "samples": 0x00280002,
    "rows": 0x00280010,
    "columns": 0x00280011,
    "allocated": 0x00280100,
    "stored": 0x00280101,
    "high": 0x00280102,
    "signed": 0x00280103,
    "padding": 0x00280120,
    "padding_limit": 0x00280121,
}
_TEXTS = {"photometric": 0x00280004, "frames": 0x00280008, "intercept": 0x00281052, "slope": 0x00281053}
_LUT = 0x00283000
_EMPTY = (None, "")
_WANTED = frozenset((*_NUMBERS.values(), *_TEXTS.values(), _LUT))


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelHeader:
    """The Image Pixel and Modality LUT attributes (PS3.3 C.7.6.3, C.11.1) of one single-frame grey image.

    Attributes:
        padding: lowest and highest stored value, as unsigned bits, that stand for "no pixel here".
        pixels: the value of Pixel Data, as far as the file holds it; of a compressed image its fragments.
    """

    syntax: str
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    slope: float
    intercept: float
    padding: tuple[int, int] | None
    pixels: memoryview


@dataclass(frozen=True, slots=True)
class _Values:
    numbers: Mapping[str, int]
    texts: Mapping[str, str]
    lut: bool
    pixels: memoryview


def read_pixel_header(content: bytes, syntax: str) -> PixelHeader:
    """The header of a Part 10 file, or of a bare dataset in that transfer syntax.

    Raises:
        QualityRejected: its sentence begins with the verb; the caller puts the slice's name before it.
    """
    start = 0
    if content[PREAMBLE - 4 : PREAMBLE] == b"DICM":
        told, start = _meta(content)
        syntax = told or syntax
    if syntax == DEFLATED:
        content, start = _inflated(content[start:]), 0
    try:
        values = _walked(content, start, syntax)
    except (WalkFailed, struct.error):
        values = _by_pydicom(content[start:], syntax)
    _sound(values)
    return _header(values, syntax)


def _meta(content: bytes) -> tuple[str, int]:
    """Transfer Syntax UID of the file meta information (PS3.10 7.1), and where the dataset begins."""
    try:
        found = walk(content, PREAMBLE, explicit=True, wanted=(_SYNTAX,), until=0x00030000)
    except (WalkFailed, struct.error) as error:
        raise QualityRejected("has file meta information that cannot be read.") from error
    return _text(found.values.get(_SYNTAX, b"")), found.stopped_at


def _inflated(deflated: bytes) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflater.decompress(deflated, INFLATED_MOST)
    except zlib.error as error:
        raise QualityRejected(f"cannot be inflated: {error}.") from error
    if inflater.unconsumed_tail:
        raise QualityRejected(f"inflates to more than {INFLATED_MOST >> 20} MiB.")
    if not inflater.eof:
        raise QualityRejected("is truncated: its deflated data end too early.")
    return content


def _walked(content: bytes, start: int, syntax: str) -> _Values:
    if syntax == BIG_ENDIAN:
        raise WalkFailed("big endian is retired: left to the slow reader")
    found = walk(content, start, explicit=syntax != IMPLICIT, wanted=_WANTED, until=_PIXELS)
    values, pixels = found.values, memoryview(b"")
    if found.stopped_at < len(content):
        tag, length, data = element_at(content, found.stopped_at, explicit=syntax != IMPLICIT)
        if tag == _PIXELS:
            pixels = memoryview(content)[data:] if length == UNDEFINED else memoryview(content)[data : data + length]
    return _Values(
        {n: struct.unpack_from("<H", values[tag])[0] for n, tag in _NUMBERS.items() if values.get(tag)},
        {n: _text(values[tag]) for n, tag in _TEXTS.items() if tag in values},
        _LUT in values,
        pixels,
    )


def _by_pydicom(dataset: bytes, syntax: str) -> _Values:
    """The slow way, for what the walk does not read."""
    from pydicom.filereader import read_dataset  # noqa: PLC0415  # 0.2 s that most children never need

    little = syntax != BIG_ENDIAN
    try:
        read = read_dataset(io.BytesIO(dataset), syntax == IMPLICIT, little)
        numbers = {
            n: int(read[tag].value) & 0xFFFF
            for n, tag in _NUMBERS.items()
            if read.get_item(tag) and read[tag].value not in _EMPTY
        }
        texts = {
            n: str(read[tag].value) for n, tag in _TEXTS.items() if read.get_item(tag) and read[tag].value not in _EMPTY
        }
        pixels = bytearray(read.get("PixelData") or b"")
    except Exception as error:
        raise QualityRejected(f"has a header that cannot be read ({type(error).__name__}).") from error
    if not little and numbers.get("allocated") == WIDEST_BITS:
        pixels[0::2], pixels[1::2] = pixels[1::2], pixels[0::2]
    return _Values(numbers, texts, _LUT in read, memoryview(pixels))


def _sound(values: _Values) -> None:
    """Refuse what is no single grey frame of whole numbers."""
    numbers = values.numbers
    photometric = values.texts.get("photometric", "MONOCHROME2")
    if not numbers.get("rows") or not numbers.get("columns"):
        raise QualityRejected("has no pixels: Rows or Columns is missing.")
    if numbers.get("samples", 1) != 1 or not photometric.startswith("MONOCHROME"):
        raise QualityRejected(f"is a colour image ({photometric}), not a slice of Hounsfield units.")
    if values.texts.get("frames", "1").strip() not in ("1", "", "0"):
        raise QualityRejected(f"holds {values.texts['frames']} frames; such images are not read yet.")
    allocated, stored = numbers.get("allocated", 0), numbers.get("stored", 0)
    if (
        allocated not in (8, WIDEST_BITS)
        or not 1 <= stored <= allocated
        or numbers.get("high", stored - 1) != stored - 1
    ):
        raise QualityRejected(f"keeps {stored} of {allocated} bits per pixel in a way that is not read.")
    if values.lut:
        raise QualityRejected("gives its values by a Modality LUT, which is not read yet.")
    if not values.pixels:
        raise QualityRejected("has no pixel data.")


def _header(values: _Values, syntax: str) -> PixelHeader:
    numbers = values.numbers
    padding = numbers.get("padding")
    limit = numbers.get("padding_limit", padding)
    # MONOCHROME1 says how to show a value, not what it is (PS3.3 C.7.6.3.1.2): Hounsfield units stay as they are.
    return PixelHeader(
        syntax=syntax,
        rows=numbers["rows"],
        columns=numbers["columns"],
        bits_allocated=numbers["allocated"],
        bits_stored=numbers["stored"],
        signed=numbers.get("signed", 0) == 1,
        slope=_number(values.texts.get("slope", ""), 1.0, "Rescale Slope"),
        intercept=_number(values.texts.get("intercept", ""), 0.0, "Rescale Intercept"),
        padding=None if padding is None or limit is None else (padding, limit),
        pixels=values.pixels,
    )


def _number(text: str, absent: float, name: str) -> float:
    if not text.strip():
        return absent
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number) or (name == "Rescale Slope" and number == 0):
        raise QualityRejected(f"has a {name} of {text[:20]!r}, which is no number to count with.")
    return number


def _text(value: bytes) -> str:
    return value.decode("ascii", "replace").strip(" \0")
