"""Memory: what is freed goes back, once the process has asked for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streams.doors import memory

GROWN = """
import io, psutil
from streams.doors.memory import give_back_at_once
assert give_back_at_once()
own = psutil.Process()
io.BytesIO(bytes(30_000_000)).close()  # by itself, glibc takes it for the size of what is to be kept
began = own.memory_info().rss
held = [bytearray(b"x" * 5_000_000) for _ in range(20)]
last = bytearray(900_000)  # in the heap, above all that
held.clear()
print(own.memory_info().rss - began)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_what_is_freed_goes_back():
    """Of 100 MB in images of 5 MB that were held and freed, next to nothing stays with the process."""
    done = subprocess.run([sys.executable, "-c", GROWN], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 10_000_000


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _name: object())
    assert not memory.give_back_at_once()


@pytest.mark.parametrize(("pages", "held"), [(1_000_000, 1_024_000_000), (16_000_000, 2_200_000_000)])
def test_a_small_machine_keeps_most_of_its_memory(monkeypatch, pages, held):
    """A quarter of 4 GB; of 64 GB no more than a door can use."""
    monkeypatch.setattr(memory.os, "sysconf", {"SC_PAGE_SIZE": 4_096, "SC_PHYS_PAGES": pages}.__getitem__)
    assert memory.share(2_200_000_000) == held
