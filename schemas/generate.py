"""Writes the public contract from the code: JSON Schema 2020-12 per event, one AsyncAPI 3 document."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from schemas.breaking import breaks
from schemas.drawing import with_drawing
from schemas.event_schema import schema_of, snake
from streams import __version__, flow
from streams.events.codec import EVENT_TYPES, VERSION, type_name

HERE = Path(__file__).resolve().parent


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3 document: channels and messages from the map."""
    channels = {
        topic.name: {
            "address": topic.name,
            "title": topic.name,
            "description": topic.about + (" Inside the flow." if topic.inside else ""),
            "messages": {t.__name__: {"$ref": f"#/components/messages/{t.__name__}"} for t in topic.carries},
            "bindings": {"kafka": {"topic": topic.name, "partitions": topic.partitions, "bindingVersion": "0.5.0"}},
        }
        for topic in flow.TOPICS
    }
    operations = {
        f"publish.{topic.name}": {
            "action": "send",
            "title": f"Subscribe to {topic.name}",
            "summary": f"Wetread writes {topic.name}, keyed by {topic.key}: consume the topic to receive.",
            "channel": {"$ref": f"#/channels/{topic.name}"},
            "messages": [{"$ref": f"#/channels/{topic.name}/messages/{t.__name__}"} for t in topic.carries],
        }
        for topic in flow.TOPICS
        if not topic.inside
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Wetread",
            "version": __version__,
            "description": "Imaging studies, findings, places on the worklist and alerts as they happen. "
            "CloudEvents 1.0 in Kafka's binary content mode; the key is what the channel says.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {t.__name__: message(t) for t in EVENT_TYPES},
            "messageTraits": {"cloudevent": {"headers": headers()}},
        },
    }


def message(event_type: type) -> dict[str, Any]:
    """One message: its CloudEvents type, and the schema of its body."""
    return {
        "name": type_name(event_type),
        "title": event_type.__name__,
        "summary": (event_type.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/cloudevent"}],
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"events/{snake(event_type.__name__)}.{VERSION}.json"},
        },
    }


def headers() -> dict[str, Any]:
    """The Kafka headers of every event."""
    names = {
        "ce_specversion": "1.0",
        "ce_id": "UUIDv5 of cause, stage and index: a repeat has the same id, so drop ids that you have seen",
        "ce_type": "wetread.<Event>.<version>",
        "ce_source": "/wetread",
        "ce_time": "when it happened, RFC 3339, UTC",
        "ce_subject": "the key",
        "ce_partitionkey": "the key",
        "ce_causationid": "id of the event that caused it; absent at a door",
        "ce_policydigest": "digest of the policies and contracts under which it was decided",
        "traceparent": "W3C trace context, one trace from the door on",
    }
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time"],
        "properties": {name: {"type": "string", "description": text} for name, text in names.items()},
    }


def documents() -> dict[str, str]:
    """Every generated file: path below schemas/ to its text."""
    files = {
        f"events/{snake(t.__name__)}.{VERSION}.json": json.dumps(schema_of(t), indent=2, ensure_ascii=False) + "\n"
        for t in EVENT_TYPES
    }
    note = "# Generated from streams/ by `make schemas`; edit the code, not this file.\n"
    files["asyncapi.yaml"] = note + yaml.safe_dump(asyncapi(), sort_keys=False, width=110, allow_unicode=True)
    return files


def last_tag() -> str | None:
    """The newest released version reachable from here."""
    done = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "--match", "v*"],  # noqa: S607  # git of the PATH
        capture_output=True,
        text=True,
        cwd=HERE,
        check=False,
    )
    return done.stdout.strip() or None


def committed(revision: str, path: str) -> dict[str, Any] | None:
    """A schema as it stands in a revision; None where it did not exist."""
    done = subprocess.run(
        ["git", "show", f"{revision}:schemas/{path}"],  # noqa: S607  # git of the PATH
        capture_output=True,
        text=True,
        cwd=HERE,
        check=False,
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def removed_since(revision: str, made: dict[str, str]) -> list[str]:
    """Event schemas that the revision had and the code no longer makes."""
    done = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", revision, "events/"],  # noqa: S607  # git of the PATH
        capture_output=True, text=True, cwd=HERE, check=False,
    )  # fmt: skip
    return [f"{path} was removed" for path in done.stdout.split() if path not in made]


def check() -> list[str]:
    """What is wrong: files that differ from the code, breaks against HEAD and the last tag."""
    made = documents()
    wrong = [
        f"{path.relative_to(HERE.parent)} is not what the code says: run `make schemas`"
        for path, text in written(made).items()
        if not path.is_file() or path.read_text() != text
    ]
    wrong += [f"schemas/{path} has no event any more: remove it" for path in left_over(made)]
    for revision in filter(None, ("HEAD", last_tag())):
        wrong += [f"{text} (since {revision})" for text in removed_since(revision, made)]
        for path in made:
            if path.endswith(".json") and (old := committed(revision, path)):
                wrong += [f"{path}: {text} (since {revision})" for text in breaks(old, json.loads(made[path]))]
    return wrong


def left_over(made: dict[str, str]) -> list[str]:
    """Files of schemas/events that no event type makes."""
    there = (path.relative_to(HERE).as_posix() for path in (HERE / "events").glob("*.json"))
    return sorted(path for path in there if path not in made)


def written(made: dict[str, str]) -> dict[Path, str]:
    """Every file that is written from the code: those of schemas/, and the README with its drawing."""
    readme = HERE.parent / "README.md"
    files = {HERE / path: text for path, text in made.items()}
    return files | ({readme: with_drawing(readme.read_text())} if readme.is_file() else {})


def main() -> int:
    """Write the documents, or with --check say what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where something differs")
    if parser.parse_args().check:
        wrong = check()
        print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
        return 1 if wrong else 0
    for path, text in written(documents()).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
