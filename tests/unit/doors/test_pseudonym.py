"""Pseudonyms: one key per home, made once, read by its owner only."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

from streams.doors.pseudonym import KEY_FILE, Pseudonyms, open_pseudonyms


def test_the_key_is_made_once_for_all(tmp_path):
    """Doors that start at once agree on one key; it is 32 bytes, 0600, with no leftover beside it."""
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _n: open_pseudonyms(tmp_path), range(16)))
    assert len({each.patient("P", "", "1.2") for each in opened}) == 1
    key = tmp_path / KEY_FILE
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.stat().st_size == 32
    assert list(tmp_path.iterdir()) == [key]


def test_padding_is_no_difference_and_fields_do_not_run_together():
    """Spaces around an id are padding; id and issuer are told apart, patients and orders too."""
    names = Pseudonyms(b"k" * 32)
    assert names.patient("P ", "", "1.2") == names.patient("P", " ", "9.9")
    assert names.patient("PX", "", "1.2") != names.patient("P", "X", "1.2")
    assert names.order("P") != names.patient("P", "", "1.2")
    assert names.order("  ") is None
