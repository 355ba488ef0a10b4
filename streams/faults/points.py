"""Fault points: the places where a process may be made to crash or to stall, in the order of the flow, once each.

Off, a point costs one look at an attribute. On, by `streams.faults.firing.arm`, `with Point.OUTBOX_SENT:` around what
it is named for fails before or after it; what raises inside reaches no `after`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Literal

Side = Literal["before", "after"]


class _State:
    """Of this process."""

    reached: Callable[[Point, Side], None] | None = None


STATE = _State()


class Point(Enum):
    """Name, the function where it stands, and what is so before and after it.

    Attributes:
        where: file below streams/ and function.
        before, after: what a crash finds done.
    """

    BYTES_WRITTEN = (
        "bytes_written", "adapters/object_folder.py ObjectFolder._write",
        "nothing of an object stands on the disk", "its bytes are written, and not synced",
    )  # fmt: skip
    FSYNCED = (
        "fsynced", "adapters/object_folder.py ObjectFolder._write",
        "its bytes are written, and not synced", "its bytes are synced, and have no name yet",
    )  # fmt: skip
    NOTE_SYNCED = (
        "note_synced", "doors/spool.py Spool.owe",
        "the object is durable, the note that its event is owed is not", "both are; nobody was answered",
    )  # fmt: skip
    SCU_ACKNOWLEDGED = (
        "scu_acknowledged", "doors/dimse.py DimseDoor._store, DimseDoor._on_sent",
        "all is durable, the sender was not answered", "the answer was written to the sender's connection",
    )  # fmt: skip
    FILE_REMOVED = (
        "file_removed", "doors/folder.py FolderDoor._take",
        "a file of the folder is durable and still lies there", "it was removed, or lies in refused/",
    )  # fmt: skip
    EVENT_SENT = (
        "event_sent", "doors/shipping.py Shipper._send",
        "the door owes events, Kafka has none", "Kafka has acknowledged them, the spool does not know it",
    )  # fmt: skip
    STATE_WRITTEN = (
        "state_written", "runtime/processing/applying.py Applier._commit",
        "an agent has decided, nothing is written", "state, outbox and timers are written, nothing is sent",
    )  # fmt: skip
    OUTBOX_SENT = (
        "outbox_sent", "runtime/processing/applying.py Applier._step",
        "what was decided is in the outbox alone", "Kafka has all of it, the offset is not committed",
    )  # fmt: skip
    OFFSET_COMMITTED = (
        "offset_committed", "runtime/processing/transport.py Consumer._commit",
        "all below an offset is done, the group does not know it", "the group begins there next time",
    )  # fmt: skip
    TIMER_CLAIMED = (
        "timer_claimed", "runtime/processing/ticker.py Ticker.tick",
        "timers are due, and were taken to be fired", "they were sent as events, and stand in Redis still",
    )  # fmt: skip
    TIMER_SETTLED = (
        "timer_settled", "runtime/processing/ticker.py Ticker.tick",
        "a timer was sent, and stands in Redis still", "it is gone from there",
    )  # fmt: skip
    MODEL_CALLED = (
        "model_called", "runtime/inference/reader.py Reader._infer",
        "images are prepared, the model was not asked", "it has answered; nothing is made of it",
    )  # fmt: skip
    MODEL_ANSWERED = (
        "model_answered", "runtime/processing/handling.py Handling._answer",
        "the answer is an event that only this process knows", "it is remembered in Redis, and not sent",
    )  # fmt: skip
    ANSWER_SENT = (
        "answer_sent", "runtime/processing/handling.py Handling.apply",
        "the answer is remembered in Redis, and not sent", "Kafka has it, the offset is not committed",
    )  # fmt: skip

    def __init__(self, title: str, where: str, before: str, after: str) -> None:
        self.title, self.where, self.is_before, self.is_after = title, where, before, after

    def before(self) -> None:
        """Fail here, where somebody wants it."""
        if STATE.reached is not None:
            STATE.reached(self, "before")

    def after(self) -> None:
        """Fail here, where somebody wants it."""
        if STATE.reached is not None:
            STATE.reached(self, "after")

    def __enter__(self) -> None:
        if STATE.reached is not None:
            STATE.reached(self, "before")

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if STATE.reached is not None and kind is None:
            STATE.reached(self, "after")


BY_TITLE = {point.title: point for point in Point}
