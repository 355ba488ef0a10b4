"""`make test`: tests on the real parts, which mostly wait, beside all others, and chaos after these.

Arguments go to both; with a path, a mark or a keyword among them there is one run, as pytest would make it.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

HALVES = {"parts": "stack and not chaos", "rest": "not stack or chaos"}
NO_TESTS = 5
"""pytest's exit code where nothing was collected: the other half may have something."""
TOGETHER = ("--durations=15", "--durations-min=3", "-o", "console_output_style=count")


def main(arguments: Sequence[str]) -> int:
    """The exit code of the worse half."""
    command = [sys.executable, "-m", "pytest", *arguments]
    if any(a in {"-m", "-k", "-x"} or not a.startswith("-") for a in arguments):
        return subprocess.run(command, check=False).returncode
    began = time.monotonic()
    running = {
        name: subprocess.Popen(
            [*command, "-m", mark, *TOGETHER, "-o", f"cache_dir=.pytest_cache/{name}", *_files(name)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, mark in HALVES.items()
    }
    tellers = [threading.Thread(target=_tell, args=(name, process)) for name, process in running.items()]
    try:
        for teller in tellers:
            teller.start()
        codes = {name: process.wait() for name, process in running.items()}
    except KeyboardInterrupt:  # the terminal's Ctrl-C has reached both: each ends what it has started
        codes = {name: process.wait() for name, process in running.items()}
    for teller in tellers:
        teller.join()
    told = ", ".join(f"{name} {'well' if code in {0, NO_TESTS} else f'code {code}'}" for name, code in codes.items())
    print(f"both halves: {told}; {time.monotonic() - began:.0f} s", flush=True)
    return max(0 if code == NO_TESTS else abs(code) for code in codes.values())


def _files(name: str) -> list[str]:
    """Of a half: for the real parts those that name their mark, since reading all 250 takes 20 s."""
    every = sorted(Path(__file__).parent.rglob("test_*.py"))
    return [str(path) for path in every if "mark.stack" in path.read_text()] if name == "parts" else []


def _tell(name: str, process: subprocess.Popen[str]) -> None:
    """Each line that a half says, under its name."""
    for line in process.stdout or ():
        print(f"{name:5} | {line}", end="", flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
