"""Headers under attack: nothing but NotDicom comes out, in bounded time and memory; contrast and UIDs by rule."""

from __future__ import annotations

import contextlib
import time
import tracemalloc

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from streams.doors.header import read_header
from streams.doors.part10 import stored_form, wrap
from streams.errors import NotDicom
from streams.events.identifiers import is_uid
from tests.support.doors import NAMES, STUDY, dataset, part10, slice_file

WHOLE = tuple(
    part10(dataset(2), syntax) for syntax in ("1.2.840.10008.1.2.1", ImplicitVRLittleEndian, ExplicitVRBigEndian)
)
EDITS = st.lists(
    st.tuples(
        st.integers(0, len(WHOLE[0]) - 1),
        st.sampled_from(["put", "cut", "drop", "double", "insert"]),
        st.binary(min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=8,
)


def edited(content: bytes, edits) -> bytes:
    for place, kind, some in edits:
        if kind == "put":
            content = content[:place] + some + content[place + len(some) :]
        elif kind == "cut":
            content = content[:place]
        elif kind == "drop":
            content = content[:place] + content[place + len(some) :]
        elif kind == "double":
            content = content[:place] + content[max(0, place - 40) :]
        else:
            content = content[:place] + some + content[place:]
    return content


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(whole=st.sampled_from(WHOLE), edits=EDITS)
def test_any_mutation_is_facts_or_no_dicom(whole, edits):
    """Facts that are JSON with a real UID and finite numbers, or NotDicom with a sentence; nothing else ever."""
    try:
        header = read_header(edited(whole, edits), NAMES)
    except NotDicom as error:
        assert len(str(error)) < 300  # noqa: PT017
        return
    assert is_uid(header.study.study)
    assert is_uid(header.instance.instance)
    said = orjson.dumps([header.study, header.series, header.instance])
    assert len(said) < 4000


def test_a_hundred_mutants_cost_little_time_and_memory():
    """No mutant reserves what it merely claims (16 MB at most), none takes a second."""
    claims = [b"\xff\xff\xff\x7f", b"\xfe\xff\xff\xff", b"\xff\xff\xff\xff"]
    whole = slice_file(2)
    tracemalloc.start()
    slowest = 0.0
    for place in range(132, 132 + 400, 4):
        for claim in claims[place % 3 :][:1]:
            begun = time.process_time()
            with contextlib.suppress(NotDicom):
                read_header(whole[:place] + claim + whole[place + 4 :], NAMES)
            slowest = max(slowest, time.process_time() - begun)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16_000_000
    assert slowest < 1


@pytest.mark.parametrize(
    "uid",
    ["../../etc/passwd", "1.2.3/../4", "1.2\0.3", "9" * 65, "1." * 5000 + "1", "1..2", "1.2.", "1.a", "\uff11.\uff12"],
)
@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_what_is_no_uid_names_nothing(uid, keyword):
    """Study and series UIDs that climb, end early, or run to 10 KB: NotDicom, and its text repeats none of them."""
    with pytest.raises(NotDicom) as caught:
        read_header(hand_made(keyword, uid), NAMES)
    assert uid not in str(caught.value)


def hand_made(keyword: str, uid: str) -> bytes:
    """An implicit little endian file with any bytes as a UID."""
    content = part10(dataset(**{keyword: "1.2.999"}), ImplicitVRLittleEndian)
    old = (8).to_bytes(4, "little") + b"1.2.999\0"
    assert content.count(old) == 1
    value = uid.encode()
    return content.replace(old, len(value).to_bytes(4, "little") + value)


@pytest.mark.parametrize(
    ("elements", "contrast"),
    [
        ({}, False),
        ({"ContrastBolusAgent": "NONE"}, False),
        ({"ContrastBolusAgent": ""}, False),
        ({"ContrastBolusAgent": "OMNIPAQUE 350"}, True),
        ({"ContrastBolusRoute": "IV"}, True),
        ({"ContrastBolusVolume": "80"}, True),
        ({"ContrastBolusVolume": "0"}, False),
    ],
)
def test_contrast_by_agent_route_or_volume(elements, contrast):
    """Any of the three that is not a word for none means contrast."""
    assert read_header(slice_file(**elements), NAMES).series.contrast is contrast


def test_w_slash_o_is_without():
    """The commonest way of writing it must not read as its opposite."""
    header = read_header(slice_file(StudyDescription="CT HEAD W/O CONTRAST", SeriesDescription="Ax w/o 5.0"), NAMES)
    assert header.study.description == "CT HEAD WITHOUT CONTRAST"
    assert header.series.description.split()[-1] == "WITHOUT"


def test_a_file_and_a_message_of_one_instance_are_one_object():
    """The same dataset with another preamble and a longer meta group is stored under the same digest."""
    content = slice_file(1)
    body = content[content.index(b"\x08\0\x16\0UI") :]
    own = wrap(body, sop_class=dataset().SOPClassUID, sop_instance="1.2.3", transfer_syntax="1.2.840.10008.1.2.1")
    program = b"\x7fELF" + bytes(124) + own[128:]
    assert stored_form(program) == own
    assert stored_form(b"no file of DICOM") == b"no file of DICOM"
    assert read_header(own, NAMES).study.study == STUDY
