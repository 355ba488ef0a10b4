"""The one outcome of a revision, once every reading that it rests on has ended."""

from __future__ import annotations

from collections.abc import Mapping

from streams.delivery.state import Ended, Open
from streams.events.reading import FindingMade, ReadingFailed
from streams.events.watching import StudyClosed, StudyOutcome
from streams.events.words import measured, verdict


def outcome(revision: Open, readings: Mapping[str, Ended], study: str) -> StudyClosed | None:
    """Analysed if a model answered, rejected if the images would not do for any, else failed; None: still open.

    Live models decide it, where there are any: a shadow's answer does not stand for a live one that failed.
    """
    ended = [readings.get(name) for name in revision.readings]
    done = [e for e in ended if e is not None and e.how != "held"]
    if len(done) < len(ended):
        return None
    deciding = [e for e in done if e.role == "live"] or done
    return StudyClosed(
        study=study,
        revision=revision.revision,
        outcome=_end({e.how for e in deciding}),
        reason="; ".join(e.sentence for e in done),
        models=revision.models,
        alerts=tuple(dict.fromkeys(e.alert for e in done if e.alert)),
        last_stored_at=revision.last_stored_at,
    )


def _end(hows: set[str]) -> StudyOutcome:
    if "answered" in hows:
        return "analysed"
    return "rejected" if hows == {"quality"} else "failed"


def answered(finding: FindingMade) -> str:
    """An answer as a part of the outcome's reason."""
    shadow = " (shadow)" if finding.role == "shadow" else ""
    beside = f", {words}" if (words := measured(finding)) else ""
    return f"{finding.model}{shadow}: {finding.name.replace('_', ' ')} {verdict(finding)} ({finding.score:.2f}){beside}"


def failed(event: ReadingFailed) -> str:
    """A failure as a part of the outcome's reason."""
    shadow = " (shadow)" if event.role == "shadow" else ""
    return f"{event.model}{shadow}: no AI result, {event.reason}"
