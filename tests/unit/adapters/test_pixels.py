"""From bytes to Hounsfield units, and the refusals on the way: every header may lie."""

from __future__ import annotations

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from streams.adapters import pixel_header
from streams.adapters.pixel_frames import check_size, stored_values, to_hounsfield
from streams.adapters.pixel_header import read_pixel_header
from streams.errors import QualityRejected
from tests.support.slices import dicom

NOISE = np.random.default_rng(1).integers(0, 4096, (12, 16), dtype=np.uint16)
UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)


def hounsfield(content: bytes, syntax: str = "") -> np.ndarray:
    header = read_pixel_header(content, syntax)
    out = np.full((header.rows, header.columns), 7, np.int16)
    to_hounsfield(stored_values(header), header, out)
    return out


def refused(content: bytes, syntax: str = "") -> str:
    with pytest.raises(QualityRejected) as fault:
        hounsfield(content, syntax)
    return str(fault.value)


def rle(pixels: np.ndarray) -> bytes:
    planes = [bytes(plane) for plane in (pixels >> 8, pixels & 255)]
    packed = []
    for plane in (np.frombuffer(p, pixels.dtype).astype(np.uint8).tobytes() for p in planes):
        runs = b"".join(bytes([15]) + plane[at : at + 16] for at in range(0, len(plane), 16))
        packed.append(runs + b"\0" * (len(runs) % 2))
    offsets = [64, 64 + len(packed[0])]
    return struct.pack("<16I", 2, *offsets, *[0] * 13) + b"".join(packed)


def compressed(syntax: str, pixels: np.ndarray) -> bytes:
    encoders = {
        JPEGLSLossless: imagecodecs.jpegls_encode,
        JPEG2000Lossless: lambda p: imagecodecs.jpeg2k_encode(p, level=0, codecformat="j2k"),
        JPEGLosslessSV1: imagecodecs.ljpeg_encode,
        HTJ2KLossless: imagecodecs.htj2k_encode,
        RLELossless: rle,
    }
    return encoders[syntax](pixels)


@pytest.mark.parametrize("syntax", UNCOMPRESSED)
def test_uncompressed(syntax: str):
    """Value by value, in each of the three ways to write it."""
    assert np.array_equal(hounsfield(dicom(NOISE, syntax=syntax)), NOISE.astype(np.int16) - 1024)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless, JPEGLosslessSV1, RLELossless])
@pytest.mark.parametrize("bits", [12, 16])
def test_compressed_without_loss(syntax: str, bits: int):
    """Each lossless codec gives the very values back."""
    pixels = NOISE << (bits - 12) if syntax == RLELossless else NOISE
    content = dicom(pixels, syntax=syntax, frame=compressed(syntax, pixels), BitsStored=bits)
    assert np.array_equal(hounsfield(content), np.minimum(pixels.astype(int) - 1024, 32767))


def test_a_codestream_of_signed_values():
    """JPEG-LS has no sign: the header's Pixel Representation gives it back."""
    pixels = NOISE.astype(np.int16) - 2000
    frame = imagecodecs.jpegls_encode(pixels.view(np.uint16))
    content = dicom(pixels, syntax=JPEGLSLossless, frame=frame, RescaleIntercept="0")
    assert np.array_equal(hounsfield(content), pixels)


def test_big_endian_is_read_by_pydicom():
    """Retired, and still in archives."""
    content = dicom(NOISE, syntax=ExplicitVRBigEndian, PixelData=NOISE.astype(">u2").tobytes())
    assert np.array_equal(hounsfield(content), NOISE.astype(np.int16) - 1024)


def test_a_bare_dataset_is_read_in_the_syntax_that_it_came_in():
    """Without preamble and meta information, as an association delivers it."""
    content = dicom(NOISE, syntax=ImplicitVRLittleEndian)
    meta_length = struct.unpack_from("<I", content, 140)[0]
    bare = content[144 + meta_length :]
    assert np.array_equal(hounsfield(bare, ImplicitVRLittleEndian), NOISE.astype(np.int16) - 1024)


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", UNCOMPRESSED[:2])
def test_sequences_are_walked_past(syntax: str, undefined: bool):
    """Nested sequences, of defined and undefined length, may hold pixel data of their own: an icon is no slice."""
    inner = Dataset()
    inner.Rows, inner.Columns, inner.PixelData = 1, 1, b"\1\1"
    inner["PixelData"].VR = "OW"
    inner.is_undefined_length_sequence_item = undefined
    middle = Dataset()
    middle.IconImageSequence = Sequence([inner])
    middle["IconImageSequence"].is_undefined_length = undefined
    content = dicom(
        NOISE, syntax=syntax, ReferencedImageSequence=Sequence([middle, middle]), IconImageSequence=Sequence([inner])
    )
    assert np.array_equal(hounsfield(content), NOISE.astype(np.int16) - 1024)


