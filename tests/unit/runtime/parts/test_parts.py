"""Locks, ports, the record of processes and the layout of models, without any real part."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.errors import PartMissing
from streams.runtime.parts import fetch, guardian, jars, ports, wheels
from streams.runtime.parts.digests import is_whole, make_whole, read_jar_lock
from streams.runtime.parts.guardian import Mark, await_end, end_groups, is_alive, mark_of
from streams.runtime.parts.record import end_leftovers, end_stack, hold, read_record, write_record
from streams.runtime.parts.settings import PartsSettings
from streams.runtime.parts.states import PartState, State
from streams.runtime.parts.triton import lay_out_model, lay_out_models


@pytest.fixture(autouse=True)
def own_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims of ports in a folder of the test's own."""
    claims = tmp_path / "claims"
    claims.mkdir()
    monkeypatch.setattr(ports.tempfile, "gettempdir", lambda: str(claims))


def test_the_lock_names_every_jar_by_digest_and_none_by_address():
    """46 jars, Kafka 4.3.0 among them, and no host in what is committed."""
    locked = {jar.filename: jar.sha256 for jar in read_jar_lock(jars.jar_lock())}
    assert len(locked) == 46
    assert "kafka_2.13-4.3.0.jar" in locked
    assert all(len(digest) == 64 for digest in locked.values())
    for lock in (jars.jar_lock(), jars.jar_spec(), wheels.server_lock(), wheels.models_lock()):
        assert "://" not in lock.read_text()


def test_a_lock_without_digest_is_refused(tmp_path: Path):
    """What nothing could check is not fetched."""
    lock = tmp_path / "jgo.lock.toml"
    lock.write_text('[[dependencies]]\ngroupId = "g"\nartifactId = "a"\nversion = "1"\n')
    with pytest.raises(PartMissing, match="no SHA-256 for a"):
        read_jar_lock(lock)


def test_a_jar_that_differs_is_thrown_away_with_a_sentence(tmp_path: Path):
    """Jgo itself would take it."""
    jar = read_jar_lock(jars.jar_lock())[0]
    path = tmp_path / jar.filename
    path.write_bytes(b"another one")
    with pytest.raises(PartMissing, match=rf"{jar.filename} differs .* run the same again"):
        jars.check_jar(path, jar)
    assert not path.exists()


def test_the_models_never_get_numpy_2(tmp_path: Path):
    """Triton 24.10 hands models zeros under numpy 2, with status OK."""
    packages = tmp_path / "lib" / f"python{wheels.PYTHON}" / "site-packages"
    (packages / "numpy-1.26.4.dist-info").mkdir(parents=True)
    wheels.check_numpy(tmp_path)
    (packages / "numpy-2.2.0.dist-info").mkdir()
    with pytest.raises(PartMissing, match=r"zeros.*doctor --mend"):
        wheels.check_numpy(tmp_path)
    assert "\nnumpy==1.26.4 " in wheels.models_lock().read_text()


def test_an_interrupted_set_up_is_never_taken_for_whole(tmp_path: Path):
    """A folder appears under its name only when it is filled; what was begun is handed on to the next attempt."""
    folder = tmp_path / "kafka"

    def interrupted(working: Path) -> None:
        (working / "first").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_whole(folder, "v1", interrupted)
    assert not folder.exists()

    seen = []
    make_whole(folder, "v1", lambda working: seen.extend(p.name for p in working.iterdir()))
    assert seen == ["first"]
    assert is_whole(folder, "v1")
    assert not is_whole(folder, "v2")

    with pytest.raises(KeyboardInterrupt):
        make_whole(folder, "v2", interrupted)
    assert is_whole(folder, "v1")
    make_whole(folder, "v2", lambda _working: None)
    assert is_whole(folder, "v2")


def test_what_runs_elsewhere_is_not_fetched(tmp_path: Path):
    """With all addresses given there is nothing to do, and nothing is written."""
    settings = PartsSettings(home=tmp_path / "home", kafka="k:1", redis="redis://r", triton="t:1")
    lines: list[str] = []
    fetch.ensure_parts(settings.home, lines.append, settings)
    assert (lines, settings.home.exists()) == ([], False)
    assert fetch.missing_parts(settings) == ()


