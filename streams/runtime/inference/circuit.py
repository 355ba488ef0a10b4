"""A model's circuit, as a pure machine: open after three faults in a row, closed again by the model's canary."""

from __future__ import annotations

from dataclasses import dataclass, replace

OPENS_AFTER = 3
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """What is known of a model, from what it was asked; times are seconds of a clock that never goes back.

    Attributes:
        is_open: no study is shown to the model.
        faults: in a row since it last answered a study; a canary in vain is one too.
        studies: that met them; two at most are kept, enough to tell one from several.
        sound: it has answered a study, or its canary, since the last fault.
        probes: canaries asked since it last answered a study.
        probe_at: when its canary is to be asked next; None: there is no doubt.
        why: the last fault, as a sentence.
    """

    is_open: bool = False
    faults: int = 0
    studies: frozenset[str] = frozenset()
    sound: bool = True
    probes: int = 0
    probe_at: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """The model has answered about a study."""


@dataclass(frozen=True, slots=True)
class Fault:
    """It gave no answer about this study, or none that can be used."""

    study: str
    why: str


@dataclass(frozen=True, slots=True)
class ProbeAnswered:
    """Its canary was answered rightly."""


@dataclass(frozen=True, slots=True)
class ProbeFailed:
    """Its canary was not answered, or wrongly."""

    why: str


Event = Answered | Fault | ProbeAnswered | ProbeFailed


def doubted(why: str, now: float) -> Circuit:
    """Of a model that has not answered its canary yet."""
    return Circuit(is_open=True, sound=False, probe_at=now, why=why)


def step(circuit: Circuit, event: Event, now: float) -> Circuit:
    """What is known after the event.

    A canary's answer closes, and forgives nothing: until a study is answered the next fault opens again, and the next
    canary waits longer. So a model that answers its canary alone costs one deadline at a time.
    """
    match event:
        case Answered() if circuit.is_open:  # asked before; its canary decides
            return replace(circuit, faults=0, studies=frozenset(), probes=0)
        case Answered():
            return Circuit()
        case Fault(study, why):
            studies = circuit.studies if len(circuit.studies) > 1 else circuit.studies | {study}
            due = now + pause_s(circuit.probes) if circuit.probe_at is None else circuit.probe_at
            return _faulty(replace(circuit, studies=studies, probe_at=due, why=why))
        case ProbeFailed(why):
            due = now + pause_s(circuit.probes + 1)
            return _faulty(replace(circuit, probes=circuit.probes + 1, probe_at=due, why=why))
        case ProbeAnswered() if circuit.sound:  # a study was answered meanwhile
            return circuit
        case ProbeAnswered():
            return replace(circuit, is_open=False, sound=True, probes=circuit.probes + 1, probe_at=None, why="")


def blames(circuit: Circuit, study: str) -> bool:
    """Whether a fault that this study meets now is its own: the model is known to be well, and no other study met one.

    A server that is away fails once at a model that was well; then its canary is not answered. A model that fails for
    everybody, though it answers its canary, has several in its row. Images that end the model's process each time do
    it between two answers.
    """
    return circuit.sound and circuit.studies <= {study}


def pause_s(probes: int) -> float:
    """Seconds before the next canary: 1, 2, 4, 8, 15."""
    return min(FIRST_PAUSE_S * 2.0 ** min(probes, OPENS_AFTER + 1), LONGEST_PAUSE_S)


def _faulty(circuit: Circuit) -> Circuit:
    faults = circuit.faults + 1
    return replace(circuit, faults=faults, sound=False, is_open=circuit.is_open or faults >= OPENS_AFTER)
