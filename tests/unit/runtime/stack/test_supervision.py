"""Keeping one child alive, tried on small processes."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.errors import PartMissing
from streams.runtime.parts.guardian import Mark, is_alive
from streams.runtime.parts.states import State
from streams.runtime.stack import supervision
from streams.runtime.stack.supervision import Watcher, pause_before
from tests.support.kept_parts import Fake, Told, keeper


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "WATCH_EVERY", 0.01)
    monkeypatch.setattr(supervision, "ASK_EVERY", 0.01)
    monkeypatch.setattr(supervision, "pause_before", lambda *_: 0.01)


def test_pauses_double_up_to_half_a_minute():
    """At once after a calm life, since its partitions wait; then 1, 2, 4, 8, 16, and 30 s for ever."""
    assert [pause_before(n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 100)] == [0, 1, 2, 4, 8, 16, 30, 30, 30]


async def test_a_part_that_dies_is_started_again_and_reported(tmp_path: Path):
    """SIGKILL: waiting with the reason, then another process, counted; after the end nothing is left."""
    told = Told()
    kept = keeper(Fake(), tmp_path, told)
    kept.begin()
    first = await told.until(State.RUNNING)
    assert await kept.first_answer == ""
    os.kill(first.pid, signal.SIGKILL)
    waiting = await told.until(State.WAITING)
    assert (waiting.pid, waiting.note, waiting.restarts) == (None, "was killed by signal 9", 1)
    second = await told.until(State.RUNNING)
    assert second.pid != first.pid
    await kept.end()
    assert not is_alive(Mark(second.pid, second.ticks))
    assert kept.state.state is State.STOPPED
    pids = [(w.split()[0], int(w.split()[1])) for w in told.whispers]
    assert pids == [(verb, pid) for pid in (first.pid, second.pid) for verb in ("watch", "forget")]


async def test_a_part_that_never_starts_says_why(tmp_path: Path):
    """The last words of its log reach the person who started it."""
    told = Told()
    kept = keeper(Fake(argv=(sys.executable, "-c", "raise SystemExit('no port is free')"), well=False), tmp_path, told)
    kept.begin()
    complaint = await asyncio.wait_for(kept.first_answer, 20)
    assert complaint == "fake does not start: ended with code 1 (its log ends: no port is free)"
    await kept.end()


async def test_a_program_that_is_missing_is_named(tmp_path: Path):
    """The launcher's own error is a sentence too."""
    told = Told()
    kept = keeper(Fake(argv=("/nowhere/redis-server",), well=False), tmp_path, told)
    kept.begin()
    assert "cannot start /nowhere/redis-server: No such file" in await asyncio.wait_for(kept.first_answer, 20)
    await kept.end()


@pytest.mark.parametrize("fault", [PartMissing("run wetread doctor --mend"), OSError("disk full")])
async def test_a_set_up_that_fails_is_tried_again(tmp_path: Path, fault: Exception):
    """What prepare() cannot do now it may do later; the reason is told at once."""
    told = Told()
    part = Fake(broken=fault)
    kept = keeper(part, tmp_path, told)
    kept.begin()
    assert (await told.until(State.WAITING)).note == str(fault)
    part.broken = None
    assert (await told.until(State.RUNNING)).note == ""
    await kept.end()


async def test_a_fault_of_our_own_is_not_swallowed(tmp_path: Path):
    """An error that nobody expected ends the watching and is told."""
    told = Told()
    kept = keeper(Fake(broken=KeyError("port")), tmp_path, told)
    kept.begin()
    assert "no longer watched: KeyError('port')" in await asyncio.wait_for(kept.first_answer, 20)
    await kept.end()


