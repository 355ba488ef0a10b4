"""The self-test takes each protection away, and with torments that there are."""

from __future__ import annotations

from streams.chaos.selftest import TRIALS
from streams.chaos.torments.catalogue import ALL
from streams.faults.protections import Protection


def test_each_protection_has_a_trial():
    """All but the receipt: a contract test shows what happens without it."""
    assert {trial.protection for trial in TRIALS} == {one.title for one in Protection} - {Protection.RECEIPT.title}


def test_a_trial_names_torments_that_there_are():
    """A misspelt one would never fall, and the trial would say that nothing was found."""
    assert {name for trial in TRIALS for name in trial.torments} <= ALL.keys()
