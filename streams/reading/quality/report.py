"""Measurements held against policy: the faults of a series, with severity and sentence."""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.errors import QualityRejected
from streams.events.quality import QUALITY_CODES, Fault, Measured
from streams.events.reading import QualityNote
from streams.policy import QualityPolicy
from streams.reading.quality.sentences import SENTENCES


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuality:
    """The report on a series.

    Attributes:
        faults: the worst first; those that policy ignores are left out.
        measured: every measurement, whether it is a fault or not.
        part: the part of the body that most slices show; empty where nothing tells.
    """

    faults: tuple[Fault, ...]
    measured: tuple[Measured, ...] = ()
    part: str = ""

    @property
    def notes(self) -> tuple[QualityNote, ...]:
        """The faults with which the series is read all the same."""
        return tuple(QualityNote(code=f.code, sentence=f.sentence) for f in self.faults if f.severity == "warn")

    def demand(self) -> None:
        """Go on only if nothing is rejected.

        Raises:
            QualityRejected: the sentences of what is.
        """
        rejected = [fault.sentence for fault in self.faults if fault.severity == "reject"]
        if rejected:
            raise QualityRejected(" ".join(rejected))


@dataclass(slots=True)
class Bench:
    """Takes measurements one by one and keeps what policy calls a fault."""

    policy: QualityPolicy
    faults: list[Fault] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)

    def hold(self, code: str, value: float | None, *, below: bool = False, **words: str) -> None:
        """A measurement; a fault where it is at or over the threshold (below: under it). None: nothing to measure."""
        if value is None:
            return
        self.measured.append(Measured(code=code, value=round(float(value), 2), unit=QUALITY_CODES[code]))
        threshold = self.policy.threshold[code]
        if value < threshold if below else abs(value) >= threshold:
            self._found(code, round(float(value), 2), threshold, SENTENCES[code].format(value=value, **words))

    def note(self, code: str, sentence: str) -> None:
        """A fault that is there or not, such as what the headers tell."""
        self._found(code, None, None, sentence)

    def quality(self, part: str = "") -> SeriesQuality:
        """All that was found; what is rejected stands first."""
        ordered = sorted(self.faults, key=lambda fault: (fault.severity != "reject", fault.code))
        return SeriesQuality(faults=tuple(ordered), measured=tuple(self.measured), part=part)

    def _found(self, code: str, value: float | None, threshold: float | None, sentence: str) -> None:
        severity = self.policy.severity[code]
        if severity != "ignore":
            unit = QUALITY_CODES[code]
            self.faults.append(
                Fault(code=code, severity=severity, value=value, threshold=threshold, unit=unit, sentence=sentence)
            )
