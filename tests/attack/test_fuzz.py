"""Mutated files, some hundreds: each ends in an outcome, a dead letter or a refusal; `make fuzz` takes 10,000."""

from __future__ import annotations

import pytest

from tests.attack.fuzz import real_files
from tests.attack.fuzzed import Found, fuzz
from tests.attack.mutants import CHANGES, SYNTAXES, file_of, mutants, sound
from tests.attack.parsers import TARGETS, seeds

COUNT = 120
SOUND = {"analysed", "rejected", "failed", "ineligible", "dead letter", "set aside"}


def held(found: Found) -> None:
    """Slow machines replace a decoder slowly: the bar on that is `make fuzz`'s."""
    assert (found.silent, found.twice, found.broken) == ([], [], [])
    assert sum(found.ends.values()) == found.sent


@pytest.mark.parametrize("door", ["dimse", "folder"])
async def test_each_mutant_of_a_phantom_is_told(tmp_path, door):
    """Whatever is done to it: nothing is silent, nothing ends twice, nothing raises what nobody thought of."""
    found = await fuzz(tmp_path, list(mutants(COUNT, seed=5)), door)
    held(found)
    assert len(found.ends.keys() & SOUND) >= 3, "the mutants reach several ends"


@pytest.mark.shared_data
@pytest.mark.skipif(not real_files(), reason="the real images are not beside the project (../shared/data)")
@pytest.mark.parametrize("door", ["dimse", "folder"])
async def test_each_mutant_of_a_real_file_is_told(tmp_path, door):
    """The same of files that no one here made."""
    held(await fuzz(tmp_path, list(mutants(COUNT, seed=6, others=real_files())), door))


async def test_sound_files_are_read_in_each_syntax(tmp_path):
    """What is mutated can be read as it is: else the mutants would never come to a decoder."""
    from tests.attack.mutants import Mutant

    files = [(syntax, file_of(each), each) for n, syntax in enumerate(SYNTAXES) for each in sound(n, syntax)]
    whole = [Mutant(c, syntax, str(d.SOPClassUID), str(d.SOPInstanceUID), syntax) for syntax, c, d in files]
    found = await fuzz(tmp_path, whole, "dimse")
    held(found)
    assert found.ends == {"analysed": len(whole)}


def test_a_seed_gives_the_same_mutants():
    """A fault can be sent again; and each change is among them."""
    first, again = (list(mutants(200, seed=9)) for _ in range(2))
    assert first == again
    assert {how for each in first for how in each.how.split(" + ")} == set(CHANGES)


@pytest.mark.parametrize("name", TARGETS)
def test_each_parser_reads_its_corpus(name):
    """What once broke a parser, and what it reads when all is well; cut short and flipped too."""
    for content in seeds(name):
        for at in range(0, min(len(content), 600), 37):
            TARGETS[name](content[:at])
            TARGETS[name](content[:at] + bytes([content[at] ^ 0x80]) + content[at + 1 :])
        TARGETS[name](content)
