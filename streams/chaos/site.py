"""The real stack under links, in a folder of its own: three workers, two readers, both doors; its processes by name."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import psutil

from streams.adapters.contract_files import read_models
from streams.chaos.history import History
from streams.chaos.links import CALM, HOST, Links
from streams.chaos.studies import model
from streams.faults.firing import ASK
from streams.policy import RetentionPolicy
from streams.runtime.parts.fetch import ensure_parts
from streams.runtime.parts.part import Child
from streams.runtime.parts.ports import claim_ports
from streams.runtime.parts.settings import Addresses
from streams.runtime.parts.states import PartState, State
from streams.runtime.settings import CHECKOUT, Settings, as_environment, default_home, load, shipped
from streams.runtime.stack.services import children
from streams.runtime.stack.stack import Stack, StackEvent
from streams.runtime.stack.supervision import LONGEST_PAUSE
from streams.runtime.wiring import parts_settings

WORKERS, READERS = 3, 2
UPSTREAM = {"kafka": "kafka", "redis": "redis", "triton": "triton_grpc", "dicom": "dicom"}
"""Link to the port where it leads."""
START_S = 600.0
REDIS_MEMORY = "512mb"
BROUGHT = "brought"
"""Below the home: the other version of the model, which nobody has loaded yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a run asks of its stack.

    Attributes:
        home: a folder that is not there yet.
        unprotected: names of protections that are switched off.
        otlp: where traces and metrics go.
        older: files of the build from which our own processes begin; None: of this one.
        longest_pause: before what dies again and again is started anew.
        retention: how long what has ended is kept; None: as shipped.
    """

    home: Path
    seed: int
    unprotected: tuple[str, ...] = ()
    otlp: str | None = None
    workers: int = WORKERS
    readers: int = READERS
    longest_pause: float = LONGEST_PAUSE
    older: Path | None = None
    retention: RetentionPolicy | None = None


@dataclass(slots=True)
class Site:
    """A running stack: its children are kept alive by the product's own supervision.

    Attributes:
        ports: of every part and link, by name; parts are also to be had directly, past their links.
        clothes: what is added to the environment of a child at its next start, by its name.
    """

    settings: Settings
    links: Links
    ports: dict[str, int]
    history: History
    clothes: dict[str, dict[str, str]]
    _lives: dict[str, PartState] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def kafka(self) -> str:
        """Kafka, past its link: what is advertised leads through it all the same."""
        return f"{HOST}:{self.ports['link_kafka']}"

    @property
    def redis(self) -> str:
        """Redis, past its link."""
        return f"redis://{HOST}:{self.ports['redis']}/0"

    @property
    def triton(self) -> str:
        """Triton's gRPC, past its link."""
        return f"{HOST}:{self.ports['triton_grpc']}"

    @property
    def door(self) -> tuple[str, int]:
        """The DIMSE door, through its link."""
        return HOST, self.ports["link_dicom"]

    @property
    def digests(self) -> dict[str, str]:
        """Of each version of the model, as answers name it."""
        folders = (self.settings.models, self.settings.home / BROUGHT)
        found = (read_models(folder)[model.NAME] for folder in folders)
        return {one.contract.version: one.digest for one in found}

    def names(self, kind: str) -> list[str]:
        """Running processes of a kind: worker, reader, door, triton, redis, kafka."""
        return [n for n, s in sorted(self._lives.items()) if n.split("-")[0] == kind and s.state is State.RUNNING]

    def life(self, name: str) -> PartState:
        """The state of a part or child as last heard."""
        return self._lives[name]

    def heard(self, event: StackEvent) -> None:
        """The stack says something; in its thread."""
        part = event.part
        said = {"part": part.name, "state": str(part.state), "pid": part.pid, "restarts": part.restarts}
        self.history.happened("supervision", **said, said=event.said)
        with self._changed:
            self._lives[part.name] = part
            self._changed.notify_all()

    def until(self, holds: Callable[[], bool], patience_s: float) -> bool:
        """Wait until it holds, looked at whenever the stack says something; False: not in time."""
        with self._changed:
            return self._changed.wait_for(holds, patience_s)

    def until_back(self, name: str, before: int, patience_s: float = 120.0) -> bool:
        """Wait until it runs again after `before` restarts."""
        return self.until(
            lambda: self._lives[name].restarts > before and self._lives[name].state is State.RUNNING, patience_s
        )

    def until_other(self, name: str, pid: int, patience_s: float) -> bool:
        """Wait until it runs as another process than this one; False: not in time."""
        return self.until(
            lambda: self._lives[name].pid not in (None, pid) and self._lives[name].state is State.RUNNING, patience_s
        )

    def supervised(self, name: str) -> bool:
        """Whether it is started anew when it ends: who comes by for a storm is not."""
        return name in self._lives

    def signal(self, name: str, number: signal.Signals) -> int | None:
        """To a process; its id, None: it does not run."""
        pid = self._lives[name].pid
        if pid is None:
            return None
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return None
        return pid

    def renew(self, name: str) -> None:
        """From its next start on a process of ours is of this build; a part is what it is."""
        if name in self.clothes:
            self.clothes[name].update(_of_build(CHECKOUT, self.settings.policies))

    def calm(self) -> None:
        """Every link as it was at the beginning."""
        for name, of in UPSTREAM.items():
            self.links.become(name, CALM, self.ports[of])

    def processes(self) -> Iterator[tuple[str, psutil.Process]]:
        """Every running process of the stack, Triton's model processes too."""
        for name, state in list(self._lives.items()):
            if state.pid is None:
                continue
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(state.pid)
                yield name, process
                for number, child in enumerate(process.children(recursive=True), start=1):
                    yield f"{name}/{number}", child


