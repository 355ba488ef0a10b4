"""Each promise is held by its own check: the least bending of a right history is reported by exactly that one."""

from __future__ import annotations

import base64
import gzip
from functools import cache
from urllib.parse import quote

import pytest

from streams.chaos.verifier.loading import load
from streams.chaos.verifier.verdict import CHECKS, LAWS, violations
from tests.support.histories import Rows, a_day, amend, body, head, set_head, uid

PLAIN, BLEED, LATE, READ, OPENED, OVERRIDDEN = uid(1), uid(2), uid(3), uid(6), uid(7), uid(8)
FINDINGS, PLACES, ALERTS, OUTCOMES, STUDIES = (
    "triage.findings", "triage.worklist", "triage.alerts", "triage.outcomes", "imaging.studies",
)  # fmt: skip
day = cache(a_day)


def broken(rows: Rows, folder) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for violation in violations(load(rows.write(folder))):
        found.setdefault(violation.check, []).append(violation.sentence)
    return found


def test_a_right_history_is_accepted(tmp_path):
    """Every check finds nothing in what the flow itself said; repeats of events are right too."""
    rows = day().bent()
    rows.repeat(rows.find(ALERTS, "AlertRaised", LATE))
    rows.repeat(rows.find(OUTCOMES, "StudyClosed", PLAIN))
    rows.repeat(rows.find(PLACES, "PlaceChanged", READ))
    assert broken(rows, tmp_path) == {}


def test_every_check_says_its_law():
    """The table shows what each check holds; none is without words."""
    assert all(LAWS[name].endswith(".") for name in CHECKS)


def forget_an_image(rows):
    rows.acks.append({**rows.acks[0], "instance": uid(1, 1, 99), "dataset_sha256": "f" * 64})


def drop_a_byte(rows):
    rows.objects[3]["dataset_sha256"] = "e" * 64


def damage_an_object(rows):
    rows.objects[3]["sha256"] = "e" * 64


def lose_an_object(rows):
    del rows.objects[3]


def leave_an_image_out(rows):
    row = rows.find(STUDIES, "StudyAssembled", PLAIN)
    (series,) = body(row)["series"]
    amend(row, series=[{**series, "count": series["count"] - 1}])


def lose_an_outcome(rows):
    rows.drop(OUTCOMES, "StudyClosed", PLAIN)


def lose_an_earlier_outcome(rows):
    rows.drop(OUTCOMES, "StudyClosed", LATE)


def end_twice(rows):
    rows.repeat(rows.find(OUTCOMES, "StudyClosed", PLAIN), "outcome")


def end_otherwise(rows):
    rows.why = [told for told in rows.why if told["study"] != PLAIN]
    amend(rows.find(OUTCOMES, "StudyClosed", PLAIN), outcome="failed")


def miss_an_alert(rows):
    rows.drop(ALERTS, "AlertRaised", LATE)


def alert_in_vain(rows):
    rows.studies[2]["expected"] |= {"alert": False, "positive": False}


def alert_with_other_content(rows):
    rows.repeat(rows.find(ALERTS, "AlertRaised", LATE), "alert", model_seconds=9.75)


def alert_under_two_ids(rows):
    rows.repeat(rows.find(ALERTS, "AlertRaised", LATE), "alert", alert="5c1de3f0-5a0c-5f0f-9a53-6d1f0a7e2b11")


def alert_late(rows):
    rows.why = [told for told in rows.why if told["study"] != LATE]
    amend(rows.find(ALERTS, "AlertRaised", LATE), read_by="2026-03-01T11:37:00.000000Z")


def say_two_things(rows):
    rows.repeat(rows.find(PLACES, "PlaceChanged", PLAIN), modality="MR")


def say_it_with_other_headers(rows):
    set_head(rows.repeat(rows.find(PLACES, "PlaceChanged", PLAIN)), "ce_policydigest", "e" * 64)


