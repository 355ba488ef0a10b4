"""The protections that can be switched off, to show that the verifier finds what is then lost or doubled.

Never in use: `streams.faults.firing.arm` refuses without WETREAD_CHAOS=1, and says loudly what is off.
"""

from __future__ import annotations

from enum import Enum

_OFF: set[str] = set()


class Protection(Enum):
    """Name, where it stands, and what happens without it."""

    WINDOW = (
        "window", "runtime/processing/window.py",
        "an event counts as finished once it is taken, and no key keeps its order: a crash loses what was at work",
    )  # fmt: skip
    CAPPED_COMMIT = (
        "capped_commit", "runtime/processing/window.py",
        "the highest finished offset is committed, over a slow one before it: a crash loses the slow one",
    )  # fmt: skip
    OUTBOX = (
        "outbox", "runtime/processing/applying.py",
        "what was said is not written with the state: a crash between the two loses it",
    )  # fmt: skip
    ID_CHECK = (
        "id_check", "runtime/processing/applying.py, handling.py",
        "an event that comes again is decided again, a reading made again: other contents under the same ids",
    )  # fmt: skip
    WATCHDOG = (
        "watchdog", "runtime/processing/transport.py, standstill.py",
        "nobody asks aiokafka for parked errors or ends a process that hangs: it goes deaf, and stays so",
    )  # fmt: skip
    REDIS_WATERMARK = (
        "redis_watermark", "runtime/processing/applying.py, delivering.py, adapters/redis_state.py",
        "a Redis that forgot is believed: after a flush, open studies are never ended",
    )  # fmt: skip
    FSYNC = (
        "fsync", "adapters/object_folder.py, doors/spool.py",
        "nothing is synced, and notes reach the disk seconds later: kill -9 does what a power cut does to a cache",
    )  # fmt: skip
    DURABLE_TIMERS = (
        "durable_timers", "runtime/processing/applying.py, ticker.py",
        "timers live in the worker's memory: a crash forgets them, and nothing ends what waited for silence",
    )  # fmt: skip
    RECEIPT = (
        "receipt", "adapters/receipts.py, triton_server.py",
        "an answer is believed whoever's it is, and a stalled model is asked on: studies get the answers of others",
    )  # fmt: skip

    def __init__(self, title: str, where: str, without: str) -> None:
        self.title, self.where, self.without = title, where, without

    @property
    def on(self) -> bool:
        """As always, but in a self-test of chaos."""
        return self.title not in _OFF


PROTECTIONS = {protection.title: protection for protection in Protection}


def all_on() -> bool:
    """As always: for what runs with every event, since asking each of them costs some tenths of a microsecond."""
    return not _OFF


def switch_off(*protections: Protection) -> None:
    """In this process, until `switch_all_on`; for `streams.faults.firing.arm` and tests."""
    _OFF.update(protection.title for protection in protections)


def switch_all_on() -> None:
    """Everything protects again."""
    _OFF.clear()
