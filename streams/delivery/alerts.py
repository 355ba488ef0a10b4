"""Alerts as a table of transitions: raised once, updated, closed; raised anew only for images nobody has seen.

| state  | heard                                              | then   | said                          |
|--------|----------------------------------------------------|--------|-------------------------------|
| quiet  | positive                                           | raised | AlertRaised (AlertUpdated) *  |
| quiet  | negative                                           | quiet  |                               |
| raised | a later revision that differs                      | raised | AlertUpdated                  |
| raised | an earlier or equal revision                       | raised |                               |
| raised | opened or read                                     | closed | AlertClosed                   |
| closed | positive, in a revision later than what was seen   | raised | AlertRaised (another id)      |
| closed | anything else                                      | closed |                               |

* where a later revision had answered before: its score is told at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from streams.delivery.state import Known, Standing
from streams.events.identifiers import named_id
from streams.events.reading import FindingMade
from streams.events.telling import AlertClosed, AlertRaised, AlertUpdated
from streams.policy import WaitingPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The alert after an event, and what is said of it."""

    standing: Standing
    says: tuple[AlertRaised | AlertUpdated | AlertClosed, ...] = ()


def heard(standing: Standing | None, finding: FindingMade, known: Known, waits: WaitingPolicy) -> Told:
    """A finding that may alert was made."""
    if standing is None:
        standing = replace(_of(finding), state="quiet", revision=0)
    anew = standing.state == "closed" and finding.revision > standing.seen
    if finding.positive and (standing.state == "quiet" or anew):
        return _raised(standing, finding, known, waits)
    if finding.revision <= standing.revision:
        return Told(standing=standing)
    after = replace(_of(finding), state=standing.state, alert=standing.alert, seen=standing.seen)
    differs = (after.score, after.threshold, after.positive) != (
        standing.score,
        standing.threshold,
        standing.positive,
    )
    if standing.state == "raised" and differs:
        return Told(standing=after, says=(_update(after, known.study),))
    return Told(standing=after)


def handled(standing: Standing, known: Known, how: Literal["opened", "read"]) -> Told:
    """Somebody opened or read the study, with all that was there of it."""
    if standing.state == "quiet" or standing.alert is None:
        return Told(standing=standing)
    after = replace(standing, state="closed", seen=known.revision)
    if standing.state == "closed":
        return Told(standing=after)
    said = AlertClosed(alert=standing.alert, study=known.study, revision=known.revision, reason=how)
    return Told(standing=after, says=(said,))


def _of(finding: FindingMade) -> Standing:
    return Standing(
        state="quiet",
        alert=None,
        revision=finding.revision,
        score=finding.score,
        threshold=finding.threshold,
        positive=finding.positive,
    )


def _raised(standing: Standing, finding: FindingMade, known: Known, waits: WaitingPolicy) -> Told:
    """Named for study, finding and model; a second one for the same is named for its revision too."""
    names = ["alert", known.study, finding.name, finding.model]
    alert = named_id(*names) if standing.alert is None else named_id(*names, str(finding.revision))
    said = AlertRaised(
        alert=alert,
        study=known.study,
        revision=finding.revision,
        patient=known.patient,
        finding=finding.name,
        code=finding.code,
        model=finding.model,
        model_version=finding.model_version,
        score=finding.score,
        threshold=finding.threshold,
        read_by=waits.read_by(known.arrived_at, known.priority, (finding.name,)),
        key_instances=finding.key_instances,
        mask=finding.mask,
        model_seconds=finding.model_seconds,
        last_stored_at=finding.last_stored_at,
    )
    if finding.revision > standing.revision:
        return Told(standing=replace(_of(finding), state="raised", alert=alert, seen=standing.seen), says=(said,))
    after = replace(standing, state="raised", alert=alert)
    return Told(standing=after, says=(said, _update(after, known.study)))


def _update(standing: Standing, study: str) -> AlertUpdated:
    assert standing.alert is not None
    return AlertUpdated(
        alert=standing.alert,
        study=study,
        revision=standing.revision,
        score=standing.score,
        threshold=standing.threshold,
        positive=standing.positive,
    )
