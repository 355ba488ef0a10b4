"""Stateful tests of one law each: how long they run, and how many steps they took."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test

SHORT = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
"""What `make test` takes: seconds."""
LONG_STEPS = 100


class Counted(RuleBasedStateMachine):
    """A machine that counts its steps."""

    taken: ClassVar[Counter[str]] = Counter()

    @invariant()
    def one_step_more(self) -> None:
        """Every rule ends here."""
        Counted.taken[type(self).__name__] += 1


def run_long(machine: type[Counted], steps: int, seed: int) -> int:
    """Run a machine for about so many steps; how many it took.

    Raises:
        Whatever law it found broken, with the shortest way there.
    """
    before = Counted.taken[machine.__name__]
    turn = 0
    while (taken := Counted.taken[machine.__name__] - before) < steps:
        examples = max((steps - taken) // LONG_STEPS, 10)
        profile = settings(
            SHORT, max_examples=min(examples, 500), stateful_step_count=LONG_STEPS, database=None, derandomize=False
        )
        seeded = type(machine.__name__, (machine,), {"_hypothesis_internal_use_seed": seed * 1000 + turn})
        run_state_machine_as_test(seeded, settings=profile)
        turn += 1
    return taken
