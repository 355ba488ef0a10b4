"""The sweep on the twins: what nothing names leaves, and never what an open study needs."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.adapters.memory_twins import MemoryLog
from streams.adapters.object_folder import ObjectFolder
from streams.doors.notes import Note
from streams.doors.spool import Spool
from streams.errors import ObjectMissing, StateStoreAway
from streams.events.codec import encode_part
from streams.events.envelope import to_kafka
from streams.events.identifiers import digest_of
from streams.events.imaging import StudyAssembled
from streams.events.manifest import Manifest, encode_manifest
from streams.events.watching import StudyLetGo
from streams.flow import DEADLETTERS
from streams.policy import FOR_EVER, RetentionPolicy
from streams.ports import Place
from streams.retention.state import Kept
from streams.runtime.keeping.sweep import KEPT_PART, Asked, sweep
from tests.support.examples import example
from tests.support.studies import envelope, slice_of, stored, study_facts, summary

NOW = datetime(2026, 6, 1, tzinfo=UTC)
POLICY = RetentionPolicy(ended_days=30)
DAY = timedelta(days=1)


class Site:
    """A store, a record, states and a spool; images of studies are put long ago."""

    def __init__(self, tmp_path, policy=POLICY):
        self.clock = NOW
        self.record, self.objects = MemoryLog(clock=lambda: self.clock), ObjectFolder(tmp_path / "objects", reserve=0)
        self.held, self.missing = {}, []
        (tmp_path / "spool" / "dimse").mkdir(parents=True)
        self.asked = Asked(
            policy=policy,
            objects=self.objects,
            record=self.record,
            states=self.states,
            unknown=self.unknown,
            owed=tmp_path / "spool",
        )

    async def states(self):
        for (agent, _key), fields in self.held.items():
            yield agent, fields

    async def unknown(self, places):
        return [place for place in places if place in self.missing]

    def put(self, content, days):
        """So many days ago."""
        digest = self.objects.put(content)
        at = (NOW - days * DAY).timestamp()
        os.utime(self.objects.path(digest), (at, at))
        return digest

    def say(self, topic, event, key, days):
        self.clock = NOW - days * DAY
        _key, value, headers = to_kafka(replace(envelope(event, name=f"{event!r}{days}"), key=key))
        self.record.append(topic, key.encode(), value, headers)

    def study(self, name, days, *, state=True, record=True, let_go=None, images=2):
        """Stored and made a revision so many days ago; what it needs."""
        facts = study_facts(study=name)
        instances = [slice_of(f"{name}.1", n, digest=self.put(f"{name}/{n}".encode(), days)) for n in range(images)]
        listed = Manifest(study=name, series=f"{name}.1", instances=tuple(instances))
        manifest = self.put(encode_manifest(listed), days)
        series = summary(f"{name}.1", manifest=manifest)
        if record:
            self.say("imaging.instances", stored(instances, facts=facts), name, days)
            self.say("imaging.studies", replace(example(StudyAssembled), facts=facts, series=(series,)), name, days)
        if state:
            self.held["intake", name] = {"assembly.series:x": encode_part(series)}
        if let_go is not None:
            self.say("imaging.instances", StudyLetGo(study=name, revision=1, ended_at=NOW), name, let_go)
        return {manifest, *(i.digest for i in instances)}

    async def sweep(self, *, dry=False):
        return await sweep(self.asked, dry=dry, now=NOW)

    def left(self):
        return {each.digest for each in self.objects.stored()}


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


async def test_a_study_that_was_let_go_leaves_and_others_stay(site):
    """With its lists; the others by their state, by the record, or because they are young."""
    gone = site.study("1", 40, state=False, let_go=1)
    open_ones = site.study("2", 100, record=False) | site.study("3", 40, state=False) | site.study("4", 10, let_go=1)
    found = await site.sweep()
    assert site.left() == open_ones
    assert (found.leave, found.removed, found.objects) == (len(gone), len(gone), len(gone | open_ones))
    assert found.stays == {"a state": 1, "a list of instances": 2, "the record": 3, "young": 3}
    assert found.studies["let go"] == 2


async def test_a_dry_run_removes_nothing(site):
    """And says what would leave."""
    gone = site.study("1", 40, state=False, let_go=1)
    found = await site.sweep(dry=True)
    assert (found.leave, found.removed) == (3, 0)
    assert site.left() == gone


async def test_a_study_that_came_back_keeps_what_it_names_again(site):
    """What was said after it had been let go counts; what was said before does not."""
    gone = site.study("1", 50, state=False, let_go=5)
    again = site.put(b"came back", 40)
    site.say("imaging.instances", stored([slice_of("1.1", 9, digest=again)], facts=study_facts(study="1")), "1", 3)
    await site.sweep()
    assert site.left() == {again}
    assert again not in gone


async def test_bytes_that_two_studies_share_stay_for_the_open_one(site):
    """Content has one name, whoever named it."""
    shared = site.put(b"an empty mask", 40)
    for study in ("1", "2"):
        instance = slice_of(f"{study}.1", 0, digest=shared)
        site.say("imaging.instances", stored([instance], facts=study_facts(study=study)), study, 40)
    site.say("imaging.instances", StudyLetGo(study="1", revision=1, ended_at=NOW), "1", 1)
    await site.sweep()
    assert site.left() == {shared}
    site.say("imaging.instances", StudyLetGo(study="2", revision=1, ended_at=NOW), "2", 1)
    await site.sweep()
    assert site.left() == set()


async def test_what_waits_is_kept(site, tmp_path):
    """A note that no event tells of yet, a letter's file, what is put off: all name what they need."""
    owed, refused, put_off = (site.put(name, 400) for name in (b"owed", b"refused", b"put off"))
    spool = Spool(tmp_path / "spool" / "dimse", 10)
    for digest in (site.put(b"shipped", 400), owed):
        spool.owe(Note(kind="instance", at=NOW, association="A", digest=digest))
    spool.shipped(1)
    site.record.append(DEADLETTERS, b"k", b"", [("wetread-object", refused.encode())])
    site.record.append("triage.readings.urgent.retry", b"1", f'{{"mask":"{put_off}"}}'.encode(), [])
    found = await site.sweep()
    assert site.left() == {owed, refused, put_off}
    assert found.stays == {"a note that is owed": 1, "a dead letter": 1, "the record": 1}