@given(
    st.sampled_from([np.int16, np.uint16, np.uint8, np.int8]),
    st.integers(1, 16),
    st.sampled_from([1.0, 2.0, 0.5, -1.0]),
    st.integers(-40000, 40000),
    st.integers(0, 2**32 - 1),
)
def test_sign_unused_bits_rescale_and_clipping(kind, bits, slope, intercept, seed):
    """HU = stored x slope + intercept, of the stored bits alone, clipped to 16 bits and never wrapped."""
    width = np.dtype(kind).itemsize * 8
    bits = min(bits, width)
    raw = np.random.default_rng(seed).integers(0, 2**width, (4, 4), dtype=f"u{width // 8}")
    stored = raw.astype(int) & (2**bits - 1)
    if np.dtype(kind).kind == "i":
        stored = np.where(stored >= 2 ** (bits - 1), stored - 2**bits, stored)
    content = dicom(raw.view(kind), BitsStored=bits, RescaleSlope=str(slope), RescaleIntercept=str(intercept))
    expected = np.clip(np.rint(stored * slope + intercept), -32768, 32767)
    assert np.array_equal(hounsfield(content), expected)


def test_padding_is_air():
    """What lies outside of the scanner's circle is air, also where padding is a range or is written unsigned."""
    pixels = np.array([[-2000, 0], [40, -1999]], np.int16)
    assert hounsfield(dicom(pixels, PixelPaddingValue=-2000)).tolist() == [[-1000, -1024], [-984, -3023]]
    ranged = dicom(pixels, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1990)
    assert hounsfield(ranged).tolist() == [[-1000, -1024], [-984, -1000]]
    unsigned = dicom(pixels, PixelPaddingValue=-2000).replace(b"\x28\x00\x20\x01SS", b"\x28\x00\x20\x01US")
    assert hounsfield(unsigned)[0, 0] == -1000


def test_monochrome1_and_absent_rescale():
    """How a value is shown does not change what it is; without rescale the stored value stands."""
    content = dicom(NOISE, PhotometricInterpretation="MONOCHROME1", RescaleIntercept=None, RescaleSlope=None)
    assert np.array_equal(hounsfield(content), NOISE)


@pytest.mark.parametrize(
    ("elements", "told"),
    [
        ({"PixelData": NOISE.tobytes()[:200]}, "is truncated: it holds 200 of 384 bytes of pixel data."),
        ({"PixelData": NOISE.tobytes() * 2}, "holds 768 bytes of pixel data, but 12 x 16 pixels are 384."),
        ({"Rows": 32768, "Columns": 32767}, "is truncated: it holds 384 of 2147418112 bytes of pixel data."),
        ({"PixelData": None}, "has no pixel data."),
        ({"Rows": None}, "has no pixels: Rows or Columns is missing."),
        ({"Columns": 0}, "has no pixels: Rows or Columns is missing."),
        ({"NumberOfFrames": "2"}, "holds 2 frames; such images are not read yet."),
        (
            {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
            "is a colour image (RGB), not a slice of Hounsfield units.",
        ),
        (
            {"PhotometricInterpretation": "PALETTE COLOR"},
            "is a colour image (PALETTE COLOR), not a slice of Hounsfield units.",
        ),
        (
            {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31},
            "keeps 32 of 32 bits per pixel in a way that is not read.",
        ),
        ({"BitsAllocated": 12, "BitsStored": 12}, "keeps 12 of 12 bits per pixel in a way that is not read."),
        ({"BitsStored": 12, "HighBit": 15}, "keeps 12 of 16 bits per pixel in a way that is not read."),
        ({"BitsStored": 17, "HighBit": 16}, "keeps 17 of 16 bits per pixel in a way that is not read."),
        ({"RescaleSlope": "0"}, "has a Rescale Slope of '0', which is no number to count with."),
        ({"ModalityLUTSequence": Sequence([Dataset()])}, "gives its values by a Modality LUT, which is not read yet."),
    ],
)
def test_what_no_slice_of_hounsfield_units_is(elements: dict[str, object], told: str):
    """Each lie and each kind of image that is not read has its sentence; nothing is filled with zeros."""
    assert refused(dicom(NOISE, **elements)) == told


@pytest.mark.parametrize("slope", [b"nan ", b"inf ", b"abc "])
def test_a_slope_that_is_no_number(slope: bytes):
    """NaN would make every pixel NaN."""
    content = dicom(NOISE, RescaleSlope="1.23").replace(b"1.23", slope)
    assert "which is no number to count with" in refused(content)


def test_a_truncated_file():
    """The end of the file comes before the end of the pixels."""
    content = dicom(NOISE)
    assert refused(content[:-100]) == "is truncated: it holds 284 of 384 bytes of pixel data."


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1])
def test_a_truncated_codestream(syntax: str):
    """A decoder that fills the rest with zeros would hide a bleed: the stream must have its end."""
    frame = compressed(syntax, NOISE)
    content = dicom(NOISE, syntax=syntax, frame=frame)
    assert "is truncated: it holds" in refused(content[:-60])
    cut = dicom(NOISE, syntax=syntax, frame=frame[: len(frame) // 2])
    assert "have no end" in refused(cut)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1])