@contextmanager
def standing(wishes: Wishes, history: History, say: Callable[[str], None]) -> Iterator[Site]:
    """The stack, ready, and ended again.

    Raises:
        PartMissing, StackFailed: it does not come up.
    """
    settings = _settings(wishes)
    ports = claim_ports(settings.home, ["kafka", "kafka_controller", "redis", "triton_grpc", "dicom", *_link_ports()])
    told = replace(parts_settings(settings), kafka_advertised=ports["link_kafka"])
    ensure_parts(settings.home, say, told)
    links = Links(wishes.seed, {name: (ports[f"link_{name}"], ports[of]) for name, of in UPSTREAM.items()})
    site = Site(settings, links, ports, history, {})
    stack = Stack(told, site.heard, wishes.longest_pause)
    links.start()
    try:
        at = stack.start(START_S)
        own = _dressed(children(settings, _linked(at, ports), ports["dicom"]), site.clothes, wishes.older)
        stack.add(*own, timeout=START_S)
        yield site
    finally:
        for name, state in site._lives.items():  # noqa: SLF001  # of this module
            if state.pid and state.state is not State.STOPPED:
                site.signal(name, signal.SIGCONT)
        stack.stop()
        links.stop()


def _link_ports() -> list[str]:
    return [f"link_{name}" for name in UPSTREAM]


def _linked(at: Addresses, ports: dict[str, int]) -> Addresses:
    return replace(
        at,
        kafka=f"{HOST}:{ports['link_kafka']}",
        redis=f"redis://{HOST}:{ports['link_redis']}/0",
        triton=f"{HOST}:{ports['link_triton']}",
    )


def _of_build(files: Path, policies: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(files), "WETREAD_POLICIES": str(policies)}


def _dressed(own: list[Child], clothes: dict[str, dict[str, str]], older: Path | None) -> list[Child]:
    """The children with an environment that can be added to between two of their lives."""
    dressed = []
    for child in own:
        environment = dict(child.env) | (_of_build(older, older / "deploy" / "policies") if older else {})
        clothes[child.name] = environment
        dressed.append(replace(child, env=environment))
    return dressed


def _settings(wishes: Wishes) -> Settings:
    home = wishes.home.absolute()
    home.mkdir(parents=True)
    fetched = load().home / "parts"
    (home / "parts").symlink_to(fetched if fetched.is_dir() else default_home() / "parts")
    policies = shutil.copytree(shipped("deploy") / "policies", home / "policies")
    if wishes.retention is not None:
        (policies / "retention.toml").write_text(_toml(wishes.retention))
    model.write_model(home / "shipped")
    model.write_model(home / BROUGHT, model.OTHER)
    environment = {
        **as_environment(load()),
        "WETREAD_HOME": str(home),
        "WETREAD_MODELS": str(home / "shipped"),
        "WETREAD_POLICIES": str(policies),
        "WETREAD_INBOX": str(home / "inbox"),
        "WETREAD_WORKERS": str(wishes.workers),
        "WETREAD_READERS": str(wishes.readers),
        "WETREAD_YIELD_S": "2",
        "WETREAD_OTLP": wishes.otlp or "",
        "WETREAD_REDIS_MEMORY": REDIS_MEMORY,
        "WETREAD_CHAOS": "1",
        "WETREAD_FAULT": ASK,
        "WETREAD_UNPROTECTED": ",".join(wishes.unprotected),
    }
    for elsewhere in ("WETREAD_KAFKA", "WETREAD_REDIS", "WETREAD_TRITON", "WETREAD_DICOM_PORT"):
        environment.pop(elsewhere, None)
    return load(environment)


def _toml(policy: RetentionPolicy) -> str:
    return "".join(f"{name} = {str(value).lower()}\n" for name, value in asdict(policy).items())


def waited(condition: Callable[[], bool], patience_s: float, every_s: float = 0.2) -> bool:
    """Ask again and again, of what tells no event; False: not in time."""
    end = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every_s)
    return True
