"""The command `wetread`: one verb per file; an error of ours is one sentence and an exit code."""

from __future__ import annotations

import importlib
import logging
import sys

import typer

from streams import __version__
from streams.errors import WetreadError

VERBS = {
    "up": ("up", "down"),
    "demo": ("demo",),
    "send": ("send",),
    "watch": ("watch",),
    "why": ("why",),
    "status": ("status",),
    "mark": ("open", "read", "prioritise", "order"),
    "dlq": ("dlq",),
    "models": ("models",),
    "replay": ("replay",),
    "evaluate": ("evaluate",),
    "chaos": ("chaos",),
    "retention": ("retention",),
    "doctor": ("doctor",),
    "run": ("run",),
}
"""File of this folder to the verbs that it holds."""

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


def _register(asked: str | None) -> None:
    """Load the file of the verb that is asked for; all of them where none is, for the help."""
    files = [name for name, verbs in VERBS.items() if asked in verbs] or list(VERBS)
    for name in files:
        importlib.import_module(f"streams.cli.{name}").register(app)
    if len(files) == 1 and len(VERBS[files[0]]) == 1:
        app.command("help", hidden=True)(_root)  # typer runs a lone command without its name


def main() -> None:
    """Run the command line; an error of ours ends it with its sentence and code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    for client in ("aiokafka", "kafka"):  # what matters of them comes as an error of ours
        logging.getLogger(client).setLevel(logging.CRITICAL)
    _register(next((word for word in sys.argv[1:] if not word.startswith("-")), None))
    try:
        app()
    except WetreadError as error:
        print(f"wetread: {error}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
