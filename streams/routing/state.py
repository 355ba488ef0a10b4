"""What routing remembers of a study: what it asked last."""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.events.reading import Lane, ReadingRequested


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The newest reading of each model.

    Attributes:
        lane: the lane that the priority gave when the study was last routed or its priority changed.
        requests: model to the reading that was asked of it last.
        chosen: models that read the newest revision.
    """

    lane: Lane
    requests: dict[str, ReadingRequested] = field(default_factory=dict)
    chosen: tuple[str, ...] = ()
