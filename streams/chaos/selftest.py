"""`make chaos-selftest`: one protection off at a time, and each time the verifier must find what is lost or doubled."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.chaos.running import Asked, histories, run
from streams.chaos.torments.profiles import usual
from streams.runtime.settings import load

BROKEN = 1
"""The verifier's exit code where a promise is broken."""
MINUTES, RATE, SEED = 2.0, 1.0, 11
PAUSE_S = (1.0, 3.0)


@dataclass(frozen=True, slots=True)
class Trial:
    """A protection, and the torments that it stands against."""

    protection: str
    torments: tuple[str, ...]
    rate: float = RATE


TRIALS = (
    Trial("window", ("worker.kill", "link.redis-slow")),
    Trial("outbox", ("point.state_written-after", "point.outbox_sent-before")),
    Trial("id_check", ("point.outbox_sent-after", "point.answer_sent-after", "worker.kill")),
    Trial("capped_commit", ("reader.kill", "decoder.stop"), rate=3.0),
    Trial("watchdog", ("worker.hang",)),
    Trial("redis_watermark", ("redis.flush", "redis.cut")),
    Trial("fsync", ("door.kill", "point.scu_acknowledged-after")),
    Trial("durable_timers", ("worker.kill", "link.dicom-lossy")),
)
"""`receipt` is not among them: a stalled model mostly takes Triton with it before it answers one study with another.
tests/contract/test_stalled_model.py fails without it, in most of its runs."""


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 each was found, 1 one was not: a hole in the verifier, or in what is sent.

    arguments: names of protections; none: all of them.
    """
    chosen = [trial for trial in TRIALS if not arguments or trial.protection in arguments]
    missed = [trial.protection for trial in chosen if not _found(trial)]
    sys.stdout.write(f"not found: {', '.join(missed)}\n" if missed else f"each of {len(chosen)} was found\n")
    return 1 if missed else 0


def _found(trial: Trial) -> bool:
    folder = histories(load()) / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-without-{trial.protection}"
    home = Path(tempfile.mkdtemp(prefix="wetread-chaos-")) / "home"
    asked = Asked(
        seed=SEED, minutes=MINUTES, rate=trial.rate, profile=usual(trial.torments, PAUSE_S), folder=folder, home=home,
        unprotected=(trial.protection,), short=True,
    )  # fmt: skip
    _say(f"without {trial.protection}: {', '.join(trial.torments)}")
    code = run(asked, _say)
    shutil.rmtree(home.parent, ignore_errors=True)
    _say(f"without {trial.protection}: {'found' if code == BROKEN else f'NOT FOUND (code {code})'}")
    return code == BROKEN


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
