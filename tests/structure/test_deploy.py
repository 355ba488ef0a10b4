"""Containers and observability fit the code: roles, settings, metrics, loopback; no engine is needed to know it."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
import yaml

from streams.adapters.telemetry import CounterName, GaugeName, HistogramName
from tests.structure.sources import ROOT

OURS = ("worker", "reader", "door-dimse", "door-folder")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """docker-compose.yml with its anchors merged."""
    loaded = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_services_are_whole(compose: dict[str, Any]) -> None:
    """Each service has an image and waits only for services that tell their health; each volume is declared."""
    services = compose["services"]
    assert set(OURS) | {"kafka", "redis", "triton"} <= set(services)
    for name, service in services.items():
        assert re.fullmatch(r"[\w./-]+:[\w.-]+", service["image"]), name
        for awaited in service.get("depends_on", {}):
            assert "healthcheck" in services[awaited], f"{name} waits for {awaited}"
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith("./") else source in compose["volumes"]


def test_ports_are_on_loopback(compose: dict[str, Any]) -> None:
    """Nothing listens to the world unless somebody says so."""
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_our_services_run_roles_that_exist(compose: dict[str, Any]) -> None:
    """`wetread run ROLE` knows each role, and every setting given is one that is read."""
    from streams.cli.run import ROLES

    known = set(re.findall(r"WETREAD_[A-Z_]+", (ROOT / "streams" / "runtime" / "settings.py").read_text()))
    for name in OURS:
        service = compose["services"][name]
        assert service["command"][:2] == ["run", name]
        assert name in ROLES
        assert set(service["environment"]) <= known


def test_the_image_is_not_run_by_root() -> None:
    """The last user of the image is not root, and Python is of a version that is supported."""
    lines = (ROOT / "deploy" / "images" / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER ")][-1] != "USER root"
    assert all("python:3.12-slim" in line for line in lines if line.startswith("FROM "))


def test_rules_watch_metrics_that_exist() -> None:
    """Each metric in a rule is in the catalogue."""
    rules = (ROOT / "deploy" / "observability" / "alerts.yaml").read_text()
    assert yaml.safe_load(rules)["groups"]
    used = {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\bwetread_\w+", rules)}
    assert used
    assert used <= {*get_args(CounterName), *get_args(HistogramName), *get_args(GaugeName)}


def test_observability_files_are_yaml() -> None:
    """Collector and Prometheus are told in YAML that loads; the collector's pipelines name what is defined."""
    collector = yaml.safe_load((ROOT / "deploy" / "observability" / "collector.yaml").read_text())
    for pipeline in collector["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(collector[kind])
    prometheus = yaml.safe_load((ROOT / "deploy" / "observability" / "prometheus.yaml").read_text())
    assert {job["job_name"] for job in prometheus["scrape_configs"]} == {"wetread", "triton"}