def assemble_backwards(rows):
    first, second = (rows.find(STUDIES, "StudyAssembled", LATE, n) for n in (0, 1))
    first["offset"], second["offset"] = second["offset"], first["offset"]


def find_twice(rows):
    rows.repeat(rows.find(FINDINGS, "FindingMade", PLAIN), "finding")


def find_without_a_cause(rows):
    set_head(rows.find(FINDINGS, "FindingMade", PLAIN), "ce_causationid", "5c1de3f0-5a0c-5f0f-9a53-6d1f0a7e2b11")


def close_before_raising(rows):
    raised, closed = rows.find(ALERTS, "AlertRaised", READ), rows.find(ALERTS, "AlertClosed", READ)
    raised["offset"], closed["offset"] = closed["offset"], raised["offset"]


def reopen_what_is_read(rows):
    rows.why = [told for told in rows.why if told["study"] != READ]
    rows.repeat(rows.find(PLACES, "PlaceChanged", READ, 2), "opened", state="opened")


def answer_what_nobody_asked(rows):
    rows.why = [told for told in rows.why if told["study"] != PLAIN]
    row = rows.find("triage.readings.routine", "ReadingRequested", PLAIN)
    amend(row, reading="5c1de3f0-5a0c-5f0f-9a53-6d1f0a7e2b11")


def route_on_one_topic_only(rows):
    rows.topics[STUDIES].remove(rows.find(STUDIES, "StudyRouted", PLAIN))


def leave_an_alert_open(rows):
    rows.drop(ALERTS, "AlertClosed", READ)


def measure_in_vain(rows):
    rows.drop("triage.measurements", "MeasurementMade")


def swap_an_instance(rows):
    amend(rows.find(FINDINGS, "FindingMade", PLAIN), key_instances=[uid(2, 1, 4)])


def swap_answers(rows):
    one, other = (rows.find(FINDINGS, "ReadingAnswered", study) for study in (PLAIN, OPENED))
    logits = [body(row)["study_logit"] for row in (one, other)]
    amend(one, study_logit=logits[1])
    amend(other, study_logit=logits[0])


def answer_of_an_earlier_revision(rows):
    row = rows.find(FINDINGS, "ReadingAnswered", LATE, 1)
    amend(row, study_logit=body(rows.find(FINDINGS, "ReadingAnswered", LATE, 0))["study_logit"])


def swap_patients(rows):
    row = rows.find(STUDIES, "StudyAssembled", PLAIN)
    amend(
        row,
        facts={**body(row)["facts"], "patient": body(rows.find(STUDIES, "StudyAssembled", BLEED))["facts"]["patient"]},
    )


def wait_too_long(rows):
    rows.why = [told for told in rows.why if told["study"] != PLAIN]
    amend(rows.find(PLACES, "PlaceChanged", PLAIN), read_by="2026-03-03T10:37:00.000000Z")
    rows.worklist = [w for w in rows.worklist if w["study"] != PLAIN]
    rows.worklist.append({"study": PLAIN, "read_by": "2026-03-03T10:37:00.000000Z"})


def not_hasten(rows):
    rows.drop(PLACES, "PlaceChanged", LATE, -1)
    rows.worklist = [w for w in rows.worklist if w["study"] != LATE]
    before = body(rows.find(PLACES, "PlaceChanged", LATE, -1))
    rows.worklist.append({"study": LATE, "read_by": before["read_by"]})
    rows.worklist.sort(key=lambda waiting: waiting["read_by"])


def forget_an_order(rows):
    amend(rows.find(PLACES, "PlaceChanged", PLAIN, -1), priority="urgent")


def hide_a_failure(rows):
    rows.why = [told for told in rows.why if told["study"] != uid(5)]
    row = rows.find(PLACES, "PlaceChanged", uid(5), -1)
    amend(row, reasons=[reason for reason in body(row)["reasons"] if reason["kind"] != "no-ai-result"])


def forget_a_place(rows):
    del rows.worklist[1]


def keep_what_is_read(rows):
    rows.worklist.append({"study": READ, "read_by": "2026-03-05T00:00:00.000000Z"})


