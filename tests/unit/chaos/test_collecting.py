"""What a run leaves behind: OTLP bodies as they came, records as text or base64, objects with their digests."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from types import SimpleNamespace

import orjson
import pytest

from streams.adapters.object_folder import ObjectFolder
from streams.chaos import collecting
from streams.chaos.history import History
from streams.chaos.studies import images
from streams.doors.part10 import wrap
from streams.faults.points import Point


def test_otlp_bodies_are_kept_as_they_came(tmp_path):
    """Traces and metrics by their path, byte for byte, so that canaries are found in them."""
    history = History(tmp_path)
    collector = collecting.Collector(history)
    for kind in ("traces", "metrics"):
        request = urllib.request.Request(f"{collector.endpoint}/v1/{kind}", data=kind.encode() * 3)
        urllib.request.urlopen(request, timeout=10).close()
    collector.stop()
    for kind in ("traces", "metrics"):
        (path,) = (tmp_path / kind).iterdir()
        assert path.read_bytes() == kind.encode() * 3


def test_a_record_is_dumped_without_loss(tmp_path, monkeypatch):
    """Text as text, other bytes as base64, absent ones as null; headers in their order."""
    records = [
        SimpleNamespace(topic="t", partition=0, offset=n, timestamp=5, key=key, value=value, headers=[("h", b"\xff")])
        for n, (key, value) in enumerate([(b"k", b"{}"), (None, b"\xff\xfe"), (b"k", None)])
    ]
    monkeypatch.setattr(collecting, "_records", lambda _kafka, _topic: iter(records))
    history = History(tmp_path)
    assert collecting.dump_topics("nowhere:1", ("t",), history) == 3
    lines = [json.loads(line) for line in (tmp_path / "topics" / "t.jsonl").read_bytes().splitlines()]
    assert [(line["key"], line["value"], line["value_base64"]) for line in lines] == [
        ("k", "{}", None), (None, None, "//4="), ("k", None, None),
    ]  # fmt: skip
    assert [len(line["headers"]) for line in lines] == [1, 1, 1]


def test_a_broker_that_never_comes_back_ends_the_dump(monkeypatch):
    """Nothing comes, and the end is not reached: given up with what was waited for, instead of waiting for ever."""
    consumer = SimpleNamespace(
        partitions_for_topic=lambda _topic: {0}, assign=lambda _places: None, seek_to_beginning=lambda: None,
        end_offsets=lambda places: dict.fromkeys(places, 5), position=lambda _place: 0, poll=lambda **_asked: {},
        close=lambda: None,
    )  # fmt: skip
    monkeypatch.setattr(collecting, "KafkaConsumer", lambda **_asked: consumer)
    monkeypatch.setattr(collecting, "SILENT_S", 0.05)
    with pytest.raises(TimeoutError, match="nothing came of it"):
        list(collecting._records("nowhere:1", "imaging.orders"))


def test_every_fault_point_is_counted(tmp_path):
    """Those at which nothing was crashed too: what was never tried is to be seen."""
    (tmp_path / "run" / "faults").mkdir(parents=True)
    (tmp_path / "run" / "faults" / "fired.jsonl").write_text('{"point": "fsynced", "side": "after"}\n' * 2)
    found = collecting.crashes(tmp_path)
    assert set(found) == {f"{point.title}.{side}" for point in Point for side in ("before", "after")}
    assert {name: times for name, times in found.items() if times} == {"fsynced.after": 2}


def test_objects_are_listed_with_what_they_hold(tmp_path):
    """A DICOM object with the digest of its data set and its instance, another one without."""
    who = images.Who(name="CANARY^ABCDEFGH", patient_id="PXAAAAAAAAAA", birth_date="19510203", accession="")
    uid = "1.2.826.0.1.3680043.8.498." + "5" * 38
    content = images.data_set(1, images.Names(study=uid, series=uid, instance=uid), who, 1200)
    store, history = ObjectFolder(tmp_path / "store", reserve=0), History(tmp_path / "history")
    store.put(wrap(content, sop_class=images.SOP_CLASS, sop_instance=uid, transfer_syntax=images.SYNTAX))
    store.put(b"a mask")
    collecting.dump_objects(tmp_path / "store", history)
    lines = [orjson.loads(line) for line in (tmp_path / "history" / "objects.jsonl").read_bytes().splitlines()]
    assert {(line["dataset_sha256"], line["instance"]) for line in lines} == {
        (hashlib.sha256(content).hexdigest(), uid), (None, None),
    }  # fmt: skip
    assert all(line["name"] == line["sha256"] for line in lines)
