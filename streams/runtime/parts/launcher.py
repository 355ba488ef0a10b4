"""Becomes a child of the stack that cannot outlive it: asks the kernel for SIGTERM at the parent's death, then execs.

Run as `python -I -S launcher.py PARENT_PID PROGRAM ARGUMENT...`, so that it costs some 15 ms and leaves nothing behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PARENT_GONE = 3
ENOUGH = 3


def main(argv: list[str]) -> int:
    """Execs `argv[1:]`; returns only where that is impossible."""
    if len(argv) < ENOUGH - 1:
        return 2
    parent, command = int(argv[0]), argv[1:]
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a mask is inherited, and would keep SIGTERM from the child
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != parent:  # it died before the kernel knew that we care
        return PARENT_GONE
    try:
        os.execvp(command[0], command)  # noqa: S606  # no shell is wanted
    except OSError as failed:
        sys.stderr.write(f"cannot start {command[0]}: {failed.strerror}\n")
        return 127


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
