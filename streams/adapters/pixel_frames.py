"""From Pixel Data to Hounsfield units: one grey frame, compressed or not, checked before it is believed."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from streams.adapters.pixel_header import UNCOMPRESSED, PixelHeader
from streams.errors import QualityRejected

AIR_HU = -1000
LOWEST, HIGHEST = -32768, 32767

_ITEM, _SEQUENCE_END = 0xE000FFFE, 0xE0DDFFFE
"""Item and Sequence Delimitation Item, as a little-endian word reads them."""
_RLE_HEADER = 64
_WIDEST = 2
"""Bytes of a stored value."""
_MARKER = 0xFF
_FRAME_STARTS = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
"""Start of frame of the JPEG processes, and of JPEG-LS (SOF55)."""
_SIZ_LENGTH = 42

Stored = NDArray[Any]
"""Unsigned whole numbers of 8 or 16 bits."""


@dataclass(frozen=True, slots=True)
class Codec:
    """A compression: its name for people, its decoders in the order in which they are tried."""

    name: str
    decoders: tuple[str, ...]


_JPEG = Codec("JPEG", ("jpeg8_decode",))
_LOSSLESS = Codec("JPEG Lossless", ("ljpeg_decode", "jpegsof3_decode"))
_JPEG_LS = Codec("JPEG-LS", ("jpegls_decode",))
_JPEG_2000 = Codec("JPEG 2000", ("jpeg2k_decode",))
_HTJ2K = Codec("HTJ2K", ("htj2k_decode", "jpeg2k_decode"))
_RLE = Codec("RLE", ())
CODECS: dict[str, Codec] = {
    "1.2.840.10008.1.2.4.50": _JPEG,
    "1.2.840.10008.1.2.4.51": _JPEG,
    "1.2.840.10008.1.2.4.57": _LOSSLESS,
    "1.2.840.10008.1.2.4.70": _LOSSLESS,
    "1.2.840.10008.1.2.4.80": _JPEG_LS,
    "1.2.840.10008.1.2.4.81": _JPEG_LS,
    "1.2.840.10008.1.2.4.90": _JPEG_2000,
    "1.2.840.10008.1.2.4.91": _JPEG_2000,
    "1.2.840.10008.1.2.4.201": _HTJ2K,
    "1.2.840.10008.1.2.4.202": _HTJ2K,
    "1.2.840.10008.1.2.4.203": _HTJ2K,
    "1.2.840.10008.1.2.5": _RLE,
}
"""By Transfer Syntax UID (PS3.5 A.4)."""


def stored_values(header: PixelHeader) -> Stored:
    """The stored pixels [rows, columns] as unsigned bits, unused high bits as they come.

    Raises:
        QualityRejected: its sentence begins with the verb; the caller puts the slice's name before it.
    """
    if header.syntax in UNCOMPRESSED:
        return _raw(header.pixels, header)
    codec = CODECS.get(header.syntax)
    if codec is None:
        raise QualityRejected(f"is in a transfer syntax that is not read ({header.syntax[:64] or 'none told'}).")
    frame = _frame(header.pixels)
    if codec is _RLE:
        return _raw(memoryview(_unpacked(frame, header)), header)
    _check_codestream(frame, codec, header)
    return _decoded(frame, codec, header)


def check_size(header: PixelHeader, shape: tuple[int, ...]) -> None:
    """Refuse an image that does not have the size of its series."""
    if (header.rows, header.columns) != shape:
        raise QualityRejected(f"has {header.rows} x {header.columns} pixels, unlike the others.")


def to_hounsfield(stored: Stored, header: PixelHeader, out: NDArray[np.int16]) -> None:
    """Write the stored values as Hounsfield units: sign, rescale (PS3.3 C.11.1.1.2), padding as air, clipped."""
    bits = header.bits_stored
    padded = None
    if header.padding is not None:
        low, high = sorted(value & ((1 << bits) - 1) for value in header.padding)
        values = stored & stored.dtype.type((1 << bits) - 1)
        padded = (values >= low) & (values <= high)
    spare = 16 - bits
    if not spare:
        out.view(np.uint16)[...] = stored
    elif header.signed:
        np.left_shift(stored, spare, out=out.view(np.uint16), casting="unsafe", dtype=np.uint16)
        np.right_shift(out, spare, out=out)
    else:
        np.bitwise_and(stored, np.uint16((1 << bits) - 1), out=out.view(np.uint16))
    _rescale(out if header.signed else out.view(np.uint16), header, out)
    if padded is not None:
        out[padded] = AIR_HU


def _rescale(values: NDArray[Any], header: PixelHeader, out: NDArray[np.int16]) -> None:
    lowest, highest = int(values.min()), int(values.max())
    shift = int(header.intercept)
    simple = header.slope == 1 and shift == header.intercept
    if simple and lowest + shift >= LOWEST and highest + shift <= HIGHEST and LOWEST <= shift <= HIGHEST:
        np.add(out, np.int16(shift), out=out)  # two's complement: right for unsigned values too
        return
    scaled = values.astype(np.float64) * header.slope + header.intercept
    out[...] = np.clip(np.rint(scaled), LOWEST, HIGHEST).astype(np.int16)


def _raw(pixels: memoryview, header: PixelHeader) -> Stored:
    width = header.bits_allocated // 8
    expected = header.rows * header.columns * width
    held = len(pixels)
    if held < expected:
        raise QualityRejected(f"is truncated: it holds {held} of {expected} bytes of pixel data.")
    if held > expected + expected % 2:
        told = f"{header.rows} x {header.columns} pixels are {expected}"
        raise QualityRejected(f"holds {held} bytes of pixel data, but {told}.")
    return np.frombuffer(pixels[:expected], dtype=f"<u{width}").reshape(header.rows, header.columns)


def _frame(pixels: memoryview) -> bytes:
    """The one frame's codestream: all fragments behind the offset table, joined (PS3.5 A.4)."""
    fragments: list[memoryview] = []
    at, end = 0, len(pixels)
    while at + 8 <= end:
        tag, length = struct.unpack_from("<II", pixels, at)
        if tag == _SEQUENCE_END:
            break
        if tag != _ITEM:
            raise QualityRejected("has compressed pixel data that are not built as fragments.")
        if at + 8 + length > end:
            raise QualityRejected(f"is truncated: it holds {end - at - 8} of {length} bytes of pixel data.")
        fragments.append(pixels[at + 8 : at + 8 + length])
        at += 8 + length
    frame = b"".join(fragments[1:])
    if not frame:
        raise QualityRejected("is truncated: it has no compressed pixel data.")
    return frame


