"""No planted name, patient id, birth date or accession number stands in any topic, key, log, metric or trace."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from streams.chaos.verifier.history import History
from streams.chaos.verifier.needles import Needles, forms, of_dates
from streams.chaos.verifier.violations import Violation, broken

NAME = "canaries"
SEARCHED = ("topics", "logs", "metrics", "traces")
ALONE = ("redis.json", "why.jsonl", "supervision.jsonl", "processes.jsonl", "stores.jsonl")
GZIP = b"\x1f\x8b"
EACH_MOST = 5
"""Of one file; a log that names one patient names all."""


def check(history: History) -> Iterator[Violation]:
    """Whatever their case, also backwards, escaped for a URL, in base64 and in hexadecimal."""
    owners: dict[bytes, str] = {}
    for sent in history.studies.values():
        words = [form for word in sent.canaries for form in forms(word)]
        dates = list(of_dates(sent.birth_date)) if sent.birth_date else []
        owners |= dict.fromkeys((*words, *dates), sent.study)
    if not owners:
        yield broken(NAME, None, "no canary was planted: nothing can be said of names in topics and logs")
        return
    needles = Needles(owners)
    for path in _files(history.folder):
        content = _plain(path.read_bytes())
        for number, (at, needle) in enumerate(needles.found_in(content)):
            if number == EACH_MOST:
                break
            yield _told(history, path, content, at, owners[needle])


def _plain(content: bytes) -> bytes:
    """Exporters may compress what they send."""
    return gzip.decompress(content) if content.startswith(GZIP) else content


def _files(folder: Path) -> list[Path]:
    below = [path for name in SEARCHED for path in sorted((folder / name).rglob("*")) if path.is_file()]
    return [*below, *(folder / name for name in ALONE if (folder / name).is_file())]


def _told(history: History, path: Path, content: bytes, at: int, study: str) -> Violation:
    """Without the words themselves: the verdict is shown to people."""
    name = path.relative_to(history.folder)
    start = content.rfind(b"\n", 0, at) + 1
    line = content[start : content.find(b"\n", at) if b"\n" in content[at:] else len(content)]
    told = f"a patient's name, id, birth date or order stands in {name}, byte {at}, line {content.count(10, 0, at) + 1}"
    return Violation(check=NAME, study=study, events=_where(line) if name.parts[0] == "topics" else (), sentence=told)


def _where(line: bytes) -> tuple[str, ...]:
    try:
        row = json.loads(line)
        return (f"{row['topic']}/{row['partition']}/{row['offset']}",)
    except (ValueError, KeyError, TypeError):
        return ()
