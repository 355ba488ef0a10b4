"""An older build of this repository, from which processes begin before they are restarted as the present one."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from streams.errors import Stop
from streams.runtime.settings import CHECKOUT

KEPT = ("streams", "schemas", "deploy")
"""What its processes need."""


class NoSuchBuild(Stop):
    """There is no such commit here; the text says what is needed."""


def laid_out(revision: str, folder: Path) -> str:
    """Lay the files of a commit out in `folder`, which is not there yet; its whole name.

    Raises:
        NoSuchBuild: this is no git checkout, or it has no such commit.
    """
    commit = _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()
    archive = _git("archive", "--format=tar", commit, *KEPT)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return commit


def _git(*arguments: str) -> bytes:
    try:
        return subprocess.run(["git", "-C", str(CHECKOUT), *arguments], capture_output=True, check=True).stdout  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoSuchBuild(f"git {arguments[-1]}: an older build is taken from a git checkout that has it") from error
