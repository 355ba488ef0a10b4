"""Kafka, Redis, Triton, workers and doors as children of this process: started, watched, started again, ended."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from streams.errors import Stop
from streams.runtime.parts import guardian
from streams.runtime.parts.elsewhere import Elsewhere, parts_elsewhere
from streams.runtime.parts.fetch import ensure_parts
from streams.runtime.parts.guardian import Mark, mark_of
from streams.runtime.parts.kafka import LocalKafka
from streams.runtime.parts.part import Child
from streams.runtime.parts.ports import claim_ports
from streams.runtime.parts.record import end_leftovers, hold, read_record, write_record
from streams.runtime.parts.redis import LocalRedis
from streams.runtime.parts.settings import Addresses, PartsSettings
from streams.runtime.parts.states import PartState, State
from streams.runtime.parts.triton import LocalTriton
from streams.runtime.stack.supervision import LONGEST_PAUSE, Keeper, Startable, Watcher

log = logging.getLogger(__name__)
T = TypeVar("T")


class StackBusy(Stop):
    """Another process runs the stack of this home."""


class StackFailed(Stop):
    """A part did not start; the text says which, and its last words."""


@dataclass(frozen=True, slots=True)
class StackEvent:
    """Something that happened to a part: its state from now on, and what happened, for a person."""

    part: PartState
    said: str


class Stack:
    """The stack of one home.

    `start`, `add` and `stop` are for one thread at a time; all children are kept by a thread of its own, which lives
    until `stop`, since the kernel ends a child when the thread that started it is gone.
    """

    def __init__(
        self,
        settings: PartsSettings,
        on_event: Callable[[StackEvent], None] | None = None,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        """Nothing is started or written yet; `on_event` is called in the stack's own thread and must not block.

        longest_pause: seconds before a part that dies again and again is started anew.
        """
        self.settings = replace(settings, home=settings.home.absolute())
        self._on_event = on_event
        self._longest_pause = longest_pause
        self._held: int | None = None
        self._guardian: subprocess.Popen[str] | None = None
        self._guardian_mark: Mark | None = None
        self._addresses: Addresses | None = None
        self._kept: list[Keeper | Watcher] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stack", daemon=True)

    @property
    def home(self) -> Path:
        """The folder of this stack."""
        return self.settings.home

    @property
    def addresses(self) -> Addresses:
        """Where the parts answer; known once it was started."""
        if self._addresses is None:
            raise StackFailed("the stack was not started")
        return self._addresses

    @property
    def states(self) -> tuple[PartState, ...]:
        """Each part and child, in the order of their start."""
        return tuple(kept.state for kept in self._kept)

    def start(self, timeout: float = 120.0) -> Addresses:
        """Starts what is not elsewhere, and returns when every part answers.

        Raises:
            StackBusy: another process runs this home's stack.
            StackFailed: a part does not start; whatever was started is stopped again.
            PartMissing: something was not fetched, or no port is free.
        """
        self._held = hold(self.home)
        if self._held is None:
            other = read_record(self.home).stack
            number = f" (process {other.pid})" if other else ""
            raise StackBusy(
                f"a stack already runs for {self.home}{number}: `wetread down` ends it, "
                "or set WETREAD_HOME to another folder"
            )
        try:
            for name in end_leftovers(self.home):
                self._tell(PartState(name=name, state=State.STOPPED, since=""), "was left by an earlier run, and ended")
            parts, self._addresses = self._parts()
            self._guard()
            self._thread.start()
            self._run(self._begin(parts, timeout))
        except BaseException:
            self.stop()
            raise
        return self._addresses

    def add(self, *children: Child, timeout: float = 60.0) -> None:
        """Starts processes of ours beside the parts, side by side, and returns when all are ready.

        Raises:
            StackFailed: one is not; it goes on being started again until `stop`.
        """
        self._run(self._begin(children, timeout))

    def port(self, name: str) -> int:
        """A port of this stack for a door of that name, below 32768, chosen once and remembered."""
        return claim_ports(self.home, [name])[name]

    def stop(self) -> None:
        """Ends the children, then the parts, each gracefully and side by side; then lets go of the home."""
        if self._thread.is_alive():
            self._run(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
        if self._guardian and self._guardian.stdin:
            self._guardian.stdin.close()
            self._guardian.wait()
            self._guardian = None
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def __enter__(self) -> Self:
        """Starts."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops."""
        self.stop()

    def _parts(self) -> tuple[list[Startable | Elsewhere], Addresses]:
        elsewhere = {part.name: part for part in parts_elsewhere(self.settings)}
        needed = {"kafka": ("kafka", "kafka_controller"), "redis": ("redis",)}
        needed["triton"] = ("triton_grpc", "triton_http", "triton_metrics")
        ports = claim_ports(self.home, [port for name, of in needed.items() if name not in elsewhere for port in of])
        here: dict[str, Callable[[], Startable]] = {
            "kafka": lambda: LocalKafka(self.settings, ports["kafka"], ports["kafka_controller"]),
            "redis": lambda: LocalRedis(self.settings, ports["redis"]),
            "triton": lambda: LocalTriton(
                self.settings, ports["triton_grpc"], ports["triton_http"], ports["triton_metrics"]
            ),
        }
        parts = [elsewhere.get(name) or make() for name, make in here.items()]
        kafka, redis, triton = (part.address for part in parts)
        http, metrics = (f"127.0.0.1:{ports[p]}" if p in ports else None for p in ("triton_http", "triton_metrics"))
        return parts, Addresses(kafka=kafka, redis=redis, triton=triton, triton_http=http, triton_metrics=metrics)

    async def _begin(self, parts: Sequence[Startable | Elsewhere], timeout: float) -> None:
        begun: list[Keeper | Watcher] = []
        for part in parts:
            if isinstance(part, Elsewhere):
                begun.append(Watcher(part, self._changed))
            else:
                begun.append(Keeper(part, self.home, self._changed, self._whisper, self._longest_pause))
        self._kept += begun
        for kept in begun:
            kept.begin()
        waiting = {kept.first_answer for kept in begun}
        done, late = await asyncio.wait(waiting, timeout=timeout)
        failures = [complaint for complaint in (future.result() for future in done) if complaint]
        failures += [
            f"{kept.state.name} is not ready after {timeout:.0f} s" for kept in begun if kept.first_answer in late
        ]
        if failures:
            raise StackFailed(f"{'; '.join(failures)}; see {self.home / 'logs'}")

    async def _end(self) -> None:
        of_ours = [kept for kept in self._kept if isinstance(kept.part, Child)]
        for together in (of_ours, [kept for kept in self._kept if kept not in of_ours]):
            await asyncio.gather(*(kept.end() for kept in together))
        await self._loop.shutdown_default_executor()

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(what, self._loop)
        return future.result()

    def _guard(self) -> None:
        """Starts the process that ends the children where this one cannot."""
        self._guardian = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", guardian.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        self._guardian_mark = mark_of(self._guardian.pid)

    def _whisper(self, line: str) -> None:
        if self._guardian and self._guardian.stdin:
            try:
                self._guardian.stdin.write(f"{line}\n")
            except OSError:  # it was killed; the kernel's own signal at our death remains
                log.warning("the guardian of %s is gone; starting another one", self.home)
                self._guard()
                for state in self.states:
                    if state.pid:
                        self._whisper(f"watch {state.pid} {state.ticks} 15")

    def _changed(self, state: PartState, said: str) -> None:
        write_record(self.home, self._guardian_mark, self.states)
        self._tell(state, said)

    def _tell(self, state: PartState, said: str) -> None:
        if self._on_event is None:
            unwell = state.state in (State.WAITING, State.SILENT, State.AWAY)
            log.log(logging.WARNING if unwell else logging.INFO, "%s %s", state.name, said)
            return
        try:
            self._on_event(StackEvent(state, said))
        except Exception:  # the listener's fault, such as a terminal that was closed, is not the parts'
            log.exception("an event of %s could not be told", state.name)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the three parts until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m streams.runtime.stack.stack", description=main.__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--parts", type=Path, help="folder of fetched parts, default HOME/parts")
    parser.add_argument("--models", type=Path, action="append", default=[], help="folder of model folders")
    chosen = parser.parse_args(argv)
    settings = PartsSettings(home=chosen.home.absolute(), parts=chosen.parts, model_folders=tuple(chosen.models))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        ensure_parts(settings.home, lambda line: _show(f"set-up   {line}"), settings)
        with Stack(settings, lambda event: _show(f"{event.part.name:8} {event.said}")) as stack:
            for state in stack.states:
                _show(f"{state.name:8} {state.state:10} {state.pid or '':>8} {state.address:30} {state.note}")
            while True:
                signal.pause()
    except KeyboardInterrupt:
        return 0
    except Stop as failed:
        sys.stderr.write(f"{failed}\n")
        return 1


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
