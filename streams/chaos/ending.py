"""The end of a run: what is left is read, and the verifier is asked."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson

from streams.chaos import collecting
from streams.chaos.history import History
from streams.chaos.site import Site
from streams.flow import DEADLETTERS, RETRY, TOPICS

EVERYTHING = (*(t.name for t in TOPICS), *RETRY.values(), DEADLETTERS)
AGENTS = ("orders", "intake", "triage", "growth")
STORIES = 2


def fell(torments: Sequence[str], fallen: int, say: Callable[[str], None]) -> bool:
    """Whether anything was broken, where something was to be: a promise that nothing tried says nothing."""
    if fallen or not torments:
        return True
    say("nothing fell: the log says why no torment could strike")
    return False


def everything(site: Site, history: History, say: Callable[[str], None]) -> bool:
    """What is left at the end; False: a part never came back, and no verdict is a good one."""
    whole = True
    for what, dump in (
        ("topics", lambda: collecting.dump_topics(site.kafka, EVERYTHING, history)),
        ("Redis", lambda: collecting.dump_redis(site.redis, AGENTS, history)),
        ("stories", lambda: collecting.dump_stories(site, _some_studies(history), history)),
    ):
        try:
            dump()
        except Exception as error:  # noqa: BLE001  # whatever it is, the other parts are read
            whole = False
            say(f"{what} could not be read: {type(error).__name__}: {error}")
    return whole


def _some_studies(history: History) -> Sequence[str]:
    lines = (history.folder / "studies.jsonl").read_bytes().splitlines()
    studies = [orjson.loads(line)["study"] for line in lines]
    return random.Random(len(studies)).sample(studies, min(STORIES, len(studies)))


def verified(folder: Path, say: Callable[[str], None]) -> int:
    """What the verifier says of a history: its exit code."""
    argv = [sys.executable, "-m", "streams.chaos.verifier", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
    say(done.stdout.rstrip() or done.stderr.rstrip()[-2000:])
    return done.returncode
