"""The contract in schemas/: all that the verifier and the product have in common."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

_HERE = Path(__file__).resolve()
FOLDERS = (_HERE.parents[2] / "_shipped" / "schemas", _HERE.parents[3] / "schemas")
"""Of the installed package, of the checkout."""


@cache
def folder() -> Path:
    """Where the contract lies."""
    return next((path for path in FOLDERS if path.is_dir()), FOLDERS[-1])


@cache
def channels() -> Mapping[str, frozenset[str]]:
    """Topic to the events that it may carry."""
    document: Any = yaml.safe_load((folder() / "asyncapi.yaml").read_text(encoding="utf-8"))
    return {channel["address"]: frozenset(channel["messages"]) for channel in document["channels"].values()}


@cache
def validator(event: str) -> jsonschema_rs.Draft202012Validator:
    """Of the body of that event, such as "AlertRaised"."""
    return jsonschema_rs.Draft202012Validator(_schema(event), validate_formats=True)


@cache
def required(event: str) -> frozenset[str]:
    """Fields that a body always has; none where no schema describes the event."""
    try:
        return frozenset(json.loads(_schema(event)).get("required", ()))
    except FileNotFoundError:
        return frozenset()


def _schema(event: str) -> str:
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()
    return (folder() / "events" / f"{name}.v1.json").read_text(encoding="utf-8")
