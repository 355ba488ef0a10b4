"""Assembly: images become a study as soon as series are known to be whole; late images make a revision."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from streams.assembly.facts import merged_study
from streams.assembly.leaving import has_left, is_at_rest, what_stays
from streams.assembly.revision import revise
from streams.assembly.state import HeldInstance, SeriesSoFar, StudySoFar
from streams.assembly.taking import grown, let_go, take
from streams.assembly.wholeness import ROUNDING, brought, closed, count_reached, is_quiet, quiet_due
from streams.events.imaging import (
    InstanceConflicted,
    InstancesStored,
    OrderMatched,
    Priority,
    PriorityChanged,
    SeriesClosed,
    StudyAssembled,
    TimerFired,
    WholeBy,
)
from streams.events.watching import StudyLetGo
from streams.policy import FOR_EVER, AssemblyPolicy, RetentionPolicy
from streams.stage import ALL, LAST, NOTHING, Outcome, Parts, Stage

NAME, STUDY, SERIES, INSTANCE = "assembly", "study", "series", "instance"
QUIET, FORGET, LEAVE = "quiet", "forget", "leave"
MOST_URGENT: tuple[Priority, ...] = ("stat", "urgent", "routine")
ORDERS_MOST = 8


def assembly(policy: AssemblyPolicy, unordered: Priority, retention: RetentionPolicy = FOR_EVER) -> Stage:
    """The stage. A step reads and writes the parts that its event names; one that makes a revision reads all."""
    handler = _Assembly(policy, unordered, retention)
    return Stage(
        name=NAME,
        hears=(InstancesStored, SeriesClosed, TimerFired, OrderMatched, StudyLetGo),
        says=(InstanceConflicted, StudyAssembled, PriorityChanged),
        kinds={STUDY: StudySoFar, SERIES: SeriesSoFar, INSTANCE: HeldInstance},
        step=handler.step,
        needs=_needs,
    )


def _needs(event: object) -> tuple[str, ...] | None:
    if isinstance(event, InstancesStored):
        return (STUDY, f"{SERIES}:{event.series.series}", *(f"{INSTANCE}:{i.instance}" for i in event.instances))
    if isinstance(event, SeriesClosed):
        return (STUDY, *(f"{SERIES}:{uid}" for uid in event.counts))
    if isinstance(event, OrderMatched):
        return (STUDY,)
    if isinstance(event, StudyLetGo):
        return ALL
    if isinstance(event, TimerFired) and event.stage == NAME:
        kind, _, uid = event.name.partition(":")
        return (STUDY, f"{SERIES}:{uid}") if kind == QUIET else ALL
    return ()


@dataclass(slots=True)
class _Draft:
    """The state while a step changes it."""

    study: StudySoFar
    series: dict[str, SeriesSoFar]
    changes: dict[str, object] = field(default_factory=dict)
    says: list[object] = field(default_factory=list)
    timers: dict[str, datetime | None] = field(default_factory=dict)

    def set_series(self, uid: str, series: SeriesSoFar) -> None:
        if series != self.series.get(uid):
            self.series[uid] = series
            self.changes[f"{SERIES}:{uid}"] = series

    def set_study(self, study: StudySoFar) -> None:
        if study != self.study:
            self.study = study
            self.changes[STUDY] = study

    def whole(self, uid: str, by: WholeBy | None) -> bool:
        """Mark the series whole, if something told so and it is not; True: it has become so."""
        series = self.series[uid]
        if by is None or series.whole_by is not None or not series.held:
            return False
        self.set_series(uid, replace(series, whole_by=by))
        self.timers[f"{QUIET}:{uid}"] = None
        return True


class _Assembly:
    def __init__(self, policy: AssemblyPolicy, unordered: Priority, retention: RetentionPolicy) -> None:
        self._policy, self._unordered, self._retention = policy, unordered, retention

    def step(self, parts: Parts, event: object, now: datetime) -> Outcome:
        """See streams.stage.Stage.step."""
        study = parts.get(STUDY)
        draft = _Draft(
            study=study if isinstance(study, StudySoFar) else StudySoFar(),
            series={n.partition(":")[2]: p for n, p in parts.items() if isinstance(p, SeriesSoFar)},
        )
        if isinstance(event, OrderMatched):
            return self._ordered(draft, event)
        if isinstance(event, StudyLetGo):
            return self._let_go(draft, event.revision, now)
        if isinstance(event, InstancesStored):
            told = self._stored(draft, parts, event, now)
        elif isinstance(event, SeriesClosed):
            told = self._closed(draft, event, now)
        else:
            assert isinstance(event, TimerFired)
            if event.stage != NAME:
                return NOTHING
            if event.name == FORGET:
                return self._forgotten(draft, parts, now)
            if event.name == LEAVE:
                return self._let_go(draft, draft.study.released, now)
            told = self._quiet(draft, event, now)
        return self._decided(draft, parts, told=told)

    def _decided(self, draft: _Draft, parts: Parts, *, told: bool) -> Outcome:
        """What the draft holds; with a new revision, if something told that a series is whole."""
        keeps: tuple[bytes, ...] = ()
        if told:
            instances = {n: p for n, p in parts.items() if isinstance(p, HeldInstance)}
            instances |= {n: p for n, p in draft.changes.items() if isinstance(p, HeldInstance)}
            if len(instances) != draft.study.held or any(uid not in draft.series for uid in draft.study.series):
                return Outcome(needs_all=True)
            made = revise(draft.study, draft.series, instances.values(), self._priority(draft.study))
            for uid, series in made.series.items():
                draft.set_series(uid, series)
            draft.set_study(made.study)
            draft.says += [made.assembled] if made.assembled else []
            keeps = made.manifests
        return Outcome(changes=draft.changes, says=tuple(draft.says), timers=draft.timers, keeps=keeps)

    def _priority(self, study: StudySoFar) -> Priority:
        return min(study.orders.values(), key=MOST_URGENT.index, default=self._unordered)

    def _ordered(self, draft: _Draft, event: OrderMatched) -> Outcome:
        before = self._priority(draft.study)
        known = draft.study.orders
        if event.order in known or len(known) < ORDERS_MOST:
            draft.set_study(replace(draft.study, orders=known | {event.order: event.priority}))
        after = self._priority(draft.study)
        if draft.study.revision and after != before:
            draft.says.append(PriorityChanged(study=event.study, priority=after))
        return Outcome(changes=draft.changes, says=tuple(draft.says))

    def _stored(self, draft: _Draft, parts: Parts, event: InstancesStored, now: datetime) -> bool:
        uid, study = event.series.series, draft.study
        names = {i.instance: parts.get(f"{INSTANCE}:{i.instance}") for i in event.instances}
        taken = take(event, {n: p for n, p in names.items() if isinstance(p, HeldInstance)})
        draft.changes |= {f"{INSTANCE}:{n}": p for n, p in taken.instances.items()}
        draft.says += taken.conflicts
        series = grown(draft.series.get(uid, SeriesSoFar()), event, taken, now)
        facts = merged_study(study.facts, event.facts)
        series = replace(series, foreign=series.foreign or facts.patient != event.facts.patient)
        by: WholeBy | None = None
        if taken.brought:
            series, by = brought(series, event.association, taken.brought, now, self._quiet_since(now))
        draft.set_series(uid, series)
        draft.set_study(replace(study, facts=facts))
        if taken.new:
            draft.set_study(
                replace(
                    draft.study,
                    series=tuple(sorted({*study.series, uid})),
                    held=study.held + len(taken.new),
                    first_stored_at=min(study.first_stored_at or event.stored_at, event.stored_at),
                    last_at=max(study.last_at or now, now),
                )
            )
            draft.timers[f"{QUIET}:{uid}"] = quiet_due(series, self._policy)
            draft.timers[FORGET] = self._forget_due(draft.study)
            if has_left(study):
                draft.timers[LAST] = None
        return draft.whole(uid, "count-reached" if count_reached(series) else by)

    def _closed(self, draft: _Draft, event: SeriesClosed, now: datetime) -> bool:
        told = False
        for uid, count in sorted(event.counts.items()):
            series, by = closed(draft.series.get(uid, SeriesSoFar()), event, count, self._quiet_since(now))
            draft.set_series(uid, series)
            told = (uid in draft.series and draft.whole(uid, by)) or told
        return told

    def _quiet_since(self, now: datetime) -> datetime:
        return now - timedelta(seconds=self._policy.quiet_s)

    def _quiet(self, draft: _Draft, event: TimerFired, now: datetime) -> bool:
        uid = event.name.partition(":")[2]
        series, latest = draft.series.get(uid), draft.study.last_at
        if series is None or not is_quiet(series, self._policy, now):
            return False
        arriving = latest + timedelta(seconds=self._policy.quiet_s) if latest else now
        if series.held == 1 and series.whole_by is None and now < arriving - ROUNDING:
            # a scout alone would end the study before its slices are here
            draft.timers[event.name] = arriving
            return False
        return draft.whole(uid, "quiet")

    def _forget_due(self, study: StudySoFar) -> datetime | None:
        return study.last_at + timedelta(seconds=self._policy.forget_s) if study.last_at else None

    def _forgotten(self, draft: _Draft, parts: Parts, now: datetime) -> Outcome:
        """Let the instances of whole series go, so that state stays bounded.

        The study, its revision and its series' summaries stay. An image that comes later still makes a
        revision; its series then holds what has come since, and says so among its faults. A whole series sent
        again gives the manifest that it had, and hence no revision.
        """
        due = self._forget_due(draft.study)
        if due is None or now < due - ROUNDING:
            return NOTHING
        gone = {uid for uid, series in draft.series.items() if series.whole_by is not None}
        names = [n for n, p in parts.items() if isinstance(p, HeldInstance) and p.series in gone]
        for uid in gone:
            draft.set_series(uid, let_go(draft.series[uid]))
        draft.set_study(replace(draft.study, held=draft.study.held - len(names)))
        return Outcome(changes=draft.changes | dict.fromkeys(names))

    def _let_go(self, draft: _Draft, revision: int, now: datetime) -> Outcome:
        """Let all of it go, if this is its newest revision; while something is open, ask again when that is over.

        A newer revision is told of by who lets studies go, once that one has ended too.
        """
        study = draft.study
        if study.facts is None or revision < max(study.revision, 1):
            return NOTHING
        if is_at_rest(draft.series):
            stays, last = what_stays(study, revision), self._retention.forgotten_at(now)
            return Outcome(leaves=True, changes={STUDY: stays}, timers={FORGET: None, LEAVE: None, LAST: last})
        draft.set_study(replace(study, released=revision))
        return Outcome(changes=draft.changes, timers={LEAVE: now + timedelta(seconds=self._policy.longest_s)})
