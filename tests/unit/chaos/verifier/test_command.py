"""The command: its exit code is the verdict, its JSON is whole, a study's story is told, a torn history is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

from streams.chaos.verifier.__main__ import BROKEN, KEPT, UNUSABLE, main
from streams.chaos.verifier.loading import HistoryUnreadable, load
from streams.chaos.verifier.printing import SHOWN
from streams.chaos.verifier.verdict import CHECKS, violations
from tests.support.histories import a_day
from tests.support.history_rows import uid
from tests.support.studies import at

day = cache(a_day)


def torment(number, fault):
    """One that falls in an instant, and is well a second later."""
    return {
        "number": number, "at": str(at(9)), "mono": 9.0, "fault": fault, "target": fault, "pid": 1, "seconds": None,
        "ended_at": str(at(9)), "ended_mono": 9.0, "recovered_at": str(at(10)), "recovered_mono": 10.0, "note": "",
    }  # fmt: skip


def test_a_kept_promise_ends_with_0(tmp_path, capsys):
    """The table names every check; verdict.json says that all is kept."""
    assert main([str(day().write(tmp_path))]) == KEPT
    printed = capsys.readouterr().out
    assert all(name in printed for name in CHECKS)
    assert "The promise held" in printed
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["kept"] is True
    assert verdict["seed"] == 7
    assert set(verdict["checks"]) == set(CHECKS)
    assert verdict["figures"]["studies"] == 8


def test_a_broken_promise_ends_with_1_and_says_how_to_see_it(tmp_path, capsys):
    """With the seed, the folder, and the command of the first study's story."""
    rows = day().bent()
    rows.drop("triage.outcomes", "StudyClosed", uid(3), 1)
    assert main([str(rows.write(tmp_path))]) == BROKEN
    printed = capsys.readouterr().out
    assert "revision 2 has no outcome" in printed
    assert f"story {tmp_path} {uid(3)}" in printed
    (violation,) = json.loads((tmp_path / "verdict.json").read_text())["violations"]
    assert (violation["check"], violation["study"]) == ("outcomes", uid(3))
    assert violation["events"][0].startswith("imaging.studies/")


def test_many_violations_are_counted_not_listed(tmp_path, capsys):
    """The rest is in verdict.json."""
    rows = day().bent()
    rows.objects.clear()
    assert main([str(rows.write(tmp_path))]) == BROKEN
    assert f"... and {96 - SHOWN} more" in capsys.readouterr().out


def test_a_story_tells_all_of_one_study(tmp_path, capsys):
    """What was sent, answered and broken, and each event where it stands; nothing of another study."""
    rows = day().bent()
    rows.topics["triage.worklist"] = [r for r in rows.topics["triage.worklist"] if r["key"] != uid(6)]
    rows.write(tmp_path)
    assert main(["story", str(tmp_path), f"498.{6}"]) == KEPT
    printed = capsys.readouterr().out
    for word in (
        "C-STORE",
        "InstancesStored",
        "AlertRaised",
        "StudyClosed",
        "feedback",
        "has no place on the worklist",
    ):
        assert word in printed
    assert uid(7) not in printed
    assert main(["story", str(tmp_path), "nothing"]) == UNUSABLE


def test_an_unreadable_history_ends_with_2(tmp_path, capsys):
    """An empty folder is no kept promise; the sentence names what is missing."""
    assert main([str(tmp_path)]) == UNUSABLE
    assert "plan.json" in capsys.readouterr().err


def test_a_torn_last_line_is_passed_over_and_no_other(tmp_path):
    """The harness may be killed while it writes; a torn line in the middle is a damaged file."""
    rows = day().write(tmp_path)
    acks = (rows / "acks.jsonl").read_text()
    (rows / "acks.jsonl").write_text(acks + '{"at": "2026-0')
    assert len(load(rows).acks) == 96
    (rows / "acks.jsonl").write_text('{"at": "2026-0\n' + acks)
    with pytest.raises(HistoryUnreadable):
        load(rows)


def test_a_hollow_record_is_told_and_blinds_no_check(tmp_path):
    """An event without its fields must not stop the verifier, nor make it silent: what it said is missing."""
    rows = day().bent()
    rows.find("triage.worklist", "PlaceChanged", uid(1))["value"] = "{}"
    assert main(["--quiet", str(rows.write(tmp_path))]) == BROKEN
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["checks"]["schemas"] == 1
    assert verdict["checks"]["waits"] == 1
    assert not any("could not be carried out" in v["sentence"] for v in verdict["violations"])


def test_a_check_that_cannot_be_carried_out_is_a_violation(tmp_path):
    """Deep inside an event something is missing: what could not be looked at is not praised."""
    rows = day().bent()
    row = rows.find("triage.worklist", "PlaceChanged", uid(1))
    row["value"] = json.dumps({**json.loads(row["value"]), "reasons": [{}]})
    assert main(["--quiet", str(rows.write(tmp_path))]) == BROKEN
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert any("could not be carried out" in v["sentence"] for v in verdict["violations"])


def test_records_without_an_id_are_none_of_each_others(tmp_path):
    """Garbage on a topic is told as such; nothing else is blamed for it."""
    rows = day().bent()
    row = rows.find("triage.worklist", "PlaceChanged", uid(1))
    for number in (90, 91):
        rows.topics["triage.worklist"].append({**row, "offset": number, "headers": [["ce_id", ""]], "value": "garbage"})
    found = violations(load(rows.write(tmp_path)))
    assert {v.check for v in found} == {"schemas", "envelopes"}
    assert {where for v in found for where in v.events} == {f"triage.worklist/{row['partition']}/{n}" for n in (90, 91)}


def test_the_verifier_knows_nothing_of_the_product(tmp_path):
    """It runs where nothing else of the package has been imported."""
    day().write(tmp_path)
    script = (
        "import sys; from streams.chaos.verifier.__main__ import main; code = main(['--quiet', sys.argv[1]]);"
        "mine = 'streams.chaos.verifier';"
        "others = [m for m in sys.modules if m.startswith('streams.') and not m.startswith(mine)];"
        "print(code, sorted(others))"
    )
    told = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "0 ['streams.chaos']"


def test_runs_are_summed_into_rows(tmp_path, capsys):
    """Kills by part, crashes by point and side, what was lost: of all; a history that was not judged is refused."""
    folders = []
    for number in (1, 2):
        rows = day().bent()
        rows.torments += [torment(1, "worker.kill"), torment(2, "triton.model"), torment(3, "kafka.away")]
        if number == 2:
            rows.drop("triage.outcomes", "StudyClosed", uid(3), 1)
        folders.append(rows.write(tmp_path / str(number)))
        run = json.loads((folders[-1] / "run.json").read_text())
        run["points"] = {"fsynced.before": 2, "fsynced.after": 1, "answer_sent.after": 0}
        (folders[-1] / "run.json").write_text(json.dumps(run))
        main(["--quiet", str(folders[-1])])
    assert main(["sum", *map(str, folders)]) == KEPT
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    by_name = {row[0]: row[1:] for row in rows if row}
    assert by_name["fsynced"] == ["4", "2", "6"]
    assert by_name["answer_sent"] == ["0", "0", "0"]
    assert (by_name["worker"], by_name["stub"], by_name["kafka"]) == (["2"], ["2"], ["2"])
    (total,) = (cells for name, cells in by_name.items() if name.startswith("in all: 2 runs"))
    assert total[:5] == ["16", "192", "1", "1", "0"]
    assert main(["sum", str(tmp_path)]) == UNUSABLE
