"""Notes of a door's spool: what it owes events for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from streams.events.imaging import Priority

Ending = Literal["association-released", "folder-complete", "association-aborted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is owed: the event of an instance, of an association's end, or of an order.

    Attributes:
        at: when the bytes were stored, the association ended, the order came.
        association: names the association or folder set; random, so that it reveals nothing.
        digest: of the stored bytes.
        instance: Affected SOP Instance UID (0000,1000), where the sender named one.
        how: how an association ended.
        order, priority: keyed hash of the accession number, and what the order asks for.
    """

    kind: Literal["instance", "closed", "order"]
    at: datetime
    association: str = ""
    digest: str = ""
    instance: str = ""
    how: Ending = "association-aborted"
    order: str = ""
    priority: Priority = "routine"