def move_a_place(rows):
    rows.worklist[0]["read_by"] = "2026-03-01T10:37:00.000001Z"


def lose_feedback(rows):
    rows.topics[FINDINGS].remove(rows.find(FINDINGS, "ReportSigned", READ))


def lose_an_order(rows):
    order = next(other for other in rows.others if other["what"] == "order")
    rows.others.append({**order, "priority": "urgent"})


def tell_less(rows):
    rows.why[0]["story"].pop()


def tell_it_wrong(rows):
    line = next(line for line in rows.why[0]["story"] if line["what"] == "StudyClosed")
    line["sentence"] = line["sentence"].replace("analysed", "ineligible")


def tell_of_nothing(rows):
    rows.why.clear()


def letter_of(row, **headers):
    place = {"wetread-source-topic": row["topic"], "wetread-source-partition": row["partition"]}
    about = {**place, "wetread-source-offset": row["offset"], "wetread-reason": "it broke", **headers}
    kept = {"topic": "triage.deadletters", "partition": 0, "offset": 0}
    return {**row, **kept, "headers": [*row["headers"], *((name, str(text)) for name, text in about.items())]}


def set_a_good_event_aside(rows):
    rows.topics["triage.deadletters"].append(letter_of(rows.find(FINDINGS, "ReadingAnswered", PLAIN)))


def poison(rows):
    row = {**rows.find(FINDINGS, "ReadingAnswered", PLAIN), "offset": 99, "value": "{", "key": "nobody"}
    rows.topics[FINDINGS].append(row)
    place = {name: row[name] for name in ("topic", "partition", "offset")}
    rows.others.append({"at": rows.acks[0]["at"], "what": "poison", **place, "id": head(row, "ce_id"), "kind": "torn"})
    return row


def leave_poison(rows):
    poison(rows)


def lose_a_bad_file(rows):
    rows.others.append({"at": rows.acks[0]["at"], "what": "bad-file", "sha256": "b" * 64, "kind": "empty"})


def lose_the_policy(rows):
    set_head(rows.find(OUTCOMES, "StudyClosed", PLAIN), "ce_policydigest", None)


def lose_the_trace(rows):
    set_head(rows.find(OUTCOMES, "StudyClosed", PLAIN), "traceparent", None)


def lose_the_cause(rows):
    set_head(rows.find(OUTCOMES, "StudyClosed", PLAIN), "ce_causationid", None)


def key_it_wrong(rows):
    rows.find(OUTCOMES, "StudyClosed", PLAIN)["key"] = OVERRIDDEN


def name_somebody(rows):
    rows.logs["logs/worker.log"] = f"could not read {day().studies[0]['canaries'][0]} at all".encode()


def misspell_an_event(rows):
    amend(rows.find(PLACES, "PlaceChanged", PLAIN), description=5)


def say_it_on_another_topic(rows):
    placed = rows.find(PLACES, "PlaceChanged", PLAIN)
    rows.topics["imaging.quality"].append({**placed, "topic": "imaging.quality", "offset": 0})


BENT = {
    "stored": (forget_an_image, drop_a_byte, damage_an_object, lose_an_object),
    "belonging": (leave_an_image_out,),
    "outcomes": (lose_an_outcome, lose_an_earlier_outcome, end_twice, end_otherwise),
    "alerts": (miss_an_alert, alert_in_vain, alert_with_other_content, alert_under_two_ids, alert_late),
    "contents": (say_two_things, say_it_with_other_headers),
    "order": (
        assemble_backwards, find_twice, find_without_a_cause, close_before_raising, reopen_what_is_read,
        answer_what_nobody_asked,
    ),
    "effects": (route_on_one_topic_only, leave_an_alert_open, measure_in_vain),
    "mixing": (swap_an_instance, swap_answers, answer_of_an_earlier_revision, swap_patients),
    "waits": (wait_too_long, not_hasten, forget_an_order, hide_a_failure),
    "worklist": (forget_a_place, keep_what_is_read, move_a_place),
    "heard": (lose_feedback, lose_an_order),
    "why": (tell_less, tell_it_wrong, tell_of_nothing),
    "set-aside": (set_a_good_event_aside, leave_poison, lose_a_bad_file),
    "envelopes": (lose_the_policy, lose_the_trace, lose_the_cause, key_it_wrong),
    "canaries": (name_somebody,),
    "schemas": (misspell_an_event, say_it_on_another_topic),
}  # fmt: skip