async def test_a_process_that_does_not_listen_is_killed_with_what_it_started(tmp_path: Path):
    """SIGTERM ignored: after its grace the whole process group is killed."""
    told = Told()
    code = (
        "import os, pathlib, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); pid = os.fork();"
        f"pid and pathlib.Path('{tmp_path}/started').write_text(str(pid)); signal.pause()"
    )
    part = Fake(argv=(sys.executable, "-I", "-S", "-c", code), grace=0.2)
    kept = keeper(part, tmp_path, told)
    kept.begin()
    running = await told.until(State.RUNNING)
    while not (tmp_path / "started").exists() or not (tmp_path / "started").read_text():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await kept.end()
    grandchild = int((tmp_path / "started").read_text())
    for pid in (running.pid, grandchild):
        assert not running_process(pid)


async def test_a_part_that_lives_and_does_not_answer_is_silent(tmp_path: Path):
    """Silence is told after two unanswered questions, and so is its end; the process is left alone."""
    told = Told()
    part = Fake()
    kept = keeper(part, tmp_path, told)
    kept.begin()
    running = await told.until(State.RUNNING)
    part.well = False
    assert (await told.until(State.SILENT)).pid == running.pid
    part.well = True
    assert (await told.until(State.RUNNING)).restarts == 0
    await kept.end()


async def test_a_question_that_raises_counts_as_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A child's own readiness check may raise anything: told once, asked again."""
    told = Told()
    part = Fake()
    answers = itertools.chain([ZeroDivisionError("oops")] * 3, itertools.repeat(True))

    def ask() -> bool:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(part, "is_ready", ask)
    kept = keeper(part, tmp_path, told)
    kept.begin()
    assert await asyncio.wait_for(kept.first_answer, 20) == ""
    notes = [state.note for state, _ in (told.queue.get_nowait() for _ in range(told.queue.qsize()))]
    assert notes == ["", "could not be asked: ZeroDivisionError('oops')", ""]
    await kept.end()


async def test_a_part_elsewhere_is_only_asked():
    """It is well or away; nothing is started and nothing ended."""
    told = Told()
    part = Fake(words="model broken: reason")
    watcher = Watcher(part, told)
    watcher.begin()
    found = await told.until(State.ELSEWHERE)
    assert (found.pid, found.note) == (None, "model broken: reason")
    part.well = False
    await told.until(State.AWAY)
    part.well = True
    await told.until(State.ELSEWHERE)
    await watcher.end()
    assert watcher.state.state is State.STOPPED


@pytest.mark.parametrize("turns", range(12))
async def test_an_end_that_meets_an_answer_is_heard(turns: int, monkeypatch: pytest.MonkeyPatch):
    """Whichever turn of the loop it comes in: the asking ends, and does not go on for ever behind our back."""

    async def at_once(ask: Callable[[], object]) -> object:
        return ask()

    monkeypatch.setattr(supervision.asyncio, "to_thread", at_once)
    monkeypatch.setattr(supervision, "ASK_EVERY", 0)
    watcher = Watcher(Fake(well=False), Told())
    watcher.begin()
    for _ in range(turns):
        await asyncio.sleep(0)
    await asyncio.wait_for(watcher.end(), 5)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_life_that_is_over_leaves_nobody_asking(tmp_path: Path):
    """A child that dies while it is asked: when its next life begins or it is ended, the old question is over."""
    told = Told()
    kept = keeper(Fake(argv=("/bin/true",), well=False), tmp_path, told)
    asked: list[asyncio.Task[object]] = []
    ask = kept._ask

    async def noted() -> None:
        asked.append(asyncio.current_task())
        await ask()

    kept._ask = noted
    kept.begin()
    for _ in range(2):
        await told.until(State.WAITING)
        assert all(task.done() for task in asked)
    await kept.end()
    assert asked
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_childs_environment_is_ours_with_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Variables are added, replaced, and taken away by an empty value."""
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.setenv("GONE", "1")
    told = Told()
    code = "import os; print(os.environ.get('KEPT'), os.environ.get('GONE'), os.environ['NEW']); raise SystemExit(1)"
    part = Fake(argv=(sys.executable, "-c", code), env={"GONE": "", "NEW": "2"}, well=False)
    kept = keeper(part, tmp_path, told)
    kept.begin()
    assert "1 None 2" in await asyncio.wait_for(kept.first_answer, 20)
    await kept.end()


def running_process(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
