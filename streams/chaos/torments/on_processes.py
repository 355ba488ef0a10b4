"""Torments of processes: signals, stops, clocks, storms, fault points, a deploy."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from streams.chaos.site import waited
from streams.chaos.torments.storm import Storm
from streams.chaos.torments.struck import PATIENCE_S, Strike, Struck, Tools
from streams.faults.firing import CRASH, FIRED
from streams.faults.points import Side

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
STOPS_S = (5.0, 25.0)
ENDED_WITHIN_S = 30.0
DECODER = "streams.adapters.decode_child"
HANGS = "stall=100000"
"""For ever: nothing but its own watchdog ends it."""
SIDES: tuple[Side, ...] = ("before", "after")


def signalled(kind: str, number: signal.Signals) -> Strike:
    """A signal to one process of a kind; the supervisor starts it again."""

    def strike(tools: Tools) -> Struck | None:
        site, names = tools.site, tools.site.names(kind)
        if not names:
            return None
        name = tools.chance.choice(names)
        before = site.life(name).restarts
        pid = site.signal(name, number)
        if pid is None:
            return None
        return Struck(target=name, pid=pid, recovered=lambda: site.until_back(name, before, PATIENCE_S))

    return strike


def stopped(kind: str) -> Strike:
    """SIGSTOP, and SIGCONT after 5 to 25 s: its connections stay, and say nothing."""

    def strike(tools: Tools) -> Struck | None:
        site, names = tools.site, tools.site.names(kind)
        if not names:
            return None
        name = tools.chance.choice(names)
        pid = site.signal(name, signal.SIGSTOP)

        def heal() -> None:
            if site.life(name).pid == pid:
                site.signal(name, signal.SIGCONT)

        if pid is None:
            return None
        return Struck(target=name, pid=pid, seconds=tools.lasting(*STOPS_S), heal=heal)

    return strike


def decoder_stopped(tools: Tools) -> Struck | None:
    """SIGSTOP of one process that decodes for a reader: its reading stands still, the reader's others go on."""
    decoders = [
        (name, child)
        for name, child in tools.site.processes()
        if name.startswith("reader-") and "/" in name and DECODER in _command(child)
    ]
    if not decoders:
        return None
    name, child = tools.chance.choice(decoders)

    def send(number: signal.Signals) -> None:
        with suppress(psutil.NoSuchProcess):
            child.send_signal(number)

    send(signal.SIGSTOP)
    return Struck(target=name, pid=child.pid, seconds=tools.lasting(*STOPS_S), heal=lambda: send(signal.SIGCONT))


def _command(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def clock(kind: str) -> Strike:
    """A process of a kind starts again with its clock an hour apart, and later again with the right one."""
    return lambda tools: _clock(tools, kind)


def _clock(tools: Tools, kind: str) -> Struck | None:
    site, names = tools.site, tools.site.names(kind)
    if not names or not Path(FAKETIME).is_file():
        return None
    name, apart = tools.chance.choice(names), tools.chance.choice(("+1h", "-1h"))
    dress = {"LD_PRELOAD": FAKETIME, "FAKETIME": apart, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    site.clothes[name].update(dress)
    before = site.life(name).restarts
    pid = site.signal(name, signal.SIGKILL)

    def heal() -> None:
        for variable in dress:
            site.clothes[name][variable] = ""
        site.until_back(name, before, PATIENCE_S)
        site.signal(name, signal.SIGKILL)

    def back() -> bool:
        return site.until_back(name, before + 1, PATIENCE_S)

    return Struck(target=name, pid=pid, seconds=tools.lasting(15, 40), heal=heal, recovered=back, note=apart)


def crashed(tools: Tools) -> Struck:
    """The next of all fault points: whoever comes by it first is killed there."""
    if not tools.points:
        tools.points = [(point.title, side) for point in tools.among for side in SIDES]
        tools.chance.shuffle(tools.points)
    return crashed_at(*tools.points.pop())(tools)


def crashed_at(point: str, side: str, action: str = CRASH) -> Callable[[Tools], Struck]:
    """One fault point, by its name; whoever comes by first is killed there, or hangs."""

    def strike(tools: Tools) -> Struck:
        folder = tools.site.settings.home / "run" / "faults"
        folder.mkdir(parents=True, exist_ok=True)
        wish, fresh = folder / f"{point}.{side}", folder / f".wish.{point}.{side}"

        def here() -> list[dict[str, object]]:
            return [one for one in fired(folder) if (one["point"], one["side"]) == (point, side)]

        known = len(here())
        fresh.write_text(action)
        fresh.rename(wish)

        def recovered() -> bool:
            if not waited(lambda: len(here()) > known, ENDED_WITHIN_S):
                wish.unlink(missing_ok=True)
                if len(here()) == known:
                    struck.missed = True
                    return False
            ours = here()[known]
            struck.pid, struck.note = int(str(ours["pid"])), str(ours["process"])
            struck.fell = str(ours["at"]), float(str(ours["mono"]))
            if not tools.site.supervised(struck.note):
                return True
            return tools.site.until_other(struck.note, struck.pid, PATIENCE_S)

        struck = Struck(target=f"{point}.{side}", recovered=recovered)
        return struck

    return strike


def fired(folder: Path) -> list[dict[str, object]]:
    """Which fault points were crashed at, in order (streams/faults/README.md)."""
    try:
        lines = (folder / FIRED).read_text().splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("}")]


def stormed(tools: Tools) -> Struck:
    """Joins and leaves of the workers' group, thirty in a minute."""
    storm = Storm(tools.site, joins=5 if tools.short else 15)
    storm.start()
    return Struck(
        target="workers", seconds=15.0 if tools.short else 60.0, heal=storm.end, note="further workers come and go"
    )


def restarted(tools: Tools) -> Struck:
    """Everything started anew, one after the other, gracefully, each once the one before is ready: a deploy."""
    site = tools.site
    kinds = ("door", "worker", "reader", "redis", "triton", "kafka")
    names = [name for kind in kinds for name in site.names(kind)]

    def all_back() -> bool:
        for name in names:
            before = site.life(name).restarts
            site.renew(name)
            if site.signal(name, signal.SIGTERM) and not site.until_back(name, before, PATIENCE_S):
                return False
        return True

    return Struck(target="everything", recovered=all_back, note=f"{len(names)} processes")
