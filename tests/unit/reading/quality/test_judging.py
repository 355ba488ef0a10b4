"""Every fault that policy names is told of a series that has it, and not of the same series without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streams.errors import QualityRejected
from streams.events.quality import QUALITY_CODES
from streams.reading.quality.judging import Told, judge
from tests.support.faulty_series import (
    FAULTS,
    HEAD,
    IGNORED,
    JPEG,
    POLICY,
    Asked,
    a_chest,
    a_head,
    codes,
    judged,
    pixels,
    thick,
)
from tests.support.painted import HEAD_MM, head, volume


@pytest.mark.parametrize("asked", [a_head, a_chest])
def test_a_sound_series_has_no_fault(asked: Callable[[], Asked]):
    """Nothing is told of it, it is read, and what it shows is known."""
    quality = asked().judged()
    assert quality.faults == ()
    assert quality.notes == ()
    quality.demand()
    assert quality.part == asked().needs.body_part
    assert len(quality.measured) > 15


def test_every_fault_is_tried():
    """A code that policy decides about can happen."""
    assert set(FAULTS) == set(QUALITY_CODES)


@pytest.mark.parametrize("code", sorted(set(FAULTS) - IGNORED))
def test_a_fault_is_told(code: str):
    """Under its code, with the severity of policy, the unit, and a whole sentence."""
    found = {fault.code: fault for fault in judged(code).faults}
    assert code in found
    fault = found[code]
    assert fault.severity == POLICY.severity[code]
    assert fault.unit == QUALITY_CODES[code]
    assert fault.sentence[0].isupper()
    assert fault.sentence.endswith(".")
    assert "{" not in fault.sentence
    assert (fault.value is None) == (fault.threshold is None)


@pytest.mark.parametrize("code", sorted(set(FAULTS) - {"body-part", "scale", "wrapped"}))
def test_what_can_be_read_is_not_rejected(code: str):
    """Only what makes an answer meaningless takes the answer away: a rejected study raises no alert."""
    judged(code).demand()


@pytest.mark.parametrize("code", ["body-part", "scale", "wrapped"])
def test_what_makes_no_sense_is_rejected(code: str):
    """With the sentence for the technologist as its reason."""
    quality = judged(code)
    with pytest.raises(QualityRejected, match=r"\.$"):
        quality.demand()
    assert quality.faults[0].severity == "reject"


@pytest.mark.parametrize("code", sorted(IGNORED))
def test_what_policy_ignores_is_measured_only(code: str):
    """Nobody is told; what has a unit stands among the measurements."""
    quality = judged(code)
    assert code not in codes(quality)
    if QUALITY_CODES[code]:
        (measured,) = [m for m in quality.measured if m.code == code]
        assert measured.value >= POLICY.threshold[code]


def test_policy_decides():
    """Another threshold makes another fault of the same measurement, another severity another outcome."""
    tilted = a_head(volume=replace(volume(head()), tilt_deg=12.0))
    strict = replace(
        POLICY, threshold={**POLICY.threshold, "tilted": 10}, severity={**POLICY.severity, "tilted": "reject"}
    )
    assert tilted.judged().faults == ()
    quality = judge(tilted.volume, Told(tilted.series, tilted.instances), HEAD, strict)
    with pytest.raises(QualityRejected, match=r"tilted by 12\.0 degrees"):
        quality.demand()


def test_a_bleed_is_no_fault():
    """Fresh blood of 60 ml is neither contrast agent nor anything else that lowers what is claimed."""

    def bleed(hu: np.ndarray) -> None:
        z, y, x = np.ogrid[: hu.shape[0], : hu.shape[1], : hu.shape[2]]
        ball = ((z - 14) * 5.0) ** 2 + ((y - 80) * 1.2) ** 2 + ((x - 70) * 1.2) ** 2 < 24**2
        hu[ball] += 38

    assert pixels(bleed).judged().faults == ()


def test_a_tilted_or_turned_head_is_still_a_head():
    """Sheared, mirrored, smaller or cut at the neck: the part is known, nothing is rejected."""
    sheared = np.stack([np.roll(plane, 2 * k - 30, axis=0) for k, plane in enumerate(head())])
    for hu in (sheared, head()[:, :, ::-1], head()[:, ::-1], head()[4:], head()[:, ::2, ::2]):
        spacing = HEAD_MM if hu.shape[1] == 192 else (5.0, 2.4, 2.4)
        quality = replace(a_head(), volume=volume(np.ascontiguousarray(hu), spacing)).judged()
        quality.demand()
        assert quality.part == "head"


def test_air_alone_is_no_patient():
    """Nothing in the field of view: rejected as what it is."""
    empty = pixels(lambda hu: np.full_like(hu, -1000) + np.arange(hu.shape[2]) % 7)
    with pytest.raises(QualityRejected, match="nothing of a patient"):
        empty.judged().demand()


def test_the_same_series_gets_the_same_report():
    """To the last digit: a crash repeats what was said."""
    assert a_head().judged() == a_head().judged()


J2K, JPEG_LS = "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.80"


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"lossy": True}, True),
        ({"lossy": True, "transfer_syntax": JPEG_LS}, True),
        ({"lossy": False, "transfer_syntax": J2K}, False),
        ({"lossy": False, "transfer_syntax": JPEG}, True),
        ({"transfer_syntax": J2K}, True),
        ({"transfer_syntax": JPEG_LS}, False),
    ],
)
def test_loss_is_told_by_the_header_and_the_syntax(told: dict[str, Any], found: bool):
    """Detail that is gone stays gone when the images are stored anew without loss (PS3.3 C.7.6.1.1.5)."""
    assert ("lossy" in codes(a_head(instances=thick(30, 5.0, 5.0, **told)).judged())) is found


def test_the_header_tells_of_text_too():
    """Burned In Annotation (0028,0301)."""
    assert codes(a_head(instances=thick(30, 5.0, 5.0, burnt_in=True)).judged()) == {"text"}