def test_the_doctor_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One sentence a thing, each with the command that mends it."""
    monkeypatch.setattr(wheels, "LIBPYTHON", "libpython9.so")
    sentences = fetch.missing_parts(PartsSettings(home=tmp_path))
    assert [s.split()[0] for s in sentences] == ["kafka", "kafka-start", "triton", "models", "libpython9.so"]
    assert all("wetread doctor --mend" in s for s in sentences[:-1])
    assert sentences[-1].endswith(f"apt-get install libpython{wheels.PYTHON}")


def test_ports_are_low_distinct_and_remembered(tmp_path: Path):
    """Below the range of outgoing connections; the same at the next start."""
    home = tmp_path / "a"
    first = ports.claim_ports(home, ["kafka", "redis"])
    assert len(set(first.values())) == 2
    assert all(ports.LOWEST <= port < ports.CEILING for port in first.values())
    assert ports.claim_ports(home, ["kafka", "redis"]) == first
    assert ports.claim_ports(home, ["dimse"])["dimse"] not in first.values()
    assert set(ports.remembered_ports(home)) == {"kafka", "redis", "dimse"}


def test_a_port_that_somebody_took_is_replaced(tmp_path: Path):
    """A remembered port on which another program listens is given up."""
    home = tmp_path / "a"
    port = ports.claim_ports(home, ["redis"])["redis"]
    with socket.create_server(("127.0.0.1", port)):
        assert not ports.is_free(port)
        assert ports.claim_ports(home, ["redis"])["redis"] != port


def test_a_stopped_stacks_ports_are_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Another home does not take them, though nobody listens; once the home is gone they are free."""
    monkeypatch.setattr(ports, "_order", lambda _home: iter(range(ports.LOWEST, ports.CEILING)))
    one, other = tmp_path / "one", tmp_path / "other"
    port = ports.claim_ports(one, ["redis"])["redis"]
    assert ports.claim_ports(other, ["redis"])["redis"] != port
    (one / ports.REMEMBERED).unlink()
    assert ports.claim_ports(tmp_path / "third", ["redis"])["redis"] == port


def test_a_home_is_held_by_one(tmp_path: Path):
    """A second holder is refused until the first lets go."""
    held = hold(tmp_path)
    assert held is not None
    assert hold(tmp_path) is None
    os.close(held)
    again = hold(tmp_path)
    assert again is not None
    os.close(again)


def test_a_process_is_told_from_a_later_one_of_its_number():
    """The kernel's start time is part of a mark."""
    me = mark_of(os.getpid())
    assert me is not None
    assert is_alive(me)
    assert not is_alive(Mark(me.pid, me.ticks - 1))
    guardian.signal_group(Mark(me.pid, me.ticks - 1), guardian.signal.SIGKILL)  # would end this test


def test_leftovers_are_ended_and_strangers_are_not(tmp_path: Path):
    """After a crash the next start ends what the record names, unless the number is now another process'."""
    left, stranger = sleeper(), sleeper()
    marks = [mark_of(p.pid) for p in (left, stranger)]
    parts = [
        PartState(name="redis", state=State.RUNNING, since="", pid=marks[0].pid, ticks=marks[0].ticks),
        PartState(name="kafka", state=State.RUNNING, since="", pid=marks[1].pid, ticks=marks[1].ticks - 1),
    ]
    write_record(tmp_path, None, parts)
    assert [part["state"] for part in read_record(tmp_path).parts] == ["running", "stopped"]
    assert end_leftovers(tmp_path) == ("redis",)
    assert left.wait(10) < 0
    assert is_alive(marks[1])
    stranger.kill()
    stranger.wait()


def test_a_record_of_an_earlier_boot_says_nothing(tmp_path: Path):
    """Process numbers and start times begin anew at a boot."""
    write_record(tmp_path, None, [])
    assert read_record(tmp_path).stack == mark_of(os.getpid())
    record = json.loads((tmp_path / "stack.json").read_text())
    (tmp_path / "stack.json").write_text(json.dumps(record | {"boot": "another"}))
    assert read_record(tmp_path).stack is None
    assert not end_stack(tmp_path, 1)


