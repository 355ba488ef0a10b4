"""What is asked for happens: at the point, the side and the time named, so often as it may, and it is written down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from streams.errors import SettingInvalid
from streams.faults.firing import Armed, arm, faults_in, protections_in
from streams.faults.points import STATE, Point
from streams.faults.protections import Protection


class Process:
    """An armed process whose death is only noted."""

    def __init__(self, folder, text="", name="worker-1", asks=False):
        self.happened = []
        self.armed = Armed(
            folder=folder, process=name, faults=faults_in(text), asks=asks,
            die=lambda: self.happened.append("crash"), stand_still=self.happened.append,
        )  # fmt: skip

    def passes(self, times=1, point=Point.EVENT_SENT, side="before"):
        for _ in range(times):
            self.armed.reached(point, side)
        return self.happened


def test_the_nth_time_and_no_other(tmp_path):
    process = Process(tmp_path, "event_sent:before:crash:nth=3")
    assert process.passes(2) == []
    assert process.passes() == ["crash"]
    assert process.passes(5) == ["crash"]
    assert process.passes(9, side="after") == ["crash"]
    assert process.passes(9, point=Point.OUTBOX_SENT) == ["crash"]


def test_a_stall_and_a_crash_side_by_side(tmp_path):
    """A list; stalls say how long."""
    process = Process(tmp_path, "event_sent:before:stall=2.5, event_sent:after:crash")
    process.passes()
    assert process.passes(side="after") == [2.5, "crash"]


def test_by_chance_as_often_as_asked(tmp_path):
    """One in five of a thousand, and the seed alone decides which."""
    happened = Process(tmp_path, "event_sent:before:crash:chance=0.2:seed=4").passes(1000)
    assert 150 < len(happened) < 250
    assert len(Process(tmp_path, "event_sent:before:crash:chance=0.2:seed=4").passes(1000)) == len(happened)


def test_times_count_over_restarts(tmp_path):
    """A process that died and was started again with the same environment does not die for ever."""
    lives = [Process(tmp_path, "event_sent:before:crash:times=2").passes(3) for _ in range(4)]
    assert lives == [["crash"], ["crash"], [], []]


def test_a_wish_is_fulfilled_once(tmp_path):
    """The file is the claim: the first process takes it; one that is named for a process waits for that one."""
    first, second = (Process(tmp_path, name=n, asks=True) for n in ("worker-1", "worker-2"))
    (tmp_path / "event_sent.before").write_text("stall=3\n")
    (tmp_path / "worker-2.event_sent.before").write_text("crash\n")
    assert first.passes(2) == [3.0]
    assert second.passes(2) == ["crash"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fired.jsonl"]


def test_what_happened_is_written_first(tmp_path):
    """A crash leaves its line: where, who, when."""
    Process(tmp_path, "event_sent:before:crash").passes()
    (line,) = (tmp_path / "fired.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert (told["process"], told["pid"], told["action"]) == ("worker-1", os.getpid(), "crash")
    assert (told["point"], told["side"]) == ("event_sent", "before")


def test_a_crash_is_a_kill(tmp_path):
    """No handler, no `finally`, no flush: SIGKILL."""
    script = (
        "import pathlib, sys; from streams.faults.firing import arm; from streams.faults.points import Point\n"
        "arm(pathlib.Path(sys.argv[1]), 'worker-1', 'outbox_sent:after:crash', ())\n"
        "try:\n  with Point.OUTBOX_SENT: pass\nfinally: print('still here')"
    )
    argv = [sys.executable, "-c", script, tmp_path]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "")
    assert "FAILS WHERE IT IS ASKED TO" in ended.stderr


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("nowhere:before:crash", "nowhere"),
        ("event_sent:during:crash", "during"),
        ("event_sent:before:explode", "explode"),
        ("event_sent:before:crash:often=3", "often"),
        ("event_sent:before:crash:nth=x", "x"),
        ("event_sent", "event_sent"),
    ],
)
def test_a_wrong_fault_says_what_it_takes(text, names):
    with pytest.raises(SettingInvalid, match=names) as refused:
        faults_in(text)
    assert "outbox_sent" in str(refused.value)


def test_a_wrong_protection_says_which_there_are():
    assert protections_in("outbox, window") == (Protection.OUTBOX, Protection.WINDOW)
    with pytest.raises(SettingInvalid, match=r"seatbelt.*durable_timers"):
        protections_in("seatbelt")


def test_unasked_nothing_is_armed(tmp_path):
    arm(tmp_path, "worker-1", None, ())
    assert STATE.reached is None
    assert all(p.on for p in Protection)
    assert list(tmp_path.iterdir()) == []


def test_what_is_off_is_said_loudly(tmp_path, caplog):
    arm(tmp_path, "worker-1", None, (Protection.OUTBOX,))
    assert [p for p in Protection if not p.on] == [Protection.OUTBOX]
    assert [(r.levelname, "WITHOUT outbox" in r.message) for r in caplog.records] == [("CRITICAL", True)]
