"""schemas/asyncapi.yaml is a whole AsyncAPI 3.0 document, and the committed contract is the code's."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from schemas import generate
from streams import flow
from streams.events.codec import EVENT_TYPES, type_name
from tests.structure.sources import ROOT


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document as an outsider loads it."""
    loaded = yaml.safe_load(generate.documents()["asyncapi.yaml"])
    assert isinstance(loaded, dict)
    return loaded


def _find(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [ref for value in node.values() for ref in _references(value)]
    return [ref for value in node for ref in _references(value)] if isinstance(node, list) else []


def test_the_committed_contract_is_the_codes() -> None:
    """Schemas, document and drawing stand as `make schemas` writes them, and break no reader."""
    assert generate.check() == []


def test_a_document_says_what_it_is(document: dict[str, Any]) -> None:
    """AsyncAPI 3.0.0 asks for asyncapi, info.title and info.version; the rest is of its list."""
    assert document["asyncapi"] == "3.0.0"
    assert document["info"]["title"] == "Wetread"
    assert document["info"]["version"]
    known = {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"}
    assert set(document) <= known


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """References inside lead to what is there; those outside name a file of schemas/."""
    for reference in _references(document):
        if reference.startswith("#/"):
            assert _find(document, reference)
        else:
            assert json.loads((ROOT / "schemas" / reference).read_text())["$schema"]


def test_channels_are_the_topics(document: dict[str, Any]) -> None:
    """A channel per topic, with its address and the messages that it carries."""
    assert set(document["channels"]) == {topic.name for topic in flow.TOPICS}
    for topic in flow.TOPICS:
        channel = document["channels"][topic.name]
        assert channel["address"] == topic.name
        assert set(channel["messages"]) == {t.__name__ for t in topic.carries}
        assert channel["bindings"]["kafka"]["partitions"] == topic.partitions


def test_operations_name_messages_of_their_channel(document: dict[str, Any]) -> None:
    """An operation sends or receives on one channel, and its messages are that channel's own."""
    assert document["operations"]
    for operation in document["operations"].values():
        assert operation["action"] in {"send", "receive"}
        channel = operation["channel"]["$ref"]
        assert channel.startswith("#/channels/")
        assert operation["messages"]
        assert all(m["$ref"].startswith(f"{channel}/messages/") for m in operation["messages"])


def test_messages_are_the_events(document: dict[str, Any]) -> None:
    """A message per event type: its CloudEvents type, its words, the schema of its body, the headers of all."""
    messages = document["components"]["messages"]
    assert set(messages) == {t.__name__ for t in EVENT_TYPES}
    for event_type in EVENT_TYPES:
        message = messages[event_type.__name__]
        assert message["name"] == type_name(event_type)
        assert message["summary"].endswith((".", ":"))
        assert "2020-12" in message["payload"]["schemaFormat"]
    headers = document["components"]["messageTraits"]["cloudevent"]["headers"]
    assert set(headers["required"]) <= set(headers["properties"])


def test_headers_of_the_document_are_those_we_write(document: dict[str, Any]) -> None:
    """Every header that a record of ours carries is told of, and no other."""
    from streams.events.envelope import to_kafka
    from tests.support.examples import example, in_envelope

    told = document["components"]["messageTraits"]["cloudevent"]["headers"]["properties"]
    _key, _value, headers = to_kafka(in_envelope(example(EVENT_TYPES[0])))
    assert {name for name, _ in headers} - {"content-type"} == set(told)
