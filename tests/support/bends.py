"""The least bendings of a right history: for each check what it, and it alone, must find."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.bends_of_leaving import (
    let_go_by_an_earlier_end,
    let_go_early,
    let_go_under_an_alert,
    let_go_unread,
    let_go_without_an_outcome,
)
from tests.support.history_rows import Row, Rows, amend, body, head, set_head, uid

PLAIN, BLEED, LATE, READ, OPENED, OVERRIDDEN = uid(1), uid(2), uid(3), uid(6), uid(7), uid(8)
FINDINGS, PLACES, ALERTS, OUTCOMES, STUDIES = (
    "triage.findings", "triage.worklist", "triage.alerts", "triage.outcomes", "imaging.studies",
)  # fmt: skip


def forget_an_image(rows: Rows) -> None:
    rows.acks.append({**rows.acks[0], "instance": uid(1, 1, 99), "dataset_sha256": "f" * 64})


def drop_a_byte(rows: Rows) -> None:
    rows.objects[3]["dataset_sha256"] = "e" * 64


def damage_an_object(rows: Rows) -> None:
    rows.objects[3]["sha256"] = "e" * 64


def lose_an_object(rows: Rows) -> None:
    del rows.objects[3]


def leave_an_image_out(rows: Rows) -> None:
    row = rows.find(STUDIES, "StudyAssembled", PLAIN)
    (series,) = body(row)["series"]
    amend(row, series=[{**series, "count": series["count"] - 1}])


def lose_an_outcome(rows: Rows) -> None:
    rows.drop(OUTCOMES, "StudyClosed", PLAIN)


def lose_an_earlier_outcome(rows: Rows) -> None:
    rows.drop(OUTCOMES, "StudyClosed", LATE)


def end_twice(rows: Rows) -> None:
    rows.repeat(rows.find(OUTCOMES, "StudyClosed", PLAIN), "outcome")


def end_otherwise(rows: Rows) -> None:
    rows.why = [told for told in rows.why if told["study"] != PLAIN]
    amend(rows.find(OUTCOMES, "StudyClosed", PLAIN), outcome="failed")


def miss_an_alert(rows: Rows) -> None:
    rows.drop(ALERTS, "AlertRaised", LATE)


def alert_in_vain(rows: Rows) -> None:
    rows.studies[2]["expected"] |= {"alert": False, "positive": False}


def alert_with_other_content(rows: Rows) -> None:
    rows.repeat(rows.find(ALERTS, "AlertRaised", LATE), "alert", model_seconds=9.75)


def alert_under_two_ids(rows: Rows) -> None:
    rows.repeat(rows.find(ALERTS, "AlertRaised", LATE), "alert", alert="5c1de3f0-5a0c-5f0f-9a53-6d1f0a7e2b11")


def alert_late(rows: Rows) -> None:
    rows.why = [told for told in rows.why if told["study"] != LATE]
    amend(rows.find(ALERTS, "AlertRaised", LATE), read_by="2026-03-01T11:37:00.000000Z")


def say_two_things(rows: Rows) -> None:
    rows.repeat(rows.find(PLACES, "PlaceChanged", PLAIN), modality="MR")


def say_it_with_other_headers(rows: Rows) -> None:
    set_head(rows.repeat(rows.find(PLACES, "PlaceChanged", PLAIN)), "ce_policydigest", "e" * 64)


def assemble_backwards(rows: Rows) -> None:
    first, second = (rows.find(STUDIES, "StudyAssembled", LATE, n) for n in (0, 1))
    first["offset"], second["offset"] = second["offset"], first["offset"]


def find_twice(rows: Rows) -> None:
    rows.repeat(rows.find(FINDINGS, "FindingMade", PLAIN), "finding")


def find_without_a_cause(rows: Rows) -> None:
    set_head(rows.find(FINDINGS, "FindingMade", PLAIN), "ce_causationid", "5c1de3f0-5a0c-5f0f-9a53-6d1f0a7e2b11")


def close_before_raising(rows: Rows) -> None:
    raised, closed = rows.find(ALERTS, "AlertRaised", READ), rows.find(ALERTS, "AlertClosed", READ)
    raised["offset"], closed["offset"] = closed["offset"], raised["offset"]


def reopen_what_is_read(rows: Rows) -> None:
    rows.why = [told for told in rows.why if told["study"] != READ]
    rows.repeat(rows.find(PLACES, "PlaceChanged", READ, 2), "opened", state="opened")


def answer_what_nobody_asked(rows: Rows) -> None:
    rows.why = [told for told in rows.why if told["study"] != PLAIN]
    row = rows.find("triage.readings.routine", "ReadingRequested", PLAIN)
    amend(row, reading="5c1de3f0-5a0c-5f0f-9a53-6d1f0a7e2b11")


def route_on_one_topic_only(rows: Rows) -> None:
    rows.topics[STUDIES].remove(rows.find(STUDIES, "StudyRouted", PLAIN))


def leave_an_alert_open(rows: Rows) -> None:
    rows.drop(ALERTS, "AlertClosed", READ)


def measure_in_vain(rows: Rows) -> None:
    rows.drop("triage.measurements", "MeasurementMade")


def swap_an_instance(rows: Rows) -> None:
    amend(rows.find(FINDINGS, "FindingMade", PLAIN), key_instances=[uid(2, 1, 4)])


def swap_answers(rows: Rows) -> None:
    one, other = (rows.find(FINDINGS, "ReadingAnswered", study) for study in (PLAIN, OPENED))
    logits = [body(row)["study_logit"] for row in (one, other)]
    amend(one, study_logit=logits[1])
    amend(other, study_logit=logits[0])


def answer_of_an_earlier_revision(rows: Rows) -> None:
    row = rows.find(FINDINGS, "ReadingAnswered", LATE, 1)
    amend(row, study_logit=body(rows.find(FINDINGS, "ReadingAnswered", LATE, 0))["study_logit"])


def swap_patients(rows: Rows) -> None:
    row = rows.find(STUDIES, "StudyAssembled", PLAIN)
    amend(
        row,
        facts={**body(row)["facts"], "patient": body(rows.find(STUDIES, "StudyAssembled", BLEED))["facts"]["patient"]},
    )


def wait_too_long(rows: Rows) -> None:
    rows.why = [told for told in rows.why if told["study"] != PLAIN]
    amend(rows.find(PLACES, "PlaceChanged", PLAIN), read_by="2026-03-03T10:37:00.000000Z")
    rows.worklist = [w for w in rows.worklist if w["study"] != PLAIN]
    rows.worklist.append({"study": PLAIN, "read_by": "2026-03-03T10:37:00.000000Z"})


def not_hasten(rows: Rows) -> None:
    rows.drop(PLACES, "PlaceChanged", LATE, -1)
    rows.worklist = [w for w in rows.worklist if w["study"] != LATE]
    before = body(rows.find(PLACES, "PlaceChanged", LATE, -1))
    rows.worklist.append({"study": LATE, "read_by": before["read_by"]})
    rows.worklist.sort(key=lambda waiting: waiting["read_by"])


def forget_an_order(rows: Rows) -> None:
    amend(rows.find(PLACES, "PlaceChanged", PLAIN, -1), priority="urgent")


def hide_a_failure(rows: Rows) -> None:
    rows.why = [told for told in rows.why if told["study"] != uid(5)]
    row = rows.find(PLACES, "PlaceChanged", uid(5), -1)
    amend(row, reasons=[reason for reason in body(row)["reasons"] if reason["kind"] != "no-ai-result"])


def forget_a_place(rows: Rows) -> None:
    del rows.worklist[1]


def keep_what_is_read(rows: Rows) -> None:
    rows.worklist.append({"study": READ, "read_by": "2026-03-05T00:00:00.000000Z"})


def move_a_place(rows: Rows) -> None:
    rows.worklist[0]["read_by"] = "2026-03-01T10:37:00.000001Z"


def lose_feedback(rows: Rows) -> None:
    rows.topics[FINDINGS].remove(rows.find(FINDINGS, "ReportSigned", READ))


def lose_an_order(rows: Rows) -> None:
    order = next(other for other in rows.others if other["what"] == "order")
    rows.others.append({**order, "priority": "urgent"})


def tell_less(rows: Rows) -> None:
    rows.why[0]["story"].pop()


def tell_it_wrong(rows: Rows) -> None:
    line = next(line for line in rows.why[0]["story"] if line["what"] == "StudyClosed")
    line["sentence"] = line["sentence"].replace("analysed", "ineligible")


def tell_of_nothing(rows: Rows) -> None:
    rows.why.clear()


def letter_of(row: Row, **headers: str) -> Row:
    """The dead letter of a record."""
    place = {"wetread-source-topic": row["topic"], "wetread-source-partition": row["partition"]}
    about = {**place, "wetread-source-offset": row["offset"], "wetread-reason": "it broke", **headers}
    kept = {"topic": "triage.deadletters", "partition": 0, "offset": 0}
    return {**row, **kept, "headers": [*row["headers"], *((name, str(text)) for name, text in about.items())]}


def set_a_good_event_aside(rows: Rows) -> None:
    rows.topics["triage.deadletters"].append(letter_of(rows.find(FINDINGS, "ReadingAnswered", PLAIN)))


def poison(rows: Rows) -> Row:
    """A record of the run's poison, with its line in others.jsonl."""
    row = {**rows.find(FINDINGS, "ReadingAnswered", PLAIN), "offset": 99, "value": "{", "key": "nobody"}
    rows.topics[FINDINGS].append(row)
    place = {name: row[name] for name in ("topic", "partition", "offset")}
    rows.others.append({"at": rows.acks[0]["at"], "what": "poison", **place, "id": head(row, "ce_id"), "kind": "torn"})
    return row


