"""Two minutes of chaos twice: by a seed that stays and by one of the day and the commit; the promise holds after both.

What makes a run fail is a broken promise or an outcome that never came; bars of speed that were missed are printed.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from streams.runtime.settings import CHECKOUT

MINUTES, RATE = 2, 0.5
STAYS = 7
LONGEST_S = 1200
"""Of a run: its two minutes, and every patience of its own spent; on a quiet machine it takes some three minutes."""
pytestmark = [pytest.mark.stack, pytest.mark.chaos, pytest.mark.timeout(LONGEST_S + 60)]


def of_today() -> int:
    """A seed that is another one each day and with each commit, and no secret of this run."""
    asked = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(asked, cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout.strip()
    told = f"{datetime.now(UTC):%Y-%m-%d} {commit}"  # noqa: TID251  # no stage: a test of the day
    return int(hashlib.sha256(told.encode()).hexdigest(), 16) % 10_000


@pytest.mark.parametrize("seed", [STAYS, of_today()], ids=["stays", "of today"])
def test_the_promise_holds(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything may break: no instance, outcome or alert is lost or doubled, and each study has its own answer."""
    asked = ["chaos", "--seed", str(seed), "--minutes", str(MINUTES), "--rate", str(RATE)]
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", *asked],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    with capsys.disabled():
        print(f"\nwetread {' '.join(asked)}\n{done.stdout}")
    assert done.returncode == 0, f"code {done.returncode}: what is broken stands above, and its history is kept"
    shutil.rmtree(re.search(r"history in (.+)", done.stdout)[1])
