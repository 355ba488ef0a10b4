"""How one process of the stack is started, and a process of ours beside the parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One process to start.

    Attributes:
        argv: program and arguments.
        env: added to the stack's own environment; an empty value takes a variable away.
        grace: seconds from SIGTERM to SIGKILL.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    grace: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A process of ours beside the parts: a worker, a door.

    Attributes:
        name: in states and logs.
        argv: program and arguments.
        env: added to the stack's environment.
        ready: asked (in a thread) until it says True; None: ready when started.
        before: called before each start, so that a sign of an earlier life is not taken for one of this.
        address: shown in states.
        grace: seconds from SIGTERM to SIGKILL.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | None = None
    before: Callable[[], None] | None = None
    address: str = ""
    grace: float = 15.0

    def prepare(self) -> Launch:
        """How to start it."""
        if self.before is not None:
            self.before()
        return Launch(argv=self.argv, env=self.env, grace=self.grace)

    def is_ready(self) -> bool:
        """Whether it says so itself."""
        return self.ready is None or self.ready()

    def is_alive(self) -> bool:
        """A worker ends itself where it hangs; a door is asked by its senders."""
        return True

    def note(self) -> str:
        """Nothing."""
        return ""
