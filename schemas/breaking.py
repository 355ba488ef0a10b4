"""What would break a reader: the old schema of an event against the new one."""

from __future__ import annotations

import json
from typing import Any


def breaks(old: dict[str, Any], new: dict[str, Any], where: str = "") -> list[str]:
    """What a consumer of the old schema would miss: a field removed, retyped, or no longer always there."""
    found: list[str] = []
    for name, before in old.get("properties", {}).items():
        path = f"{where}.{name}".lstrip(".")
        after = new.get("properties", {}).get(name)
        if after is None:
            found.append(f"{path} was removed")
        elif shape(before) != shape(after):
            found.append(f"{path} was {shape(before)} and is {shape(after)}")
        elif name in old.get("required", ()) and name not in new.get("required", ()):
            found.append(f"{path} was always there and now may be absent")
    for name, before in old.get("$defs", {}).items():
        if name in new.get("$defs", {}):
            found += breaks(before, new["$defs"][name], f"{where}.{name}")
    return found


def shape(schema: dict[str, Any]) -> str:
    """A schema without its words: what would break a reader when it changes."""
    kept = {k: v for k, v in schema.items() if k not in {"description", "title", "default", "examples"}}
    return json.dumps(kept, sort_keys=True)
