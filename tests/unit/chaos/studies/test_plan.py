"""The plan of a run: the same seed sends the same, and what is expected follows from what is sent."""

from __future__ import annotations

import hashlib

from streams.chaos.studies import model
from streams.chaos.studies.plan import SHAPES, WHOLE, study
from streams.events.identifiers import is_uid

MANY = [study(7, number, 1.0) for number in range(1, 401)]


def test_the_same_seed_plans_the_same_and_another_one_another():
    """A run can be had again by its seed: every study follows from seed and number alone."""
    assert study(7, 33, 1.0) == MANY[32]
    assert study(8, 33, 1.0) != MANY[32]
    assert MANY[32].line("p", None) == study(7, 33, 1.0).line("p", None)


def test_every_kind_of_study_comes():
    """Among 400 studies is each shape, bleeds and none, each thing that people do."""
    kinds = {kind for one in MANY for kind in one.kinds}
    assert {shape for shape, _ in SHAPES if shape != "plain"} <= kinds
    assert {"bleed", "ordered", "read", "opened", "overridden"} <= kinds
    assert any(not one.kinds for one in MANY)


def test_every_uid_is_one_and_nobody_elses():
    """UIDs are valid (PS3.5 9.1) and unique over all studies."""
    uids = [one.study for one in MANY] + [i.instance for one in MANY for i in one.instances if not i.conflicts]
    assert all(is_uid(uid) for uid in uids)
    assert len(uids) == len(set(uids))


def test_what_is_expected_is_the_brightest_of_what_is_read():
    """Codes after each batch, a side of the threshold, an alert for it; no code of a content that is refused."""
    for one in MANY:
        said = one.expected
        read = [i.code for i in one.instances if i.code is not None and not i.conflicts]
        if said.outcome == "analysed":
            assert said.codes[-1] == max(read)
            assert said.positive is said.alert is (model.probability(max(read)) >= model.THRESHOLD)
            assert abs(model.logit(max(read))) >= model.GAP * model.SLOPE
        else:
            assert (said.positive, said.alert, said.codes) == (None, False, ())


def test_a_late_bleed_changes_the_answer():
    """What came first says no, all of it says yes."""
    late = [one for one in MANY if "late-bleed" in one.kinds]
    assert late
    for one in late:
        first, last = one.expected.codes
        assert model.logit(first) < 0 < model.logit(last)


def test_people_say_something_only_of_studies_that_stay_as_they_are():
    """No image comes after what people said: else an alert would rightly be raised a second time."""
    said = [one for one in MANY if one.said]
    assert said
    shapes = {shape for shape, _ in SHAPES} - set(WHOLE)
    assert not [one for one in said if shapes & set(one.kinds)]


def test_a_line_names_the_bytes_that_are_sent():
    """The verifier knows each data set by its digest, a conflicting one by another; canaries stand in the bytes."""
    one = next(one for one in MANY if "conflict" in one.kinds)
    line = one.line("hash", None)
    contents = [one.content(i) for i in one.instances]
    assert [row["dataset_sha256"] for row in line["instances"]] == [hashlib.sha256(c).hexdigest() for c in contents]
    assert len(set(contents)) == len(contents)
    twice = [i.instance for i in one.instances]
    assert len(set(twice)) == len(twice) - 1
    assert line["canaries"]
    assert all(canary.strip().encode() in content for canary in line["canaries"] for content in contents)


def test_a_study_with_a_bad_image_can_be_read_without_it():
    """Only the spoilt image has no code: a revision that came before it is read, and its answer is known."""
    bad = next(one for one in MANY if "bad-file" in one.kinds)
    images = [image for step in bad.steps for image in step.images]
    assert [image.spoilt for image in images if image.code is None] == [True]
    assert bad.expected.codes == ()