def _unpacked(frame: bytes, header: PixelHeader) -> bytes:
    """RLE (PS3.5 annex G): the planes of bytes are put back in little-endian order."""
    width = header.bits_allocated // 8
    expected = header.rows * header.columns * width
    segments = struct.unpack_from("<I", frame)[0] if len(frame) >= _RLE_HEADER else 0
    if segments != width:
        raise QualityRejected(f"has {segments} RLE segments where {width} are needed.")
    try:
        content = bytes(imagecodecs.dicomrle_decode(frame, f"<u{width}"))
    except Exception as error:
        raise QualityRejected(f"cannot be decoded as RLE: {error}.") from error
    if len(content) < expected:
        raise QualityRejected(f"is truncated: it unpacks to {len(content)} of {expected} bytes of pixel data.")
    return content[: expected + expected % 2]


def _decoded(frame: bytes, codec: Codec, header: PixelHeader) -> Stored:
    faults = []
    for name in codec.decoders:
        try:
            image = np.asarray(getattr(imagecodecs, name)(frame))
        except Exception as error:  # noqa: BLE001  # each codec has its own; the next one is tried
            faults.append(str(error).strip() or type(error).__name__)
            continue
        if (
            image.shape != (header.rows, header.columns)
            or image.dtype.itemsize > _WIDEST
            or image.dtype.kind not in "iu"
        ):
            raise QualityRejected(f"decodes to {image.dtype} {image.shape}, unlike its header.")
        wide = image.astype(np.int16) if image.dtype == np.int8 else image
        return wide.view(wide.dtype.str.replace("i", "u"))
    raise QualityRejected(f"cannot be decoded as {codec.name}: {faults[0][:200]}.")


def _check_codestream(frame: bytes, codec: Codec, header: PixelHeader) -> None:
    """What the codestream itself says must agree with the header before anything is allocated for it."""
    size = _size_2000(frame) if codec in (_JPEG_2000, _HTJ2K) else _size_jpeg(frame)
    if size is None:
        raise QualityRejected(f"cannot be decoded as {codec.name}: it does not begin as one.")
    rows, columns, components = size
    if (rows, columns) != (header.rows, header.columns):
        told = f"its header says {header.rows} x {header.columns}"
        raise QualityRejected(f"is {codec.name} of {rows} x {columns} pixels, but {told}.")
    if components != 1:
        raise QualityRejected(f"is {codec.name} of {components} colours, not of grey.")
    if b"\xff\xd9" not in frame[-16:]:
        raise QualityRejected(f"is truncated: its {codec.name} data ({len(frame)} bytes) have no end.")


def _size_2000(frame: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and components by the SIZ marker (ISO/IEC 15444-1 A.5.1)."""
    at = frame.find(b"\xff\x4f\xff\x51")  # some files wrap the codestream in JP2 boxes
    if at < 0 or at + _SIZ_LENGTH > len(frame):
        return None
    right, bottom, left, top = struct.unpack_from(">IIII", frame, at + 8)
    return bottom - top, right - left, struct.unpack_from(">H", frame, at + 40)[0]


def _size_jpeg(frame: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and components by the start of frame (ISO/IEC 10918-1 B.2.2; JPEG-LS: SOF55)."""
    at = 2
    if frame[:2] != b"\xff\xd8":
        return None
    while at + 10 <= len(frame) and frame[at] == _MARKER:
        marker = frame[at + 1]
        if marker in _FRAME_STARTS:
            rows, columns, components = struct.unpack_from(">HHB", frame, at + 5)
            return rows, columns, components
        at += 1 if marker == _MARKER else 2 + struct.unpack_from(">H", frame, at + 2)[0]
    return None
