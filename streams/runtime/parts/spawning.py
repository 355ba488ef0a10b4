"""Starts one process of the stack: by the launcher, in a session of its own, with its output in a log of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from streams.runtime.parts.launcher import __file__ as launcher_file
from streams.runtime.parts.part import Launch

LOG_LIMIT = 5 << 20
LOG_GENERATIONS = 2
WORDS = 300


def tied(argv: Sequence[str]) -> list[str]:
    """The same command, by the launcher: it gets SIGTERM when the thread of ours that started it ends."""
    return [sys.executable, "-I", "-S", launcher_file, str(os.getpid()), *argv]


async def spawn(launch: Launch, name: str, home: Path) -> asyncio.subprocess.Process:
    """Starts it; it gets SIGTERM when the calling thread ends, so call from one that lives as long as the stack."""
    log = _open_log(home / "logs", name)
    try:
        return await asyncio.create_subprocess_exec(
            *tied(launch.argv),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home,
            env=environment_with(launch.env),
            start_new_session=True,
        )
    finally:
        os.close(log)


def environment_with(added: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: ours, with `added`; an empty value takes a variable away."""
    inherited = dict(os.environ)  # handed on, never decided by
    return {key: value for key, value in (inherited | dict(added)).items() if value or key not in added}


def how_it_died(code: int | None, name: str, home: Path) -> str:
    """The end of a process as words for a person, with the last line of its log where it was no clean end."""
    if code == 0:
        return "ended by itself"
    if code is None or code < 0:
        return f"was killed by signal {-(code or 0)}"
    try:
        lines = (home / "logs" / f"{name}.log").read_bytes()[-4000:].decode("utf-8", "replace").split("\n")
    except OSError:
        lines = []
    words = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"ended with code {code} (its log ends: {words[-WORDS:]})"


def _open_log(folder: Path, name: str) -> int:
    """Opens the part's log to be appended to; a log that has grown too long is put aside first."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.log"
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        for generation in range(LOG_GENERATIONS, 1, -1):
            older = folder / f"{name}.log.{generation - 1}"
            if older.exists():
                older.replace(folder / f"{name}.log.{generation}")
        path.replace(folder / f"{name}.log.1")
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
