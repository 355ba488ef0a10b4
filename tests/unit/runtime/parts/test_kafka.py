"""What the local broker is told, without any broker: where it listens, and where it tells its clients to come."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.runtime.parts import kafka
from streams.runtime.parts.kafka import LocalKafka
from streams.runtime.parts.settings import PartsSettings


@pytest.fixture(autouse=True)
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "java", lambda: Path("/nowhere/java"))


def told(home: Path, advertised: int | None) -> dict[str, str]:
    """The properties of a broker at port 20001 whose log folder was formatted before."""
    formatted = home / "data" / "kafka" / "meta.properties"
    formatted.parent.mkdir(parents=True, exist_ok=True)
    formatted.touch()
    broker = LocalKafka(PartsSettings(home=home, kafka_advertised=advertised), port=20001, controller_port=20002)
    path = Path(broker.prepare().argv[-1])
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


@pytest.mark.parametrize(("advertised", "named"), [(None, 20001), (20009, 20009)])
def test_clients_are_sent_to_what_stands_before_the_broker(tmp_path: Path, advertised: int | None, named: int):
    """It listens at its own port in any case; a client that asks is sent to the link before it, where there is one."""
    properties = told(tmp_path, advertised)
    assert "//127.0.0.1:20001," in properties["listeners"] + ","
    assert "//127.0.0.1:20002," in properties["listeners"] + ","
    assert properties["advertised.listeners"].split(",")[0].endswith(f"//127.0.0.1:{named}")


def test_a_link_that_is_taken_away_is_forgotten(tmp_path: Path):
    """The file is written anew at each start: the next broker names its own port again."""
    first, second = told(tmp_path, 20009), told(tmp_path, None)
    assert first["advertised.listeners"] != second["advertised.listeners"]
    assert {n: v for n, v in first.items() if n != "advertised.listeners"} == {
        n: v for n, v in second.items() if n != "advertised.listeners"
    }