async def test_a_redis_that_forgot_removes_nothing(site):
    """Its states name nothing: the record knows a place of which it knows nothing."""
    gone = site.study("1", 40, state=False, let_go=1)
    site.missing = [Place("intake", p) for p in range(8)]
    with pytest.raises(StateStoreAway, match="nothing is removed"):
        await site.sweep()
    assert site.left() == gone


async def test_for_ever_is_for_ever(tmp_path):
    """Nothing leaves, and it says so."""
    site = Site(tmp_path, FOR_EVER)
    site.study("1", 4000, state=False, record=False)
    found = await site.sweep()
    assert (found.leave, found.stays) == (0, {"kept for ever": 3})


async def test_it_tells_how_studies_stand(site):
    """Open ones, ended ones, and when the next of them leaves."""
    for name, ended_at in (("1", None), ("2", NOW - 3 * DAY), ("3", NOW - 7 * DAY)):
        site.held["triage", name] = {KEPT_PART: encode_part(Kept(revision=1, ended_at=ended_at))}
    found = await site.sweep(dry=True)
    assert found.studies == {"open": 1, "ended": 2, "let go": 0}
    assert found.next_leaves_at == NOW + 23 * DAY


async def test_what_is_put_meanwhile_stays(site, monkeypatch):
    """Between the look and the removal: it was acknowledged anew."""
    gone = site.study("1", 40, state=False, let_go=1)
    keep = site.asked.objects.remove

    def remove(digest, before):
        if digest == digest_of(b"1/0"):
            site.objects.put(b"1/0")
        return keep(digest, before)

    monkeypatch.setattr(ObjectFolder, "remove", lambda _self, digest, before: remove(digest, before))
    found = await site.sweep()
    assert (found.leave, found.removed) == (len(gone), len(gone) - 1)
    assert site.left() == {digest_of(b"1/0")}


STUDY = st.fixed_dictionaries(
    {
        "days": st.integers(0, 90),
        "state": st.booleans(),
        "record": st.booleans(),
        "let_go": st.one_of(st.none(), st.integers(0, 20)),
        "images": st.integers(1, 3),
    }
)


@given(studies=st.lists(STUDY, max_size=6))
@settings(max_examples=40, deadline=None)
async def test_nothing_that_an_open_study_needs_is_removed(tmp_path_factory, studies):
    """By its state, or by the record where it was not let go; all else that is old goes."""
    site = Site(tmp_path_factory.mktemp("site"))
    needs, may_go = set(), set()
    for number, told in enumerate(studies):
        objects = site.study(f"{number}", **told)
        is_open = told["state"] or (told["record"] and told["let_go"] is None)
        (needs if is_open or told["days"] <= 30 else may_go).update(objects)
    await site.sweep()
    for digest in needs:
        assert site.objects.get(digest)
    for digest in may_go:
        with pytest.raises(ObjectMissing):
            site.objects.get(digest)
