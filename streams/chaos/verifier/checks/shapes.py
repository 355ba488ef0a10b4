"""Every event is valid against schemas/: its body against its JSON Schema, its topic against the AsyncAPI document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from streams.chaos.verifier.history import Event, History
from streams.chaos.verifier.violations import Violation, broken

NAME = "schemas"
_HERE = Path(__file__).resolve()
FOLDERS = (_HERE.parents[3] / "_shipped" / "schemas", _HERE.parents[4] / "schemas")
"""Of the installed package, of the checkout."""


def check(history: History) -> Iterator[Violation]:
    """Repeats too: what stands on a topic is read by whoever listens."""
    folder = next((path for path in FOLDERS if path.is_dir()), FOLDERS[-1])
    carried = channels(folder)
    for event in history.record.all:
        fault = _fault(event, folder, carried)
        if fault:
            yield broken(NAME, event.study, f"{event.type or 'a record'} {event.id}: {fault}", [event])


def _fault(event: Event, folder: Path, carried: Mapping[str, frozenset[str]]) -> str | None:
    if event.topic not in carried:
        return "its topic is no channel of the AsyncAPI document"
    if event.type not in carried[event.topic]:
        return f"the AsyncAPI document has no {event.type or 'event without a type'} on {event.topic}"
    if event.headers["ce_type"] != f"wetread.{event.type}.v1":
        return f"no schema describes {event.headers['ce_type']}"
    found = next(iter(_validator(folder, event.type).iter_errors(dict(event.body))), None)
    return None if found is None else f"{'/'.join(map(str, found.instance_path)) or 'body'}: {found.message}"


@cache
def channels(folder: Path) -> Mapping[str, frozenset[str]]:
    """Topic to the events that it may carry."""
    document: Any = yaml.safe_load((folder / "asyncapi.yaml").read_text(encoding="utf-8"))
    return {channel["address"]: frozenset(channel["messages"]) for channel in document["channels"].values()}


@cache
def _validator(folder: Path, event: str) -> jsonschema_rs.Draft202012Validator:
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()
    schema = (folder / "events" / f"{name}.v1.json").read_text(encoding="utf-8")
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
