"""Torments of links and of what answers at their end: weather, a broker away, a model server that answers badly."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress

import psutil

from streams.chaos.links import CALM, Weather
from streams.chaos.site import waited
from streams.chaos.studies.model import NAME
from streams.chaos.torments.answering import answers
from streams.chaos.torments.standin import MANNERS
from streams.chaos.torments.struck import PATIENCE_S, Strike, Struck, Tools
from streams.errors import ModelRefused
from streams.runtime.parts.triton import load_model, unload_model


def weather(link: str, how: Callable[[Tools], Weather], low: float, high: float) -> Strike:
    """Bad weather on a link for a while."""

    def strike(tools: Tools) -> Struck:
        links = tools.site.links
        links.become(link, how(tools))
        return Struck(
            target=f"link to {link}",
            seconds=tools.lasting(low, high),
            heal=lambda: links.become(link, CALM),
            recovered=lambda: answers(tools.site, link),
        )

    return strike


def away(tools: Tools) -> Struck | None:
    """The broker killed, and not to be reached for a minute."""
    links = tools.site.links
    links.become("kafka", Weather(refuses=True))
    pid = tools.site.signal("kafka", signal.SIGKILL)
    return Struck(
        target="kafka",
        pid=pid,
        seconds=15.0 if tools.short else 60.0,
        heal=lambda: links.become("kafka", CALM),
        recovered=lambda: answers(tools.site, "kafka"),
    )


def misanswered(tools: Tools) -> Struck:
    """Readers are led to a model server that answers badly."""
    links, port = tools.site.links, tools.site.ports["triton_grpc"]
    tools.stand_in.manner = tools.chance.choice(MANNERS)
    links.become("triton", CALM, tools.stand_in_port)
    return Struck(
        target="link to triton",
        seconds=tools.lasting(5, 25),
        heal=lambda: links.become("triton", CALM, port),
        recovered=lambda: answers(tools.site, "triton"),
        note=tools.stand_in.manner,
    )


def model_process(tools: Tools) -> Struck | None:
    """The process of the model killed; the server lives on."""
    stubs = _stubs(tools.site.life("triton").pid)
    for stub in stubs:
        with suppress(psutil.NoSuchProcess):
            stub.kill()
    return Struck(target="triton", pid=stubs[0].pid, note="its model's process") if stubs else None


def model_stalled(tools: Tools) -> Struck | None:
    """The process of the model stopped for long enough that the server gives its call up, then it goes on."""
    pid = tools.site.life("triton").pid
    stub = next(iter(_stubs(pid)), None)
    if stub is None:
        return None
    with suppress(psutil.NoSuchProcess):
        stub.suspend()

    def heal() -> None:
        with suppress(psutil.NoSuchProcess):
            stub.resume()

    return Struck(target="triton", pid=stub.pid, seconds=tools.lasting(1.1, 2), heal=heal, note="its model's process")


def _stubs(pid: int | None) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [p for p in psutil.Process(pid).children(recursive=True) if "stub" in p.name()] if pid else []
    return []


def reloaded(tools: Tools) -> Struck:
    """The model unloaded in the middle, and loaded again."""
    unload_model(tools.site.triton, NAME)

    def loaded() -> bool:
        with suppress(ModelRefused):
            load_model(tools.site.triton, NAME)
            return True
        return False

    return Struck(
        target="triton", seconds=tools.lasting(1, 6), recovered=lambda: waited(loaded, PATIENCE_S), note="unloaded"
    )