def leave_poison(rows: Rows) -> None:
    poison(rows)


def lose_a_bad_file(rows: Rows) -> None:
    rows.others.append({"at": rows.acks[0]["at"], "what": "bad-file", "sha256": "b" * 64, "kind": "empty"})


def lose_the_policy(rows: Rows) -> None:
    set_head(rows.find(OUTCOMES, "StudyClosed", PLAIN), "ce_policydigest", None)


def lose_the_trace(rows: Rows) -> None:
    set_head(rows.find(OUTCOMES, "StudyClosed", PLAIN), "traceparent", None)


def lose_the_cause(rows: Rows) -> None:
    set_head(rows.find(OUTCOMES, "StudyClosed", PLAIN), "ce_causationid", None)


def key_it_wrong(rows: Rows) -> None:
    rows.find(OUTCOMES, "StudyClosed", PLAIN)["key"] = OVERRIDDEN


def name_somebody(rows: Rows) -> None:
    rows.logs["logs/worker.log"] = f"could not read {rows.studies[0]['canaries'][0]} at all".encode()


def misspell_an_event(rows: Rows) -> None:
    amend(rows.find(PLACES, "PlaceChanged", PLAIN), description=5)


def say_it_on_another_topic(rows: Rows) -> None:
    placed = rows.find(PLACES, "PlaceChanged", PLAIN)
    rows.topics["imaging.quality"].append({**placed, "topic": "imaging.quality", "offset": 0})


Bend = Callable[[Rows], None]
BENT: dict[str, tuple[Bend, ...]] = {
    "stored": (forget_an_image, drop_a_byte, damage_an_object, lose_an_object),
    "letgo": (let_go_early, let_go_by_an_earlier_end, let_go_under_an_alert, let_go_without_an_outcome, let_go_unread),
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
