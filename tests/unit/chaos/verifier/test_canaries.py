"""No planted word is missed, however it is written and wherever it stands; none is found by chance."""

from __future__ import annotations

import base64
import gzip
from functools import cache
from urllib.parse import quote

import pytest

from streams.chaos.verifier.loading import load
from streams.chaos.verifier.verdict import violations
from tests.support.bends import PLACES, PLAIN
from tests.support.histories import a_day
from tests.support.history_rows import Rows

day = cache(a_day)


def broken(rows: Rows, folder) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for violation in violations(load(rows.write(folder))):
        found.setdefault(violation.check, []).append(violation.sentence)
    return found


SPELLINGS = {
    "as it is": lambda word: word,
    "lower case": str.lower,
    "reversed case": str.swapcase,
    "backwards": lambda word: word[::-1],
    "for a URL": lambda word: quote(word, safe=""),
    "base64": lambda word: base64.b64encode(f"a{word} and more".encode()).decode(),
    "base64 of lower case": lambda word: base64.b64encode(f"ab{word.lower()}!".encode()).decode(),
    "hexadecimal": lambda word: word.encode().hex(),
    "given name first": lambda word: " ".join(reversed(word.split("^"))),
}


@pytest.mark.parametrize("place", ["logs/door.log", "metrics/7.pb", "traces/a/9.pb", "topic", "header"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_name_is_found_wherever_and_however_it_is_written(spelling, place, tmp_path):
    """Also within other bytes; the verdict does not repeat it."""
    rows = day().bent()
    name = rows.studies[1]["canaries"][0]
    written = SPELLINGS[spelling](name)
    row = rows.find(PLACES, "PlaceChanged", PLAIN)
    if place == "topic":
        row["headers"].append(("wetread-note", written))
    elif place == "header":
        row["headers"].append((written, "x"))
    else:
        rows.logs[place] = b"\x00\xff\xfe " + written.encode() + b"\x00" * 9
    found = broken(rows, tmp_path)
    assert list(found) == ["canaries"], found
    assert name not in found["canaries"][0]


@pytest.mark.parametrize(("text", "is_found"), [
    (b"born 19310207.", False), (b"born 19310207, f", True), (b"1931-02-07", True), (b"07.02.1931", True),
    (b"uid 1.2.19310207.4", False), (b"1772361193102071", False), (b"ab19310207cd", False),
])  # fmt: skip
def test_a_birth_date_is_found_where_it_is_no_part_of_a_number(text, is_found, tmp_path):
    """Eight digits stand in many a UID by chance; a date stands alone."""
    rows = day().bent()
    rows.logs["logs/door.log"] = b"x\n" + text
    assert bool(broken(rows, tmp_path)) is is_found


def test_a_name_is_found_in_what_was_sent_compressed(tmp_path):
    """Exporters may compress their bodies."""
    rows = day().bent()
    rows.logs["traces/7.otlp"] = gzip.compress(rows.studies[1]["canaries"][1].encode())
    assert list(broken(rows, tmp_path)) == ["canaries"]


def test_a_history_without_canaries_is_not_praised(tmp_path):
    """What had nothing to find says so."""
    rows = day().bent()
    for study in rows.studies:
        study["canaries"], study["birth_date"] = [], ""
    assert list(broken(rows, tmp_path)) == ["canaries"]
