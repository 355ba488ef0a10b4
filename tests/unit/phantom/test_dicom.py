"""Laws of the phantoms' DICOM: what is read back is what was made, and every header is plausible and synthetic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless

from streams.phantom import vendors
from streams.phantom.dicom import Series, Study, capture, ct_slices, localizer, mr_slices, save, uid_of
from streams.phantom.dose import dose_report
from streams.phantom.lattice import Frame

SERIES = Series(2, "HEAD", "STANDARD")
MAKERS = [vendors.GE, vendors.SIEMENS, vendors.PHILIPS, vendors.CANON]


def study(vendor: vendors.Vendor = vendors.GE) -> Study:
    return Study(
        uid=uid_of("test"), patient_name="PHANTOM^TEST", patient_id="PHANTOM-000001", birth_date="19600101", sex="F",
        age="066Y", accession="WR00000001", date="20260302", time="101500", description="CT HEAD W/O CONTRAST",
        body_part="HEAD", vendor=vendor,
    )  # fmt: skip


def picture() -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.clip(rng.normal(30, 400, (3, 64, 64)), -1024, 3000).astype(np.float32)


FRAME = Frame(z=(0.0, 5.0, 10.0), thickness=5.0, pixel=0.5, size=64)


@pytest.mark.parametrize("vendor", MAKERS, ids=lambda vendor: vendor.manufacturer)
def test_every_makers_stored_values_come_back_as_the_same_hounsfield_units(vendor, tmp_path: Path) -> None:
    """HU = stored * slope + intercept (PS3.3 C.11.1.1.2), rounded to whole numbers."""
    hu = picture()
    for ds, plane in zip(ct_slices(study(vendor), SERIES, hu, FRAME), hu, strict=True):
        path = tmp_path / f"{ds.InstanceNumber}.dcm"
        save(ds, path)
        back = dcmread(path)
        seen = back.pixel_array * float(back.RescaleSlope) + float(back.RescaleIntercept)
        assert np.array_equal(seen, np.rint(plane))
        assert back.Manufacturer == vendor.manufacturer
        assert back.ImageType[2] == "AXIAL"


@pytest.mark.parametrize("vendor", [vendors.PHILIPS, vendors.CANON], ids=lambda vendor: vendor.manufacturer)
@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless], ids=lambda syntax: syntax.name)
def test_compression_loses_nothing(vendor, syntax: UID, tmp_path: Path) -> None:
    """Encapsulated JPEG-LS and JPEG 2000 decode to the pixels that went in."""
    imagecodecs = pytest.importorskip("imagecodecs")
    from pydicom.encaps import generate_frames

    plain, packed = (ct_slices(study(vendor), SERIES, picture(), FRAME)[0] for _ in range(2))
    save(plain, tmp_path / "plain.dcm")
    save(packed, tmp_path / "packed.dcm", syntax)
    back = dcmread(tmp_path / "packed.dcm")
    assert back.file_meta.TransferSyntaxUID == syntax
    frame = next(generate_frames(back.PixelData, number_of_frames=1))
    decode = imagecodecs.jpegls_decode if syntax == JPEGLSLossless else imagecodecs.jpeg2k_decode
    assert np.array_equal(decode(frame), dcmread(tmp_path / "plain.dcm").pixel_array)


def test_an_unknown_transfer_syntax_is_refused(tmp_path: Path) -> None:
    """Only the three syntaxes that phantoms come in are written."""
    ds = ct_slices(study(), SERIES, picture(), FRAME)[0]
    with pytest.raises(ValueError, match="RLE"):
        save(ds, tmp_path / "x.dcm", UID("1.2.840.10008.1.2.5"))


def test_a_tilted_series_says_so_in_its_directions_and_keeps_its_stack_along_z() -> None:
    """With a tilt the columns lean, rows and columns stay unit vectors at right angles, x and y of the corner stay."""
    frame = replace(FRAME, tilt=-15.0)
    slices = ct_slices(study(), SERIES, picture(), frame)
    row, column = np.array(slices[0].ImageOrientationPatient, float).reshape(2, 3)
    assert row @ column == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(column) == pytest.approx(1, abs=1e-5)
    assert column[2] == pytest.approx(np.sin(np.radians(15)), abs=1e-5)
    corners = np.array([ds.ImagePositionPatient for ds in slices], float)
    assert np.allclose(np.diff(corners, axis=0), [0, 0, 5])
    assert frame.voxel_ml() == pytest.approx(FRAME.voxel_ml() * np.cos(np.radians(15)))


def test_uids_follow_from_the_words_alone_and_are_valid() -> None:
    """The same words give the same UID, other words another; each fits PS3.5 9.1."""
    assert uid_of("a", 1) == uid_of("a", 1) != uid_of("a", 2)
    assert UID(uid_of("a", 1)).is_valid


def test_only_some_makers_say_how_many_images_the_acquisition_has() -> None:
    """Images in Acquisition (0020,1002) is there for some and absent for others, as in life."""
    says = {vendor.manufacturer: "ImagesInAcquisition" in ct_slices(study(vendor), SERIES, picture(), FRAME)[0]
            for vendor in MAKERS}  # fmt: skip
    assert set(says.values()) == {True, False}


def test_a_scout_is_a_localizer_and_a_dose_report_has_no_pixels(tmp_path: Path) -> None:
    """ImageType value 3 LOCALIZER (PS3.3 C.8.2.1.1.1); the report is an SR that says its dose length product."""
    scout = localizer(study(), Series(1, "Scout", ""), picture(), (5.0, 0.5))
    assert scout.ImageType[2] == "LOCALIZER"
    report = dose_report(study(), Series(999, "Dose", ""), 812.5)
    save(scout, tmp_path / "scout.dcm")
    save(report, tmp_path / "dose.dcm")
    back = dcmread(tmp_path / "dose.dcm")
    assert back.Modality == "SR"
    assert "PixelData" not in back
    total = back.ContentSequence[-1].ContentSequence[-1].MeasuredValueSequence[0]
    assert float(total.NumericValue) == 812.5
    assert dcmread(tmp_path / "scout.dcm").pixel_array.ndim == 2


def test_mr_and_captures_carry_no_hounsfield_units(tmp_path: Path) -> None:
    """No rescale to HU, and their own storage classes."""
    mr = mr_slices(study(), SERIES, picture() + 1024, FRAME)[0]
    shot = capture(study(), SERIES, picture()[0])
    for name, ds in (("mr", mr), ("shot", shot)):
        save(ds, tmp_path / f"{name}.dcm", ExplicitVRLittleEndian)
        back = dcmread(tmp_path / f"{name}.dcm")
        assert "RescaleIntercept" not in back
        assert back.pixel_array.max() > 0
    assert mr.SOPClassUID != shot.SOPClassUID
