"""Headers: facts for stages, faults in a sentence, and nothing that names a patient."""

from __future__ import annotations

import random
import struct
import zlib
from datetime import date

import orjson
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
)

from streams.doors.elements import READS_MOST
from streams.doors.header import read_header, read_stored
from streams.doors.pseudonym import Pseudonyms
from streams.errors import NotDicom
from tests.support.doors import NAMES, SERIES, STUDY, dataset, part10, slice_file

PLANTED = ("Doe", "Jane", "P-17", "A-1", "19500601", "Muster", "Erika")


def fault_of(content: bytes) -> str | None:
    return read_header(content, NAMES).instance.fault


def replaced(content: bytes, old: bytes, new: bytes) -> bytes:
    assert content.count(old) == 1
    return content.replace(old, new)


def test_the_facts_of_a_whole_slice():
    """Each fact stands where its element says; there is no fault."""
    header = read_header(slice_file(3, ConvolutionKernel="H30s", ImageType=["ORIGINAL", "PRIMARY", "AXIAL"]), NAMES)
    assert header.study.study == STUDY
    assert (header.study.age_years, header.study.sex) == (75, "F")
    assert header.study.examined_on == date(2026, 5, 31)
    assert header.series.series == SERIES
    assert header.series.pixel_spacing_mm == (0.5, 0.4)
    assert header.series.kernel == "H30s"
    found = header.instance
    assert (found.number, found.position_mm, found.thickness_mm) == (3, (0, 0, 15), 5)
    assert (found.rows, found.columns, found.frames) == (16, 16, 1)
    assert not found.localizer
    assert not found.derived
    assert found.fault is None


@pytest.mark.parametrize(("said", "lossy"), [("01", True), ("00", False), (None, None)])
def test_loss_and_burnt_in_text_are_facts(said, lossy):
    """Lossy Image Compression (0028,2110) and Burned In Annotation (0028,0301), as far as they are told."""
    elements = {} if said is None else {"LossyImageCompression": said, "BurnedInAnnotation": "YES"}
    found = read_header(slice_file(0, **elements), NAMES).instance
    assert (found.lossy, found.burnt_in) == (lossy, said is not None)


def test_the_day_of_acquisition_comes_before_that_of_the_study():
    """A study may last past midnight, or be registered on another day; the images know when they were taken."""
    header = read_header(slice_file(0, AcquisitionDate="20260601"), NAMES)
    assert header.study.examined_on == date(2026, 6, 1)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_every_encoding_gives_the_same_facts(syntax):
    """Implicit, big endian and deflated datasets are read like explicit little endian ones."""
    made = dataset(2)
    plain = read_header(slice_file(2), NAMES)
    if syntax == DeflatedExplicitVRLittleEndian:
        content = slice_file(2)
        start = content.index(b"\x08\0\x16\0UI")
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        packed = packer.compress(content[start:]) + packer.flush()
        meta = part10(dataset(2), syntax)
        content = meta[: meta.index(b"1.2.840.10008.1.2.1.99") + 22] + packed
    else:
        made.save_as  # noqa: B018
        content = part10(made, syntax)
    other = read_header(content, NAMES)
    assert other.study == plain.study
    assert other.series == plain.series
    assert other.instance.position_mm == plain.instance.position_mm
    assert other.instance.rows == 16
    assert other.instance.fault is None


def test_no_name_passes():
    """Names, ids and dates planted in every free text reach no fact."""
    header = read_header(
        slice_file(
            StudyDescription="CT Head Muster, Erika *19500601",
            SeriesDescription="Axial P-17 Doe^Jane 5.0 H30s",
            ProtocolName="Erika Brain",
            BodyPartExamined="HEAD DOE",
            ConvolutionKernel="Doe",
            ViewPosition="erika-muster",
            PatientSex="O",
            Manufacturer="Doe^Jane",
            ManufacturerModelName="P-17 19500601",
            ContrastBolusAgent="Erika",
            PhotometricInterpretation="DOE",
            ImageType=["ORIGINAL", "MUSTER"],
        ),
        NAMES,
    )
    said = orjson.dumps([header.study, header.series, header.instance]).decode().lower()
    assert [word for word in PLANTED if word.lower() in said] == []
    assert header.study.description == "CT HEAD"
    assert header.series.description == "AXIAL BRAIN"
    assert header.series.body_part == "HEAD"


