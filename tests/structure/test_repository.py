"""What is committed runs on any machine: no path of one, no address of a registry, no secret."""

from __future__ import annotations

import re

from tests.structure.sources import texts

OF_ONE_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|workspace|Users/\w+|home/(?!wetread\b)\w+)/")
REGISTRIES = re.compile(
    r"pypi\.(?:org|python)|files\.python(?:hosted)|(?:repo1?|central)\.maven|maven\.(?:org|apache)"
    r"|registry\.npm(?:js)|proxy\.golang\.(?:org)|static\.(?:crates)\.io|deb\.debian\.(?:org)",
    re.IGNORECASE,
)
LOCKS = re.compile(r"\.lock(\.\w+)?$|lock\.(toml|json|yaml)$")
PRIVATE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bghp_[A-Za-z0-9]{36}\b")


def _lines(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path}:{number} {line.strip()[:100]}"
        for path, text in texts()
        if pattern.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_path_of_one_machine() -> None:
    """A checkout works wherever it is put."""
    assert not _lines(OF_ONE_MACHINE)


def test_no_registry_is_named() -> None:
    """Packages come by name, version and digest, from whichever registry the machine is set up for."""
    assert not _lines(REGISTRIES)


def test_locks_carry_no_addresses() -> None:
    """A lock file says what, never from where."""
    locks = [(path, text) for path, text in texts() if LOCKS.search(path.name)]
    assert locks
    assert not [str(path) for path, text in locks if "://" in text]


def test_no_private_key() -> None:
    """Nobody's key is in the checkout."""
    assert not _lines(PRIVATE)