def test_a_codestream_of_another_size(syntax: str):
    """The codestream's own size is read before a decoder allocates for it."""
    content = dicom(NOISE, syntax=syntax, frame=compressed(syntax, NOISE[:8]))
    assert "of 8 x 16 pixels, but its header says 12 x 16." in refused(content)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1, RLELossless, HTJ2KLossless])
def test_garbage_for_a_codestream(syntax: str):
    """What is none of its kind is refused by its name."""
    told = refused(dicom(NOISE, syntax=syntax, frame=b"garbage " * 20))
    assert "cannot be decoded as" in told or "RLE segments" in told


def test_rle_that_ends_early():
    """Too few bytes are truncation, not zeros."""
    frame = rle(NOISE[:6])
    assert "unpacks to" in refused(dicom(NOISE, syntax=RLELossless, frame=frame))


def test_unknown_transfer_syntax():
    """MPEG is no slice; a private syntax cannot be read."""
    content = dicom(NOISE, syntax="1.2.840.10008.1.2.4.100", frame=b"\0\0")
    assert refused(content) == "is in a transfer syntax that is not read (1.2.840.10008.1.2.4.100)."


def test_fragments_that_are_none():
    """Compressed pixel data begin with items."""
    content = dicom(NOISE, syntax=JPEGLSLossless, frame=b"\0" * 8)
    at = content.rfind(b"\xfe\xff\x00\xe0")
    spoilt = content[:at] + b"\1\2\3\4" + content[at + 4 :]
    assert refused(spoilt) == "has compressed pixel data that are not built as fragments."


def test_deflated_data_that_grow_without_end(monkeypatch: pytest.MonkeyPatch):
    """A bomb is given up at a limit, and a cut stream is truncated."""
    content = dicom(NOISE, syntax=DeflatedExplicitVRLittleEndian)
    monkeypatch.setattr(pixel_header, "INFLATED_MOST", 100)
    assert refused(content) == "inflates to more than 0 MiB."
    monkeypatch.undo()
    assert refused(content[:-50]) == "is truncated: its deflated data end too early."
    meta_length = struct.unpack_from("<I", content, 140)[0]
    assert "cannot be inflated" in refused(content[: 144 + meta_length] + zlib.compress(b"with a header")[:20])


@given(st.binary(max_size=400), st.booleans())
def test_random_bytes_end_in_a_sentence(garbage: bytes, part10: bool):
    """Whatever the bytes, the reader ends in a refusal of its own, not in an exception of Python's."""
    content = bytes(128) + b"DICM" + garbage if part10 else garbage
    with pytest.raises(QualityRejected):
        hounsfield(content, ExplicitVRLittleEndian)


@given(st.data())
def test_spoilt_headers_end_in_a_sentence_or_in_pixels(data: st.DataObject):
    """Flip bytes of a good header: it is read, or refused in words."""
    content = bytearray(dicom(NOISE))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(132, len(content) - 385))] = data.draw(st.integers(0, 255))
    try:
        out = hounsfield(bytes(content))
    except QualityRejected:
        return
    assert out.dtype == np.int16


def test_a_slice_unlike_the_others():
    """A series has one size."""
    header = read_pixel_header(dicom(NOISE), "")
    check_size(header, (12, 16))
    with pytest.raises(QualityRejected, match="has 12 x 16 pixels, unlike the others"):
        check_size(header, (16, 12))
