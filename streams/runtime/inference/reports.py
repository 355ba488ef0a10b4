"""Quality reports that wait, each for the answer beside which it is sent."""

from __future__ import annotations

from streams.events.quality import GEOMETRY, Fault, QualityReported
from streams.events.reading import ReadingRequested
from streams.policy import QualityPolicy
from streams.reading.quality.report import SeriesQuality


class Reports:
    """By reading; what is taken is gone.

    Attributes:
        policy: what follows from each fault.
    """

    def __init__(self, policy: QualityPolicy) -> None:
        self.policy = policy
        self._waiting: dict[str, QualityReported] = {}

    def put(self, request: ReadingRequested, quality: SeriesQuality) -> None:
        """The report on what a reading was to read."""
        self._waiting[request.reading] = QualityReported(
            study=request.study,
            revision=request.revision,
            series=request.series.series,
            model=request.model,
            reading=request.reading,
            part=quality.part,
            faults=quality.faults,
            measured=quality.measured,
        )

    def put_rejected(self, request: ReadingRequested, sentence: str) -> None:
        """The headers alone, or the decoder, forbid the reading."""
        fault = Fault(code=GEOMETRY, severity="reject", value=None, threshold=None, unit="", sentence=sentence)
        self.put(request, SeriesQuality(faults=(fault,)))

    def take(self, reading: str) -> QualityReported | None:
        """The report, once."""
        return self._waiting.pop(reading, None)
