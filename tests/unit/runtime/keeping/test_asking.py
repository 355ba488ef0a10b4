"""When the store is looked through next: from when it was last, whoever did it."""

from __future__ import annotations

import os
import time

from streams.runtime.keeping.asking import FIRST_AFTER_S, LONGEST_SLEEP_S, _done, _seconds_to_wait, mark_file

DAY = 86_400.0


def test_a_new_installation_is_looked_through_soon(tmp_path):
    """Not while all of it starts; at once where the policy's hours are seconds."""
    assert FIRST_AFTER_S - 5 < _seconds_to_wait(mark_file(tmp_path), time.time(), DAY) <= FIRST_AFTER_S
    assert _seconds_to_wait(mark_file(tmp_path), time.time() - 10, 5.0) == 0


def test_a_door_that_starts_each_day_looks_all_the_same(tmp_path):
    """The last look counts, not the start; it sleeps an hour at most, since the policy may change."""
    mark = mark_file(tmp_path)
    _done(mark)
    assert _seconds_to_wait(mark, time.time(), DAY) == LONGEST_SLEEP_S
    os.utime(mark, (time.time() - DAY + 100, time.time() - DAY + 100))
    assert 90 < _seconds_to_wait(mark, time.time(), DAY) <= 100
    os.utime(mark, (time.time() - 2 * DAY, time.time() - 2 * DAY))
    assert _seconds_to_wait(mark, time.time(), DAY) == 0