def test_patients_are_joined_by_id_and_issuer_only():
    """The same id joins; another issuer, another key, or no id at all does not."""
    patient = read_header(slice_file(), NAMES).study.patient
    assert read_header(slice_file(2, PatientName="Other^Name"), NAMES).study.patient == patient
    assert read_header(slice_file(IssuerOfPatientID="elsewhere"), NAMES).study.patient != patient
    assert read_header(slice_file(), Pseudonyms(b"x" * 32)).study.patient != patient
    nobody = [slice_file(PatientID="", StudyInstanceUID=study) for study in ("1.2.3", "1.2.4")]
    assert len({read_header(content, NAMES).study.patient for content in nobody}) == 2


def test_ids_that_differ_in_one_letter_outside_ascii_are_two_patients():
    """Characters that no decoder knows are never all read as the same one."""
    first, second = (replaced(slice_file(PatientID="P-XX"), b"P-XX", b"P-X" + letter) for letter in (b"\xe4", b"\xf6"))
    assert read_header(first, NAMES).study.patient != read_header(second, NAMES).study.patient


def test_an_id_is_the_same_in_each_character_set():
    """Specific Character Set is obeyed: latin-1 and UTF-8 spell one patient."""
    patients = {
        read_header(slice_file(SpecificCharacterSet=charset, PatientID="Müller-1"), NAMES).study.patient
        for charset in ("ISO_IR 100", "ISO_IR 192")
    }
    assert len(patients) == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"%PDF-1.4" + bytes(400), "DICM"),
        (slice_file(StudyInstanceUID=None), "no Study Instance UID"),
        (slice_file(SeriesInstanceUID=None), "no Series Instance UID"),
        (slice_file(StudyInstanceUID="1.02.3"), "is no UID"),
        (slice_file(StudyInstanceUID="../../x"), "is no UID"),
        (bytes(128) + b"DICM" + b"\x02\0\x01\0OB\0\0\xff\xff\xff\x7f", "meta group"),
    ],
)
def test_what_is_no_dicom_says_why(content, why):
    """Each ends in NotDicom with its reason."""
    with pytest.raises(NotDicom, match=why):
        read_header(content, NAMES)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (slice_file()[:-256], "truncated: 256 of 512 bytes"),
        (slice_file(pixels=bytes(100)), "truncated: 100 of 512 bytes"),
        (slice_file(Rows=65535, Columns=65535), "over 2000000000"),
        (slice_file(Rows=0), "no image has 0 rows"),
        (slice_file(BitsAllocated=17), "17 bits"),
        (slice_file(ImageOrientationPatient=[0, 0, 0, 0, 0, 0]), "two unit vectors"),
        (slice_file(PixelSpacing=[0, 1]), "not positive"),
        (replaced(slice_file(ImagePositionPatient=[111, 2, 3]), b"111", b"nan"), "3 finite numbers"),
        (replaced(slice_file(SliceThickness="7.77"), b"7.77", b"inf "), "Slice Thickness"),
        (part10(dataset(), "1.2.840.113619.5.2"), "unknown transfer syntax"),
        (part10(dataset(), JPEGLosslessSV1), "not in fragments"),
    ],
)
def test_what_a_header_shows_to_be_wrong_is_said(content, why):
    """The study hears of the instance, with its fault in a sentence."""
    assert why in (fault_of(content) or "")


def test_no_pixels_where_the_class_has_them():
    """A CT without pixels is faulty; a dose report without pixels is not."""
    made = dataset()
    del made.PixelData
    assert "no pixels" in (fault_of(part10(made)) or "")
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.67"
    assert fault_of(part10(made)) is None


def test_compressed_pixels_must_be_there_to_their_delimiter():
    """Fragments are stepped over: a cut stream and too few fragments are told apart from a whole one."""
    whole = dataset(pixels=encapsulate([b"\xff\xd8 a frame\xff\xd9"]))
    whole["PixelData"].is_undefined_length = True
    content = part10(whole, JPEGLosslessSV1)
    assert fault_of(content) is None
    assert "without their delimiter" in (fault_of(content[:-8]) or "")
    whole.NumberOfFrames = 3
    assert "1 fragments for 3 frames" in (fault_of(part10(whole, JPEGLosslessSV1)) or "")


def test_half_chroma_is_not_taken_for_truncated():
    """YBR_FULL_422 holds two bytes a pixel (PS3.3 C.7.6.3.1.2)."""
    content = slice_file(
        SamplesPerPixel=3, BitsAllocated=8, BitsStored=8, HighBit=7, PhotometricInterpretation="YBR_FULL_422"
    )
    assert fault_of(content) is None


