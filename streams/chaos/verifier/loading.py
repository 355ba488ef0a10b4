"""A history's folder, read into memory: the layout is written down in streams/chaos/README.md."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from streams.chaos.verifier.history import (
    DEADLETTERS,
    RETRY,
    Ack,
    Event,
    History,
    Instance,
    Other,
    Policy,
    Record,
    Sent,
    Stored,
    Torment,
    stored_of,
)
from streams.chaos.verifier.schemas import required

PREFIX = "wetread."
STRANGER = "/wetread/chaos"
"""Source of poison events; one of which the broker's answer was lost stands on the topic, and nowhere else."""
APART = timedelta(hours=1)
"""By which the clock of a worker is set apart; it stamps its records with it."""
SLACK = timedelta(minutes=2)
Window = tuple[datetime, datetime | None]


class HistoryUnreadable(Exception):
    """The folder is no history; the text says what is missing."""


def load(folder: Path) -> History:
    """The history of a folder.

    Raises:
        HistoryUnreadable: a file is missing, or is not what the layout says.
    """
    try:
        return _load(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise HistoryUnreadable(f"{folder} is no whole history: {type(error).__name__}: {error}") from error


def _load(folder: Path) -> History:
    plan = _object(folder / "plan.json")
    acks = tuple(_ack(line) for line in _lines(folder / "acks.jsonl"))
    others = tuple(_other(line) for line in _lines(folder / "others.jsonl", optional=True))
    poison = {other.place for other in others if other.what == "poison"}
    run = _object(folder / "run.json") if (folder / "run.json").is_file() else {}
    window = moment(plan["began_at"]) - SLACK, moment(run["ended_at"]) + SLACK if run.get("ended_at") else None
    topics: dict[str, list[Event]] = {p.stem: _events(p, window) for p in sorted((folder / "topics").glob("*.jsonl"))}
    if not topics:
        raise ValueError("topics/ holds no topic")
    flow = [e for name, events in topics.items() if not name.endswith(RETRY) and name != DEADLETTERS for e in events]
    bad = [e for e in flow if (e.topic, e.partition, e.offset) in poison or e.headers.get("ce_source") == STRANGER]
    left_out = {event.where for event in bad}
    hollow = [e for e in flow if e.where not in left_out and not (e.body and required(e.type) <= e.body.keys())]
    left_out |= {event.where for event in hollow}
    return History(
        folder=folder,
        plan=plan,
        run=run,
        policy=_policy(plan),
        studies={sent.study: sent for sent in map(_sent, _lines(folder / "studies.jsonl"))},
        acks=acks,
        stored_of=stored_of(acks),
        others=others,
        torments=tuple(_torment(line) for line in _lines(folder / "torments.jsonl", optional=True)),
        record=Record(e for e in flow if e.where not in left_out),
        letters=tuple(topics.get(DEADLETTERS, ())),
        retries=tuple(e for name, events in topics.items() if name.endswith(RETRY) for e in events),
        poison=tuple(bad),
        hollow=tuple(hollow),
        objects={one.name: one for one in map(_stored, _lines(folder / "objects.jsonl"))},
        worklist=_worklist(folder / "redis.json"),
        samples=_seen(folder / "processes.jsonl"),
        stores=_seen(folder / "stores.jsonl"),
        why={str(line["study"]): line["story"] for line in _lines(folder / "why.jsonl", optional=True)},
    )


def moment(text: str) -> datetime:
    """An ISO 8601 time, in UTC."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _object(path: Path) -> Mapping[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise TypeError(f"{path.name} holds no JSON object")
    return found


def _lines(path: Path, *, optional: bool = False) -> Iterator[Mapping[str, Any]]:
    """Objects of a .jsonl file; its last line may be torn, no other."""
    if optional and not path.is_file():
        return
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            if number < len(lines):
                raise


def _events(path: Path, window: Window) -> list[Event]:
    """In order, each written within the run: a stamp from an hour before or after is put right."""
    found = [_within(event_of(line), window) for line in _lines(path)]
    return sorted(found, key=lambda event: (event.partition, event.offset))


def _within(event: Event, window: Window) -> Event:
    begin, end = window
    if event.at < begin <= event.at + APART:
        return replace(event, at=event.at + APART)
    if end is not None and event.at - APART <= end < event.at:
        return replace(event, at=event.at - APART)
    return event


def event_of(line: Mapping[str, Any]) -> Event:
    """An event from its line of topics/<topic>.jsonl."""
    headers: dict[str, str] = {}
    for name, text in line["headers"]:
        headers.setdefault(name, text or "")
    named = headers.get("ce_type", "")
    text = line.get("value")
    if text is None:
        text = base64.b64decode(line.get("value_base64") or "").decode("utf-8", "surrogateescape")
    return Event(
        topic=line["topic"],
        partition=int(line["partition"]),
        offset=int(line["offset"]),
        at=datetime.fromtimestamp(line["timestamp"] / 1000, UTC),
        key=line.get("key") or "",
        type=_type(named),
        headers=headers,
        body=_body(text),
        text=text,
    )


def _type(named: str) -> str:
    """The event that a CloudEvents type names: AlertRaised of wetread.AlertRaised.v1; empty for no such name."""
    prefix, _, rest = named.partition(".")
    name = rest.partition(".")[0]
    return name if f"{prefix}." == PREFIX and name.isidentifier() else ""


def _body(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _policy(plan: Mapping[str, Any]) -> Policy:
    waits, model, score = plan["waits"], plan["model"], plan["score"]
    return Policy(
        by_priority=waits["by_priority"],
        by_finding=waits["by_finding"],
        no_ai_after_s=float(waits["no_ai_after_s"]),
        unordered=plan["unordered"],
        alerts_on=frozenset(plan["alerts_on"]),
        model=model["name"],
        finding=model["finding"],
        slope=float(score["slope"]),
        middle=float(score["middle"]),
        slopes=score.get("slopes", {}),
        digests=model.get("digests", {}),
        ended_s=plan.get("ended_s"),
    )


def _sent(line: Mapping[str, Any]) -> Sent:
    expected = line["expected"]
    return Sent(
        study=line["study"],
        kinds=frozenset(line["kinds"]),
        patient=line["patient"],
        order=line["order"],
        canaries=tuple(line["canaries"]),
        birth_date=line.get("birth_date") or "",
        series=frozenset(line["series"]),
        instances=tuple(_instance(one) for one in line["instances"]),
        outcome=expected["outcome"],
        positive=expected["positive"],
        alert=bool(expected["alert"]),
    )


def _instance(line: Mapping[str, Any]) -> Instance:
    return Instance(
        instance=line["instance"],
        series=line["series"],
        sha256=line["dataset_sha256"],
        code=line["code"],
        batch=int(line["batch"]),
        conflicts=bool(line["conflicts"]),
    )


def _seen(path: Path) -> tuple[tuple[datetime, Mapping[str, Any]], ...]:
    return tuple((moment(line["at"]), line) for line in _lines(path, optional=True))


def _ack(line: Mapping[str, Any]) -> Ack:
    return Ack(
        at=moment(line["at"]),
        study=line["study"],
        instance=line["instance"],
        sha256=line["dataset_sha256"],
        status=line["status"],
    )


def _other(line: Mapping[str, Any]) -> Other:
    said = {name: value for name, value in line.items() if name not in {"at", "mono", "what"}}
    return Other(at=moment(line["at"]), what=line["what"], said=said)


def _torment(line: Mapping[str, Any]) -> Torment:
    at = moment(line["at"])
    return Torment(
        number=int(line["number"]),
        fault=line["fault"],
        target=line["target"] or "",
        at=at,
        ended_at=moment(line["ended_at"]) if line["ended_at"] else at,
        recovered_at=moment(line["recovered_at"]) if line["recovered_at"] else None,
    )


def _stored(line: Mapping[str, Any]) -> Stored:
    return Stored(
        name=line["name"], sha256=line["sha256"], dataset_sha256=line["dataset_sha256"], instance=line["instance"]
    )


def _worklist(path: Path) -> Mapping[str, datetime] | None:
    if not path.is_file():
        return None
    return {line["study"]: moment(line["read_by"]) for line in _object(path)["worklist"]}
