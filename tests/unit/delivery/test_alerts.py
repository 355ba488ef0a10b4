"""The table of an alert's transitions, row by row."""

from __future__ import annotations

import pytest

from streams.delivery.alerts import handled, heard
from streams.delivery.state import Known
from streams.events.identifiers import named_id
from streams.events.telling import AlertClosed, AlertRaised, AlertUpdated
from tests.support.studies import BLEED, PATIENT, STUDY, T0, WAITING, at, found

FIRST = named_id("alert", STUDY, BLEED, "ich")
SECOND = named_id("alert", STUDY, BLEED, "ich", "2")


def known(revision=1):
    return Known(study=STUDY, patient=PATIENT, priority="routine", arrived_at=T0, revision=revision)


def play(*steps):
    """Findings as (score, revision), people as ("opened", newest revision); what is said, and the last state."""
    standing, said = None, []
    for what, revision in steps:
        if isinstance(what, str):
            told = handled(standing, known(revision), what)
        else:
            told = heard(standing, found(what, revision), known(revision), WAITING)
        standing = told.standing
        said += told.says
    return said, standing


@pytest.mark.parametrize(
    ("steps", "said", "state"),
    [
        ([(0.1, 1)], [], "quiet"),
        ([(0.9, 1)], [(AlertRaised, FIRST)], "raised"),
        ([(0.9, 1), (0.9, 1)], [(AlertRaised, FIRST)], "raised"),
        ([(0.9, 1), (0.9, 2)], [(AlertRaised, FIRST)], "raised"),
        ([(0.9, 1), (0.8, 2)], [(AlertRaised, FIRST), (AlertUpdated, FIRST)], "raised"),
        ([(0.9, 1), (0.1, 2)], [(AlertRaised, FIRST), (AlertUpdated, FIRST)], "raised"),
        ([(0.1, 1), (0.9, 2)], [(AlertRaised, FIRST)], "raised"),
        ([(0.9, 2), (0.7, 1)], [(AlertRaised, FIRST)], "raised"),
        ([(0.1, 2), (0.9, 1)], [(AlertRaised, FIRST), (AlertUpdated, FIRST)], "raised"),
        ([(0.9, 1), ("opened", 1)], [(AlertRaised, FIRST), (AlertClosed, FIRST)], "closed"),
        ([(0.9, 1), ("opened", 1), ("read", 1)], [(AlertRaised, FIRST), (AlertClosed, FIRST)], "closed"),
        ([(0.1, 1), ("read", 1)], [], "quiet"),
        ([(0.1, 1), ("read", 1), (0.9, 2)], [(AlertRaised, FIRST)], "raised"),
        (
            [(0.9, 1), ("read", 1), (0.9, 2)],
            [(AlertRaised, FIRST), (AlertClosed, FIRST), (AlertRaised, SECOND)],
            "raised",
        ),
        ([(0.9, 1), ("read", 1), (0.1, 2)], [(AlertRaised, FIRST), (AlertClosed, FIRST)], "closed"),
        ([(0.9, 1), ("read", 2), (0.9, 2)], [(AlertRaised, FIRST), (AlertClosed, FIRST)], "closed"),
        ([(0.9, 1), ("opened", 1), ("read", 2), (0.9, 2)], [(AlertRaised, FIRST), (AlertClosed, FIRST)], "closed"),
    ],
)
def test_transitions(steps, said, state):
    events, standing = play(*steps)
    assert [(type(e), e.alert) for e in events] == said
    assert standing.state == state


def test_an_alert_says_all_that_whoever_is_called_needs():
    (alert,), _ = play((0.93, 1))
    assert (alert.patient, alert.finding, alert.score, alert.threshold) == (PATIENT, BLEED, 0.93, 0.5)
    assert alert.read_by == at(300)


def test_a_finding_that_was_negative_before_the_study_was_read_still_alerts_when_it_turns():
    """Nobody has been told of it yet: better one call too many."""
    (alert,), _ = play((0.1, 1), ("read", 2), (0.93, 2))
    assert isinstance(alert, AlertRaised)