def test_a_2_gb_claim_in_a_small_file_is_a_fault_of_its_study():
    """A private element that claims 2 GB: nothing is reserved, the study is named, the lie is told."""
    content = slice_file()
    at = content.index(b"\x28\0\x02\0US")
    lie = struct.pack("<HH2sHL", 0x0021, 0x1001, b"UN", 0, 0x7FFFFFF0)
    fault = fault_of(content[:at] + lie + content[at:])
    assert fault is not None
    assert "(0021,1001) claims 2147483632 bytes" in fault


@pytest.mark.parametrize(
    ("claimed", "there_mb", "fault"),
    [
        (128_000_000, 100, "its deflated pixels claim 128000000 bytes: at most"),
        (20_000_000, 100, None),
        (17_000_000, 15, "truncated: 15000000 of 17000000 bytes"),
    ],
)
def test_a_deflate_bomb_is_inflated_no_further_than_needed(claimed, there_mb, fault):
    """Zeros behind a header, a thousandth of their size: counted up to what is claimed; not past 100 times."""
    made = part10(dataset(pixels=b"ab"), "1.2.840.10008.1.2.1.99")
    start = made.index(b"1.2.840.10008.1.2.1.99") + 22
    plain = slice_file(Rows=claimed // 2_000, Columns=1_000)
    body = plain[plain.index(b"\x08\0\x16\0UI") : plain.index(b"\xe0\x7f\x10\0OW")]
    body += struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, claimed)
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    zeros = bytes(1_000_000)
    packed = packer.compress(body) + b"".join(packer.compress(zeros) for _ in range(there_mb)) + packer.flush()
    found = fault_of(made[:start] + packed)
    assert found == fault if fault is None else (found or "").startswith(fault)


def test_nested_sequences_end_in_a_fault_not_in_a_crash():
    """1,000 sequences in one another: the header cannot be read to its end, the study still hears of it."""
    content = slice_file()
    at = content.index(b"\x28\0\x02\0US")
    opening = struct.pack("<HH2sHLHHL", 0x0021, 0x1001, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    fault = fault_of(content[:at] + opening * 1000 + content[at:])
    assert "cannot be read to the end" in (fault or "")


def test_too_many_elements_end_in_a_fault():
    """A header of a million elements is given up after a bounded number of reads."""
    content = slice_file()
    at = content.index(b"\x28\0\x02\0US")
    many = struct.pack("<HH2sH", 0x0021, 0x1001, b"LO", 0) * READS_MOST
    assert "cannot be read to the end" in (fault_of(content[:at] + many + content[at:]) or "")


def test_a_dicomdir_is_named_as_one():
    """It lists files, and is no image."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.1.3.10", "1.2.3"
    with pytest.raises(NotDicom, match="DICOMDIR"):
        read_header(part10(made), NAMES)


def test_without_a_name_of_its_own_an_instance_is_named_by_its_bytes():
    """No SOP Instance UID: the study hears of it, with the fault."""
    made = dataset(SOPInstanceUID=None)
    content = part10(made).replace(b"\x02\0\x03\0UI\x06\x001.2.3\0", b"\x02\0\x03\0UI\x00\x00")
    found = read_header(content, NAMES).instance
    assert found.instance.startswith("2.25.")
    assert found.fault == "no SOP Instance UID (0008,0018)"


def test_a_stored_object_gives_the_facts_of_its_bytes(tmp_path):
    """Reading by path and from memory agree."""
    content = slice_file(5)
    (tmp_path / "x").write_bytes(content)
    in_memory = read_header(content, NAMES)
    assert read_stored(tmp_path / "x", in_memory.instance.digest, NAMES) == in_memory


@pytest.mark.parametrize("seed", range(4))
def test_spoilt_bytes_give_facts_or_a_reason(seed):
    """300 mutants a seed: flipped, cut, lengths tampered; never another exception."""
    chance = random.Random(seed)
    whole = slice_file(2, StudyDescription="CT HEAD")
    for _ in range(300):
        mutant = bytearray(whole[: chance.choice([len(whole), chance.randrange(len(whole))])])
        for _ in range(chance.randrange(1, 12)):
            if mutant:
                mutant[chance.randrange(len(mutant))] = chance.choice([0, 1, 0x7F, 0xFF, chance.randrange(256)])
        try:
            orjson.dumps(read_header(bytes(mutant), NAMES).instance)
        except NotDicom as error:
            assert str(error)  # noqa: PT017
