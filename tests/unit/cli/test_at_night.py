"""What a person asks at night, from the record alone: the whole list, lag that is not known, letters sent again."""

from __future__ import annotations

import json
import logging
import re
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from streams.adapters.memory_twins import MemoryLog
from streams.cli import dlq, run, status, up, watch
from streams.cli.tables import clock
from streams.errors import Stop
from streams.events import telling
from streams.events.envelope import Envelope, to_kafka
from streams.events.identifiers import named_id
from streams.flow import DEADLETTERS
from streams.runtime.inference.circuit import Circuit
from streams.runtime.inference.told import FOLDER, Told, not_asked
from tests.support.examples import TIME, example

LATE = "no AI result yet"


@pytest.fixture
def record(tmp_path, monkeypatch) -> MemoryLog:
    """A record in memory, which the verbs find in place of Kafka's."""
    log = MemoryLog()

    @asynccontextmanager
    async def connected(_settings):
        yield SimpleNamespace(log=log)

    monkeypatch.setenv("WETREAD_HOME", str(tmp_path))
    for verb in (watch, dlq):
        monkeypatch.setattr(verb, "connected", connected)
    return log


def asked(verb, *words: str) -> str:
    """What the verb prints."""
    app = typer.Typer()
    verb.register(app)
    app.command("other")(lambda: None)  # typer runs a lone command without its name
    done = CliRunner().invoke(app, words, catch_exceptions=False, env={"COLUMNS": "160"})
    assert done.exit_code == 0
    return done.stdout


def placed(log: MemoryLog, study: str, minutes: int, state: str = "waiting") -> None:
    """A place on the record."""
    reason = telling.Reason(kind="no-ai-result", sentence=LATE)
    made = replace(
        example(telling.PlaceChanged), study=study, read_by=TIME + timedelta(minutes=minutes), state=state,
        reasons=(reason,),
    )  # fmt: skip
    log.append("triage.worklist", *to_kafka(Envelope(id=named_id("night", study), time=TIME, key=study, data=made)))


def test_the_whole_list_is_printed_once(record):
    """Every study that waits with its reason, however many, in its order; the command ends."""
    for number in range(60):
        placed(record, f"1.2.{number:03}", 60 - number)
    placed(record, "1.2.999", 1, "read")
    rows = json.loads(asked(watch, "watch", "--once", "--json"))
    assert [row["study"] for row in rows] == [f"1.2.{n:03}" for n in reversed(range(60))]
    assert rows[0]["reasons"] == [LATE]
    assert asked(watch, "watch", "--once").count(LATE) == 60


def test_lag_is_not_called_none_where_it_is_not_known(capsys):
    """While Kafka is away nobody knows how far the workers have come."""
    part = {"name": "kafka", "state": "waiting", "since": TIME.isoformat(), "pid": None, "restarts": 1}
    found = {"parts": [part | {"address": "", "note": ""}], "home": "", "error": "Kafka: away"}
    status._print(found)
    away = capsys.readouterr().out
    status._print(found | {"lag": {"triage.findings": 0}})
    well = capsys.readouterr().out
    assert ("?" in away.split("lag")[1].splitlines()[0], "none" in away) == (True, False)
    assert "none" in well.split("lag")[1]


@pytest.mark.parametrize("source", ["imaging.instances", "triage.readings.urgent.retry"])
def test_a_letter_of_a_retry_topic_is_redriven_too(record, source):
    """What an older build could not read of a reading that was put off is not lost when the newer one is back."""
    record.append(DEADLETTERS, b"k", b"v", [("ce_id", b"1"), ("wetread-source-topic", source.encode())])
    assert asked(dlq, "dlq", "redrive", "0") == "1 sent again\n"
    (again,) = record.records(source)
    assert (again.key, again.value, again.headers) == (b"k", b"v", [("ce_id", b"1")])


def test_a_letter_of_a_door_is_not(record):
    """It is no event: the image itself has to be sent again."""
    record.append(DEADLETTERS, b"k", b"", [("wetread-source-topic", b"door dimse")])
    assert asked(dlq, "dlq", "redrive", "--all") == "0 sent again\n"


def test_a_stack_that_does_not_end_is_told_in_a_sentence(tmp_path, monkeypatch):
    """No traceback: how long it was waited for, and what may be done."""

    def never(_home, patience):
        raise TimeoutError(f"the stack (process 7) still runs after {patience:.0f} s")

    monkeypatch.setenv("WETREAD_HOME", str(tmp_path))
    monkeypatch.setattr(up, "end_stack", never)
    with pytest.raises(Stop, match=r"process 7\) still runs after 60 s: wait, or kill"):
        up.down()


async def away(_settings):
    """A stack whose processes live, and whose Kafka does not answer."""
    part = {"name": "kafka", "state": "running", "since": TIME.isoformat(), "pid": 1, "restarts": 0}
    return {"parts": [part | {"address": "", "note": ""}], "home": "", "error": "Kafka: away"}


def test_a_part_that_lives_and_does_not_answer_is_no_code_0(tmp_path, monkeypatch):
    """Whoever asks for the code alone is woken by a broker that hangs, before supervision calls it silent."""
    monkeypatch.setenv("WETREAD_HOME", str(tmp_path))
    monkeypatch.setattr(status, "_status", away)
    with pytest.raises(typer.Exit) as ended:
        status.status()
    assert ended.value.exit_code == 1


def test_a_model_that_is_not_asked_is_no_code_0(tmp_path, monkeypatch, capsys):
    """Which, by whom, since when and why; what a reader told that is gone is of the past."""
    monkeypatch.setenv("WETREAD_HOME", str(tmp_path))
    for reader in ("reader-1", "reader-2"):
        Told(tmp_path / FOLDER, reader, clock=lambda: TIME).hear("ich_ct", Circuit(is_open=True, why="not loaded"))
    parts = [
        {"name": name, "state": "running", "since": TIME.isoformat(), "pid": pid, "restarts": 0}
        for name, pid in (("reader-1", 7), ("reader-2", None))
    ]
    told = not_asked(tmp_path / FOLDER, status._readers(parts))
    assert [(one.reader, one.model) for one in told] == [("reader-1", "ich_ct")]
    found = {"parts": [p | {"address": "", "note": ""} for p in parts], "home": "", "lag": {}}
    found["not_asked"] = [asdict(one) for one in told]

    async def not_asking(_settings):
        return found

    monkeypatch.setattr(status, "_status", not_asking)
    with pytest.raises(typer.Exit) as ended:
        status.status()
    assert ended.value.exit_code == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "not asked" in line]
    assert all(word in line for word in ("ich_ct", "reader-1", "not loaded", clock(TIME)))


def test_a_process_logs_when_and_where(tmp_path, monkeypatch, capsys):
    """Also where the command line has set up its own short form before: without a time a log tells no order."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setenv("WETREAD_HOME", str(tmp_path))
    monkeypatch.setattr(run, "arm", lambda *_: None)
    monkeypatch.setitem(run.ROLES, "worker", lambda *_: logging.getLogger("streams.x").info("begins"))
    try:
        root.handlers = [logging.StreamHandler()]
        root.setLevel(logging.WARNING)
        run.run("worker", None)
    finally:
        root.handlers, _ = handlers, root.setLevel(level)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO streams.x begins\n", capsys.readouterr().err)
