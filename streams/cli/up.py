"""`wetread up` and `down`: the whole stack on this machine, started, watched and ended."""

from __future__ import annotations

import os
import signal
from typing import Annotated

import typer
from rich.console import Console

from streams.errors import PartMissing
from streams.runtime.parts.record import end_stack, read_record
from streams.runtime.settings import Settings, load
from streams.runtime.stack.services import detach, start
from streams.runtime.stack.stack import StackFailed

PATIENCE_S = 60.0


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("up")(up)
    app.command("down")(down)


def up(
    detached: Annotated[bool, typer.Option("--detach", help="Go on in the background.")] = False,
    tell: Annotated[int | None, typer.Option(hidden=True, help="Descriptor that hears when it is up.")] = None,
) -> None:
    """Start Kafka, Redis, Triton, workers and doors, and keep them running; Ctrl-C ends them all."""
    settings, console = load(), Console()
    if detached:
        _detach(settings, console)
        return
    stack = start(settings, lambda text: console.print(text, markup=False))
    asked = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, asked)
    console.print("Wetread is up. `wetread status` says how it is; Ctrl-C or `wetread down` ends it.")
    if tell is not None:
        os.write(tell, b"!")
        os.close(tell)
    signal.sigwait(asked)
    console.print("ending")
    stack.stop()


def down() -> None:
    """End this home's stack gracefully."""
    settings = load()
    try:
        ended = end_stack(settings.home, PATIENCE_S)
    except TimeoutError as error:
        raise StackFailed(f"{error}: wait, or kill that process with -9; its guardian then ends the others") from error
    print("ended" if ended else f"no stack runs in {settings.home}")


def _detach(settings: Settings, console: Console) -> None:
    if read_record(settings.home).stack is not None:
        console.print("Wetread is up already: `wetread status` says how it is.")
        return
    pid, came_up = detach(settings)
    if not came_up:
        raise PartMissing(f"the stack did not come up: see {settings.home / 'logs' / 'up.log'}")
    console.print(f"Wetread is up (process {pid}): `wetread status`, `wetread watch`, `wetread down`.")
