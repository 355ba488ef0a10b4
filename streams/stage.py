"""What a stage is: a pure decision, and an agent: stages in a row that share a key and a topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from streams.events.envelope import Envelope
from streams.events.identifiers import event_id

Parts = Mapping[str, object]
"""A stage's state: names such as "study" or "instance:1.2.3" to frozen dataclasses."""
LAST = "last"
"""A timer of this name is no event: when it is due, all that is held of its key goes at once, the ids of the events
that were applied included, unless it was cancelled or set anew."""
ALL = None
"""A stage that needs ALL of its state, not some named parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Where a key stands in the agent's sorted view; None takes it off."""

    read_by: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step decided.

    Attributes:
        changes: parts to write; None deletes one. What is not named stays.
        says: events, in order.
        timers: timer name to the time it is due; None cancels it.
        keeps: objects to be stored, by their digest, before the events go out.
        listing: a new place in the agent's view; None changes nothing.
        needs_all: the step wants to be asked again with the whole of its state.
        leaves: all parts of the key go, those of the agent's other stages too, but for what outlives (Stage) and
            what is in changes. The step has to be given all (Stage.needs).
    """

    changes: Parts = field(default_factory=dict)
    says: tuple[object, ...] = ()
    timers: Mapping[str, datetime | None] = field(default_factory=dict)
    keeps: tuple[bytes, ...] = ()
    listing: Listing | None = None
    needs_all: bool = False
    leaves: bool = False


NOTHING = Outcome()
Step = Callable[[Parts, object, datetime], Outcome]
NeedsOf = Callable[[object], tuple[str, ...] | None]


def all_parts(_event: object) -> tuple[str, ...] | None:
    """The `needs` of a stage whose state is small: all of it, for every event."""
    return ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A decision without I/O, clock or chance: step(parts, event, now) -> Outcome.

    Attributes:
        hears, says: event types.
        kinds: part kind (the name before ":") to its dataclass, for reading it back.
        needs: the parts that an event touches, so that no step grows with the study.
        outlives: part kinds that stay when the key's state leaves.
    """

    name: str
    hears: tuple[type, ...]
    says: tuple[type, ...]
    kinds: Mapping[str, type]
    step: Step
    needs: NeedsOf = all_parts
    outlives: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Stages in a row on one topic: the one topic is the order in which they decide.

    Attributes:
        title: what it does, for the map.
        keyed_by: what the topic's key names.
    """

    name: str
    title: str
    topic: str
    keyed_by: str
    stages: tuple[Stage, ...]

    @property
    def hears(self) -> frozenset[type]:
        """Types that this agent takes from its topic: what its stages hear and do not say themselves."""
        said = {t for stage in self.stages for t in stage.says}
        return frozenset(t for stage in self.stages for t in stage.hears if t not in said)

    def kind(self, part: str) -> type:
        """The dataclass of the part "stage.kind:..."."""
        stage_name, _, name = part.partition(".")
        for stage in self.stages:
            if stage.name == stage_name:
                return stage.kinds[name.partition(":")[0]]
        raise KeyError(part)

    def outlives(self, part: str) -> bool:
        """Whether the part "stage.kind:..." stays when the key's state leaves."""
        stage_name, _, name = part.partition(".")
        return any(s.name == stage_name and name.partition(":")[0] in s.outlives for s in self.stages)

    def needs(self, event: object) -> tuple[str, ...] | None:
        """The parts that event touches in any of its stages; None: all."""
        names: list[str] = []
        for stage in self.stages:
            wanted = stage.needs(event)
            if wanted is None:
                return ALL
            names += [f"{stage.name}.{name}" for name in wanted]
        return tuple(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What an agent decided about one event; part and timer names carry their stage's."""

    changes: Parts
    says: tuple[Envelope, ...]
    timers: Mapping[str, datetime | None]
    keeps: tuple[bytes, ...]
    listing: Listing | None
    needs_all: bool = False


def decide(agent: Agent, parts: Parts, heard: Envelope, policy: str) -> Decision:
    """Run the agent's stages in a row over one event.

    A stage hears the event itself and what the stages before it said of it. The envelopes are complete but
    for their key, which the flow's map gives (streams.flow).
    """
    events: list[object] = [heard.data]
    said: list[Envelope] = []
    changes: dict[str, object] = {}
    timers: dict[str, datetime | None] = {}
    keeps: list[bytes] = []
    listing: Listing | None = None
    for stage in agent.stages:
        index = 0
        for event in tuple(events):
            if not isinstance(event, stage.hears):
                continue
            outcome = stage.step(_own({**parts, **changes}, stage.name), event, heard.time)
            if outcome.needs_all:
                return Decision(changes={}, says=(), timers={}, keeps=(), listing=None, needs_all=True)
            if outcome.leaves:
                changes |= dict.fromkeys(name for name in {**parts, **changes} if not agent.outlives(name))
            changes |= {f"{stage.name}.{name}": part for name, part in outcome.changes.items()}
            timers |= {f"{stage.name}.{name}": due for name, due in outcome.timers.items()}
            keeps += outcome.keeps
            listing = outcome.listing or listing
            for event_said in outcome.says:
                identity = event_id(heard.id, stage.name, index)
                index += 1
                events.append(event_said)
                said.append(replace(heard, id=identity, key="", data=event_said, cause=heard.id, policy=policy))
    return Decision(changes=changes, says=tuple(said), timers=timers, keeps=tuple(keeps), listing=listing)


def _own(parts: Parts, stage: str) -> Parts:
    """The parts of one stage, without its name; deleted ones are gone."""
    prefix = f"{stage}."
    return {name[len(prefix) :]: part for name, part in parts.items() if name.startswith(prefix) and part is not None}
