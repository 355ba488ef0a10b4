"""`python -m streams.chaos.verifier HISTORY`, `... story HISTORY STUDY`, and `... sum HISTORY...`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from streams.chaos.verifier import printing, story, summing
from streams.chaos.verifier.figures import figures
from streams.chaos.verifier.loading import HistoryUnreadable, load
from streams.chaos.verifier.verdict import violations

KEPT, BROKEN, UNUSABLE = 0, 1, 2
WIDTH = 160


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 all is kept, 1 something is broken, 2 there is nothing to judge."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        verb = VERBS.get(given[0]) if given else None
        return verb(given[1:]) if verb else _judge(given)
    except (HistoryUnreadable, ValueError) as error:
        print(error, file=sys.stderr)  # noqa: T201  # a command says what is wrong
        return UNUSABLE


def _console() -> Console:
    """As wide as the terminal; in a file, wide enough for the tables."""
    return Console(width=None if sys.stdout.isatty() else WIDTH)


def _judge(given: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m streams.chaos.verifier", description=__doc__)
    parser.add_argument("history", type=Path, help="a history's folder")
    parser.add_argument("--verdict", type=Path, help="where the verdict goes as JSON; else verdict.json in the folder")
    parser.add_argument("--quiet", action="store_true", help="write the JSON only")
    asked = parser.parse_args(given)
    history = load(asked.history)
    found = violations(history)
    measured = figures(history, found)
    path = asked.verdict or asked.history / "verdict.json"
    path.write_text(json.dumps(printing.document(history, found, measured), indent=2) + "\n", encoding="utf-8")
    if not asked.quiet:
        printing.show(_console(), history, found, measured)
    return BROKEN if found else KEPT


def _tell(given: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m streams.chaos.verifier story", description="One study's story.")
    parser.add_argument("history", type=Path, help="a history's folder")
    parser.add_argument("study", help="Study Instance UID, or the end of one that is unique")
    asked = parser.parse_args(given)
    history = load(asked.history)
    study = story.named(history, asked.study)
    story.show(_console(), history, study, violations(history))
    return KEPT


def _sum(given: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m streams.chaos.verifier sum", description=summing.__doc__)
    parser.add_argument("histories", type=Path, nargs="+", help="folders of histories that were judged")
    for line in summing.lines(parser.parse_args(given).histories):
        print(line)  # noqa: T201  # what the command is for
    return KEPT


VERBS: Mapping[str, Callable[[Sequence[str]], int]] = {"story": _tell, "sum": _sum}

if __name__ == "__main__":
    sys.exit(main())
