"""All checks over one history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from streams.chaos.verifier.checks import (
    alerts,
    belonging,
    canaries,
    contents,
    effects,
    envelopes,
    heard,
    letgo,
    mixing,
    order,
    outcomes,
    setaside,
    shapes,
    stored,
    waits,
    why,
    worklist,
)
from streams.chaos.verifier.history import History
from streams.chaos.verifier.violations import Violation, broken

Check = Callable[[History], Iterator[Violation]]
MODULES = (
    stored, letgo, belonging, outcomes, alerts, contents, order, effects, mixing, waits, worklist, heard, why, setaside,
    envelopes, canaries, shapes,
)  # fmt: skip
CHECKS: Mapping[str, Check] = {module.NAME: module.check for module in MODULES}
LAWS: Mapping[str, str] = {module.NAME: (module.__doc__ or "").splitlines()[0] for module in MODULES}
"""What each check holds, in a sentence."""


def violations(history: History) -> list[Violation]:
    """Everything that is broken, check by check; a check that cannot be carried out is broken too."""
    found: list[Violation] = []
    for name, check in CHECKS.items():
        try:
            found += check(history)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            told = f"could not be carried out ({type(error).__name__}: {error}); an event is not what schemas/ says"
            found.append(broken(name, None, told))
    return found
