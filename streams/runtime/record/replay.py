"""`wetread replay`: the recorded events again through the pure stages, into shadow.<run>.* and nowhere else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from streams.contract import Contract
from streams.errors import Stop
from streams.events.envelope import Envelope, to_kafka
from streams.flow import addressed, agents
from streams.oversight.ledger import Ledger
from streams.oversight.shadow import Difference, RulesOf, Said, by_the_candidate, replay
from streams.policy import Policies
from streams.ports import EventLog, Message
from streams.runtime.record.entries import Entry, entries, keeping_all

PREFIX = "shadow."


class ShadowLog:
    """Writes to topics of one shadow run only; whatever else is asked of it is refused."""

    def __init__(self, log: EventLog, run: str) -> None:
        self._log, self.prefix = log, f"{PREFIX}{run}."

    async def send(self, said: Sequence[Said]) -> None:
        """Write the events under shadow.<run>.<topic>."""
        messages = [Message(f"{self.prefix}{one.topic}", *to_kafka(one.envelope)) for one in said]
        if any(not m.topic.startswith(self.prefix) for m in messages):
            raise Stop("a shadow run may write to its own topics only")
        await self._log.send(messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a replay found.

    Attributes:
        events: recorded events that a deciding agent had said.
        equal: how many of them the candidate said again byte for byte (policy digest and trace apart).
        missing, changed, new: ids that the candidate did not say, said otherwise, or said in addition.
        differences: per study, what people would notice: alert, place, outcome.
    """

    events: int
    equal: int
    missing: int
    changed: int
    new: int
    studies: int
    differences: tuple[Difference, ...]


async def replayed(
    log: EventLog,
    policies: Policies,
    contracts: Sequence[Contract],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    rules_of: RulesOf = by_the_candidate,
) -> tuple[list[Said], Comparison]:
    """Step the record again under these policies and contracts, and compare.

    rules_of: the rules under which an event is decided, where they are not those.
    since, until: compare only studies of which something was stored in that time; states are built from
    the beginning of the record in any case.
    """
    with keeping_all():
        record = [entry async for entry in entries(log)]
        inputs: dict[str, list[Envelope]] = defaultdict(list)
        for entry in record:
            inputs[entry.record.topic].append(entry.envelope)
        said = replay(agents(policies, contracts), policies.digest, inputs, addressed, rules_of)
        return said, compare(record, said, since, until)


def compare(
    record: Sequence[Entry], said: Sequence[Said], since: datetime | None, until: datetime | None
) -> Comparison:
    """Recorded against replayed, event by event and study by study; what outlived its cause was decided before."""
    ids = {e.envelope.id for e in record}
    live = {
        (e.record.topic, e.envelope.id): bare(e.envelope)
        for e in record
        if e.envelope.policy and e.envelope.cause in ids
    }
    shadow = {(s.topic, s.envelope.id): bare(s.envelope) for s in said}
    ledgers = _ledgers(record, said)
    chosen = [study for study, line in ledgers[0].lines.items() if _within(line.last_stored_at, since, until)]
    return Comparison(
        events=len(live),
        equal=sum(shadow.get(name) == content for name, content in live.items()),
        missing=sum(name not in shadow for name in live),
        changed=sum(name in shadow and shadow[name] != content for name, content in live.items()),
        new=sum(name not in live for name in shadow),
        studies=len(chosen),
        differences=tuple(d for study in chosen for d in _differences(study, *ledgers)),
    )


def bare(envelope: Envelope) -> tuple[bytes, bytes, tuple[tuple[str, bytes], ...]]:
    """An event's bytes without what may differ: its trace and the digest of the policies."""
    key, value, headers = to_kafka(replace(envelope, traceparent=None, policy=None))
    return key, value, tuple(headers)


def _within(time: datetime | None, since: datetime | None, until: datetime | None) -> bool:
    return time is not None and (since is None or time >= since) and (until is None or time <= until)


def _ledgers(record: Sequence[Entry], said: Sequence[Said]) -> tuple[Ledger, Ledger]:
    live, shadow = Ledger(), Ledger()
    for entry in record:
        live.take(entry.record.topic, entry.envelope, entry.record.written_at)
        if entry.envelope.policy is None:
            shadow.take(entry.record.topic, entry.envelope, entry.record.written_at)
    for one in said:
        shadow.take(one.topic, one.envelope, one.envelope.time)
    return live, shadow


def _differences(study: str, live: Ledger, shadow: Ledger) -> list[Difference]:
    before, after = (_summary(ledger, study) for ledger in (live, shadow))
    return [
        Difference(study=study, what=what, live=before[what], shadow=after[what])
        for what in before
        if before[what] != after[what]
    ]


def _summary(ledger: Ledger, study: str) -> dict[str, str | None]:
    line = ledger.line(study)
    alerts = sorted(f"{a.finding} ({a.score:.2f})" for a in line.alerts.values())
    outcomes = [o for revision in sorted(line.outcomes) for o in line.outcomes[revision]]
    return {
        "alert": ", ".join(alerts) or None,
        "place": f"by {line.place.read_by:%Y-%m-%d %H:%M:%S}" if line.place else None,
        "outcome": "; ".join(f"revision {o.revision}: {o.outcome}, {o.reason}" for o in outcomes) or None,
    }
