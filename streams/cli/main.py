"""The command `wetread`: one verb per file; an error of ours is one sentence and an exit code."""

from __future__ import annotations

import importlib
import sys

import typer

from streams import __version__
from streams.errors import WetreadError

VERBS = (
    "up", "demo", "send", "watch", "why", "status", "mark", "dlq", "models", "replay", "doctor", "run",
)  # fmt: skip

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Wetread: imaging studies as they arrive, models asked, people told in time.",
)


def _version(asked: bool) -> None:
    if asked:
        print(f"wetread {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Everything is written below WETREAD_HOME; addresses and limits are settings (README)."""


def _register() -> None:
    for verb in VERBS:
        importlib.import_module(f"streams.cli.{verb}").register(app)


def main() -> None:
    """Run the command line; an error of ours ends it with its sentence and code 2."""
    _register()
    try:
        app()
    except WetreadError as error:
        print(f"wetread: {error}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