def test_every_check_is_bent():
    """No check is without a history that it must find."""
    assert BENT.keys() == CHECKS.keys()


@pytest.mark.parametrize(("check", "bend"), [pytest.param(c, b, id=b.__name__) for c, bs in BENT.items() for b in bs])
def test_a_bent_history_is_reported_by_exactly_its_check(check, bend, tmp_path):
    """One thing is wrong, one check says so."""
    rows = day().bent()
    bend(rows)
    assert list(found := broken(rows, tmp_path)) == [check], found


def test_a_poison_event_that_was_set_aside_breaks_nothing(tmp_path):
    """Bad events are none of the flow's; their letters hold their bytes."""
    rows = day().bent()
    rows.topics["triage.deadletters"].append(letter_of(poison(rows)))
    assert broken(rows, tmp_path) == {}


SPELLINGS = {
    "as it is": lambda word: word,
    "lower case": str.lower,
    "reversed case": str.swapcase,
    "backwards": lambda word: word[::-1],
    "for a URL": lambda word: quote(word, safe=""),
    "base64": lambda word: base64.b64encode(f"a{word} and more".encode()).decode(),
    "base64 of lower case": lambda word: base64.b64encode(f"ab{word.lower()}!".encode()).decode(),
    "hexadecimal": lambda word: word.encode().hex(),
    "given name first": lambda word: " ".join(reversed(word.split("^"))),
}


@pytest.mark.parametrize("place", ["logs/door.log", "metrics/7.pb", "traces/a/9.pb", "topic", "header"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_name_is_found_wherever_and_however_it_is_written(spelling, place, tmp_path):
    """Also within other bytes; the verdict does not repeat it."""
    rows = day().bent()
    name = rows.studies[1]["canaries"][0]
    written = SPELLINGS[spelling](name)
    row = rows.find(PLACES, "PlaceChanged", PLAIN)
    if place == "topic":
        row["headers"].append(("wetread-note", written))
    elif place == "header":
        row["headers"].append((written, "x"))
    else:
        rows.logs[place] = b"\x00\xff\xfe " + written.encode() + b"\x00" * 9
    found = broken(rows, tmp_path)
    assert list(found) == ["canaries"], found
    assert name not in found["canaries"][0]


@pytest.mark.parametrize(("text", "is_found"), [
    (b"born 19310207.", False), (b"born 19310207, f", True), (b"1931-02-07", True), (b"07.02.1931", True),
    (b"uid 1.2.19310207.4", False), (b"1772361193102071", False), (b"ab19310207cd", False),
])  # fmt: skip
def test_a_birth_date_is_found_where_it_is_no_part_of_a_number(text, is_found, tmp_path):
    """Eight digits stand in many a UID by chance; a date stands alone."""
    rows = day().bent()
    rows.logs["logs/door.log"] = b"x\n" + text
    assert bool(broken(rows, tmp_path)) is is_found


def test_a_name_is_found_in_what_was_sent_compressed(tmp_path):
    """Exporters may compress their bodies."""
    rows = day().bent()
    rows.logs["traces/7.otlp"] = gzip.compress(rows.studies[1]["canaries"][1].encode())
    assert list(broken(rows, tmp_path)) == ["canaries"]


def test_a_history_without_canaries_is_not_praised(tmp_path):
    """What had nothing to find says so."""
    rows = day().bent()
    for study in rows.studies:
        study["canaries"], study["birth_date"] = [], ""
    assert list(broken(rows, tmp_path)) == ["canaries"]
