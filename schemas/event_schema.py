"""The JSON Schema 2020-12 of one event type, with the words that stand beside its fields in the code."""

from __future__ import annotations

import ast
import inspect
import textwrap
from dataclasses import is_dataclass
from datetime import datetime
from typing import Any, get_args, get_type_hints

import msgspec

from streams.events.codec import VERSION

DIALECT = "https://json-schema.org/draft/2020-12/schema"
IDENTITY = "urn:wetread:schemas:"


def snake(name: str) -> str:
    """AlertRaised -> alert_raised."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def schema_of(event_type: type) -> dict[str, Any]:
    """The JSON Schema of one event type, whole in one document."""
    _reference, parts = msgspec.json.schema_components([event_type], ref_template="#/$defs/{name}")
    for part_type in _dataclasses(event_type):
        _tell(parts[part_type.__name__], part_type)
    name = event_type.__name__
    body = parts.pop(name)
    return {
        "$schema": DIALECT,
        "$id": f"{IDENTITY}{snake(name)}.{VERSION}",
        "title": name,
        **body,
        **({"$defs": dict(sorted(parts.items()))} if parts else {}),
    }


def _dataclasses(root: Any) -> set[type]:
    """Root and every dataclass that its fields hold."""
    found = {root} if isinstance(root, type) and is_dataclass(root) else set()
    inner = get_type_hints(root).values() if found else get_args(root)
    return found.union(*(_dataclasses(hint) for hint in inner))


def _tell(schema: dict[str, Any], part_type: type) -> None:
    """Say that times are times, and what each field means."""
    words, hints = _words(part_type), get_type_hints(part_type)
    schema["description"] = inspect.cleandoc(part_type.__doc__ or "").splitlines()[0]
    for name, field in schema["properties"].items():
        if datetime in {hints[name], *get_args(hints[name])}:
            text = next(s for s in (field, *field.get("anyOf", ())) if s.get("type") == "string")
            text["format"] = "date-time"
        if name in words:
            field["description"] = words[name]


def _words(part_type: type) -> dict[str, str]:
    """Field name to the string that stands below it in the source."""
    definition = ast.parse(textwrap.dedent(inspect.getsource(part_type))).body[0]
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in zip(definition.body, definition.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