def test_the_guardian_ends_what_it_watches_when_its_input_ends():
    """A process that ignores SIGTERM too; one that it was told to forget lives on."""
    deaf = sleeper("signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True);")
    assert deaf.stdout
    deaf.stdout.readline()
    forgotten = sleeper()
    script = [sys.executable, "-I", "-S", guardian.__file__]
    with subprocess.Popen(script, stdin=subprocess.PIPE, text=True) as watch:
        for process in (deaf, forgotten):
            watch.stdin.write(f"watch {process.pid} {mark_of(process.pid).ticks} 0.1\n")
        watch.stdin.write(f"forget {forgotten.pid}\n")
        watch.stdin.close()
        assert watch.wait(10) == 0
    assert deaf.wait(10) == -9
    deaf.stdout.close()
    assert forgotten.poll() is None
    mark = mark_of(forgotten.pid)
    end_groups([(mark, 5)])
    assert forgotten.wait(10) == -15
    assert await_end(mark, time.monotonic() + 5)


def test_only_whole_models_are_shown_to_triton(tmp_path: Path):
    """Cards, half-written folders and empty versions stay out of its sight; files are linked, not copied."""
    models, repository = tmp_path / "models", tmp_path / "repository"
    for name, version in (("whole", "1"), ("empty", "1"), ("no-config", "1"), ("no-version", "latest")):
        (models / name / version).mkdir(parents=True)
        if name != "empty":
            (models / name / version / "model.onnx").touch()
        if name != "no-config":
            (models / name / "config.pbtxt").touch()
    (models / "whole" / "card.md").touch()
    (models / "README.md").touch()
    assert lay_out_models([models, tmp_path / "absent"], repository) == ("whole",)
    assert sorted(p.name for p in (repository / "whole").iterdir()) == ["1", "config.pbtxt"]
    (models / "whole" / "2").mkdir()
    (models / "whole" / "2" / "model.onnx").touch()
    lay_out_models([models], repository)
    assert (repository / "whole" / "2" / "model.onnx").exists()


def test_only_models_in_processes_of_their_own_sign_their_answers(tmp_path: Path):
    """The local backend's models are given the output RECEIPT, once; a native backend's file is linked as it is."""
    models, repository = tmp_path / "models", tmp_path / "repository"
    for name, backend in (("ours", "onnxruntime"), ("other", "tensorrt"), ("says-so", "onnxruntime")):
        (models / name / "1").mkdir(parents=True)
        (models / name / "1" / "model.onnx").touch()
        (models / name / "config.pbtxt").write_text(f'name: "{name}"\nbackend: "{backend}"\n')
    said = (models / "says-so" / "config.pbtxt").read_text() + 'output [ { name: "RECEIPT" } ]'
    (models / "says-so" / "config.pbtxt").write_text(said)
    before = (models / "ours" / "config.pbtxt").read_text()
    for _ in range(2):
        lay_out_models([models], repository)
    assert (repository / "ours" / "config.pbtxt").read_text().count("RECEIPT") == 1
    assert (repository / "other" / "config.pbtxt").is_symlink()
    assert (repository / "says-so" / "config.pbtxt").read_text() == said
    (repository / "ours" / "config.pbtxt").unlink()
    (repository / "ours" / "config.pbtxt").symlink_to(models / "ours" / "config.pbtxt")  # as earlier versions left it
    assert lay_out_model(models / "ours", repository)
    assert "RECEIPT" in (repository / "ours" / "config.pbtxt").read_text()
    assert (models / "ours" / "config.pbtxt").read_text() == before


def sleeper(first: str = "") -> subprocess.Popen[str]:
    script = [sys.executable, "-I", "-S", "-c", f"import signal; {first} signal.pause()"]
    output = subprocess.PIPE if first else None
    return subprocess.Popen(script, start_new_session=True, stdout=output, text=True)
