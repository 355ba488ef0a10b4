"""What a door is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSettings:
    """Where a door listens, whom it hears, and when it refuses.

    Attributes:
        home: folder of the spool and of the pseudonyms' key.
        called_ae: the AE title that a sender must call; None: any.
        calling_aes: titles that may send; empty: any.
        owed_most: events owed and not yet acknowledged by Kafka, at which the door refuses.
        associations_most: at once.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 11112
    ae_title: str = "WETREAD"
    called_ae: str | None = None
    calling_aes: tuple[str, ...] = ()
    owed_most: int = 200_000
    associations_most: int = 100
    pdu_bytes: int = 131_072
    silence_s: float = 60.0
    """An association that says nothing for so long is aborted."""
    pdu_s: float = 30.0
    """Within which a PDU must have come whole, once it has begun."""
    slowest_bytes_s: int = 2_000
    """An instance that comes more slowly, silence_s granted, ends its association: a modem sends 7,000."""
    largest_object: int = 2_000_000_000
    """Bytes of one instance; a longer one ends its association."""
    held_most: int = 2_200_000_000
    """Bytes received and not stored yet, of all associations; past it, the one that holds the most is ended.

    The memory of the door is this and some 100 MB; at its worst twice this, while all of it is being stored at once:
    an image that is being stored lies in memory as it came and as the file that it becomes.
    """
    waiting_most: int = 256
    """Connections that have not asked for an association yet; one more ends the one that waits longest."""
    request_s: float = 10.0
    """Within which a connection must ask for an association (the ARTIM timer, PS3.8 9.1.5)."""
    finish_s: float = 10.0
    """How long associations that run may take to end when the door closes."""
