"""Triton's server, and the environment that its models import, both from locked wheels."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from streams.errors import PartMissing
from streams.runtime.parts.spawning import tied
from streams.runtime.settings import shipped

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
LIBPYTHON = f"libpython{PYTHON}.so.1.0"
DEBIAN_LIBRARIES = Path("/usr/lib") / (sysconfig.get_config_var("MULTIARCH") or "")


def server_lock() -> Path:
    """The lock of Triton's server."""
    return shipped("deploy") / "local" / "requirements-triton-server.lock"


def models_lock() -> Path:
    """The lock of what models import: numpy 1.26 (never 2) and onnxruntime."""
    return shipped("deploy") / "local" / "requirements-triton-models.lock"


def libpython_folder() -> Path:
    """Where the shared library of this Python lies, which Triton's model processes load.

    Raises:
        PartMissing: says which package brings it.
    """
    candidates = (sysconfig.get_config_var("LIBDIR"), f"{sys.base_prefix}/lib", DEBIAN_LIBRARIES)
    for folder in candidates:
        if folder and (Path(folder) / LIBPYTHON).is_file():
            return Path(folder)
    raise PartMissing(f"{LIBPYTHON} is missing, which Triton needs: apt-get install libpython{PYTHON}")


def fetch_server(folder: Path, say: Callable[[str], None]) -> None:
    """Unpacks the server's wheel into `folder` and puts the stub for this Python where the server looks."""
    say("Triton: fetching the server (55 MB)")
    _clear(folder)
    install(server_lock(), folder)
    root = folder / "pytriton" / "tritonserver"
    stub = root / "python_backend_stubs" / PYTHON / "triton_python_backend_stub"
    if not stub.is_file():
        raise PartMissing(f"Triton has no model process for Python {PYTHON}: use Python 3.11 or 3.12")
    target = root / "backends" / "python" / stub.name
    shutil.copyfile(stub, target)
    target.chmod(0o755)


def fetch_models_environment(folder: Path, say: Callable[[str], None]) -> None:
    """Makes the models' environment in `folder`: this Python's minor version, without pip."""
    say("Triton: fetching what models import: numpy 1.26, onnxruntime and OpenVINO (105 MB)")
    _clear(folder)
    made = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise PartMissing(f"Python's venv does not work ({made.stderr.strip()}): apt-get install python{PYTHON}-venv")
    install(models_lock(), folder / "lib" / f"python{PYTHON}" / "site-packages")
    check_numpy(folder)


def check_numpy(environment: Path) -> None:
    """Refuses numpy 2: Triton 24.10 would hand models zeros and say nothing.

    Raises:
        PartMissing: says what to remove.
    """
    packages = environment / "lib" / f"python{PYTHON}" / "site-packages"
    if not list(packages.glob("numpy-1.26.*.dist-info")) or list(packages.glob("numpy-2*.dist-info")):
        raise PartMissing(
            f"the models' environment has not numpy 1.26, and with another one models would read zeros: "
            f"remove {environment} and run `wetread doctor --mend`"
        )


def install(lock: Path, target: Path) -> None:
    """Installs exactly the wheels of `lock` into `target`, each checked by its SHA-256.

    Raises:
        PartMissing: with the installer's own last words.
    """
    uv = Path(sys.executable).with_name("uv")
    python = ["--python", sys.executable]
    installer = [str(uv), "pip", "install", *python] if uv.is_file() else [sys.executable, "-m", "pip", "install"]
    wanted = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", str(target)]
    done = subprocess.run(  # noqa: S603
        tied([*installer, *wanted, "-r", str(lock)]), capture_output=True, text=True, check=False
    )
    if done.returncode:
        words = " ".join(done.stderr.split())[-400:]
        raise PartMissing(f"{lock.name} could not be installed ({words}): check the network and run the same again")


def _clear(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
