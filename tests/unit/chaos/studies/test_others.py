"""What comes beside the images: an order that the door takes, poison that nobody can, files that are none."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace

import orjson
import pytest

from streams.chaos.history import History
from streams.chaos.studies.others import BAD_FILES, POISON, Others
from streams.chaos.studies.plan import study
from streams.doors.header import read_header
from streams.doors.orders import order_in
from streams.doors.pseudonym import Pseudonyms
from streams.errors import NotDicom, SetAside
from streams.events.envelope import from_kafka
from streams.events.watching import PriorityOverridden, ReportSigned, StudyOpened

NAMES = Pseudonyms(b"k" * 32)


class Said(Others):
    """Others whose events go into a list."""

    def _put(self, topic, key, value, headers):
        PUT.append((topic, key, value, list(headers)))
        return SimpleNamespace(partition=1, offset=len(PUT))


PUT: list = []


@pytest.fixture
def others(tmp_path):
    PUT.clear()
    return Said(tmp_path / "inbox", "nowhere:1", NAMES, History(tmp_path / "history"))


def lines(others):
    return [orjson.loads(line) for line in (others.history.folder / "others.jsonl").read_bytes().splitlines()]


def test_an_order_is_a_file_that_the_order_door_takes(others):
    """Its accession number is the study's own; the history holds the hash alone."""
    one = next(s for s in (study(2, n, 1.0) for n in range(1, 100)) if s.priority)
    others.order(one)
    (path,) = (others.inbox / "orders").iterdir()
    event = order_in(path.read_bytes(), NAMES, datetime(2026, 1, 1, tzinfo=UTC)).data
    (line,) = lines(others)
    assert (event.order, event.priority) == (line["order"], one.priority)
    assert one.who.accession.encode() not in orjson.dumps(line)


def test_what_people_say_is_an_event_of_the_record(others):
    """Read, opened, overridden: each is readable, and named in the history by its id."""
    kinds = {"read": ReportSigned, "opened": StudyOpened, "overridden": PriorityOverridden}
    for said, kind in kinds.items():
        one = next(s for s in (study(2, n, 1.0) for n in range(1, 500)) if s.said == said)
        others.say(one, said)
        topic, _, value, headers = PUT[-1]
        envelope = from_kafka(value, headers)
        assert topic == "triage.feedback"
        assert isinstance(envelope.data, kind)
        assert lines(others)[-1]["id"] == envelope.id


def test_poison_cannot_be_handled(others):
    """Every kind: its envelope is not to be read, or belongs to another key."""
    chance, kinds = random.Random(1), set()
    while len(kinds) < len(POISON):
        kinds.add(others.poison(chance).split(" ")[0])
        _, key, value, headers = PUT[-1]
        with suppress(SetAside):
            assert from_kafka(value, headers).key.encode() != key
    assert kinds == set(POISON)


def test_bad_files_are_none(others):
    """No header is to be had of them."""
    chance, kinds = random.Random(1), set()
    while len(kinds) < len(BAD_FILES):
        kinds.add(others.bad_file(chance))
    for path in others.inbox.iterdir():
        with pytest.raises(NotDicom):
            read_header(path.read_bytes(), NAMES)
