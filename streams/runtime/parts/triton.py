"""The local Triton: the stock server of nvidia-pytriton's wheel on the loopback, with our models and our backend."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.contract import RECEIPT
from streams.errors import ModelRefused
from streams.runtime.parts import wheels
from streams.runtime.parts.part import Launch
from streams.runtime.parts.ports import LOOPBACK
from streams.runtime.parts.settings import PartsSettings
from streams.runtime.settings import shipped

_BACKEND = re.compile(r'^\s*backend\s*:\s*"(\w+)"', re.MULTILINE)
_OUTPUT = f'output [ {{ name: "{RECEIPT}" data_type: TYPE_STRING dims: [ 1 ] }} ]'
FOLDER, REPOSITORY = "triton", "models"
"""Below the home: Triton's folder, and in it the models as it sees them."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # the kernel's name for it


@dataclass(frozen=True, slots=True)
class LocalTriton:
    """Triton as a child of the stack."""

    settings: PartsSettings
    grpc_port: int
    http_port: int
    metrics_port: int
    name: str = "triton"

    @property
    def address(self) -> str:
        """Address of its gRPC door."""
        return f"{LOOPBACK}:{self.grpc_port}"

    @property
    def shared_memory_prefix(self) -> str:
        """What the names of its shared memory begin with: of this home alone."""
        return f"wetread_{hashlib.sha256(str(self.settings.home).encode()).hexdigest()[:8]}_"

    @property
    def _folder(self) -> Path:
        return self.settings.home / FOLDER

    def prepare(self) -> Launch:
        """Lays out models and backends, and removes the shared memory that a killed server left."""
        libpython = wheels.libpython_folder()
        environment = self.settings.fetched / "models"
        wheels.check_numpy(environment)
        for left in SHARED_MEMORY.glob(f"{self.shared_memory_prefix}*"):
            left.unlink(missing_ok=True)
        lay_out_models(self.settings.model_folders, self._folder / REPOSITORY)
        server = self.settings.fetched / "triton"
        _lay_out_backends(server / "pytriton" / "tritonserver" / "backends", self._folder / "backends")
        return Launch(
            argv=self._command(server / "pytriton" / "tritonserver"),
            env={
                "LD_LIBRARY_PATH": f"{libpython}:{server / 'nvidia_pytriton.libs'}",
                # The model processes embed Python and find their packages by the python3 that comes first here.
                "PATH": f"{environment / 'bin'}:/usr/local/bin:/usr/bin:/bin",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONHOME": "",
                "PYTHONPATH": "",
                "VIRTUAL_ENV": "",
            },
            grace=15.0,
        )

    def _command(self, root: Path) -> tuple[str, ...]:
        return (
            str(root / "bin" / "tritonserver"),
            f"--model-repository={self._folder / 'models'}",
            "--model-control-mode=explicit",
            "--load-model=*",
            # One bad model must not keep the others from answering: what each of them does is asked one by one.
            "--exit-on-error=false",
            "--strict-readiness=false",
            "--disable-auto-complete-config",
            f"--backend-directory={self._folder / 'backends'}",
            f"--cache-directory={root / 'caches'}",
            f"--http-address={LOOPBACK}",
            f"--http-port={self.http_port}",
            f"--grpc-address={LOOPBACK}",
            f"--grpc-port={self.grpc_port}",
            f"--metrics-address={LOOPBACK}",
            f"--metrics-port={self.metrics_port}",
            "--allow-gpu-metrics=false",
            "--exit-timeout-secs=10",
            f"--backend-config=python,shm-default-byte-size={self.settings.triton_shared_memory}",
            f"--backend-config=python,shm-region-prefix-name={self.shared_memory_prefix}",
        )

    def is_ready(self) -> bool:
        """Whether the server is ready and no model is still loading."""
        return triton_answers(self.address) and not any(
            state in ("LOADING", "UNLOADING") for _, state, _ in model_states(self.address)
        )

    def is_alive(self) -> bool:
        """Whether it answers anything, whatever its models do."""
        return triton_lives(self.address)

    def note(self) -> str:
        """Which models did not load, and why."""
        return failed_models(self.address)


def triton_answers(address: str) -> bool:
    """Whether the server at `host:port` (gRPC) says that it is ready."""
    client = _client(address)
    try:
        return bool(client.is_server_ready(client_timeout=3))
    except _client_error():
        return False
    finally:
        client.close()


def triton_lives(address: str) -> bool:
    """Whether the server at `host:port` (gRPC) answers anything within some seconds."""
    client = _client(address)
    try:
        client.is_server_live(client_timeout=3)
    except _client_error():
        return False
    finally:
        client.close()
    return True


def model_states(address: str) -> list[tuple[str, str, str]]:
    """Each model's name, state (READY, UNAVAILABLE, LOADING) and, where it is not ready, the reason."""
    client = _client(address)
    try:
        index = client.get_model_repository_index(client_timeout=3).models
    except _client_error():
        return []
    finally:
        client.close()
    return [(model.name, model.state, model.reason) for model in index]


def failed_models(address: str) -> str:
    """A sentence about the models that are not ready; empty where all are."""
    failed = [
        f"model {name}: {' '.join(reason.split())[:300] or 'not loaded'}"
        for name, state, reason in model_states(address)
        if state != "READY"
    ]
    return "; ".join(failed)


def lay_out_models(folders: Iterable[Path], repository: Path) -> tuple[str, ...]:
    """Makes `repository` a folder of links to every whole model below `folders`; returns the models' names.

    Whole: a config.pbtxt, and a numbered version that is not empty. Cards, contracts and half-written folders stay
    out of Triton's sight. A model that is linked can be loaded again without a restart after its files changed.
    """
    fresh = repository.with_name(f".{repository.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    sources = sorted(model for folder in folders if folder.is_dir() for model in folder.iterdir())
    names = [source.name for source in sources if not (fresh / source.name).exists() and lay_out_model(source, fresh)]
    shutil.rmtree(repository, ignore_errors=True)
    fresh.rename(repository)
    return tuple(names)


def lay_out_model(source: Path, repository: Path) -> bool:
    """Links a whole model into the repository, also of a server that runs; False: it is not whole."""
    versions = [v for v in source.iterdir() if v.name.isdecimal() and any(v.iterdir())] if source.is_dir() else []
    if not versions or not (source / "config.pbtxt").is_file():
        return False
    target = repository / source.name
    target.mkdir(exist_ok=True)
    written = _with_receipt((source / "config.pbtxt").read_text(encoding="utf-8"))
    if written is not None:
        (target / "config.pbtxt").unlink(missing_ok=True)  # it may be a link to the model's own
        (target / "config.pbtxt").write_text(written, encoding="utf-8")
    for entry in (*(() if written else (source / "config.pbtxt",)), source / "configs", *versions):
        if entry.exists() and not (target / entry.name).is_symlink():
            (target / entry.name).symlink_to(entry.absolute())
    return True


def _with_receipt(config: str) -> str | None:
    """A configuration whose model signs its answers (streams.adapters.receipts); None: its backend is none of ours.

    Ours run in processes of their own, which can stall; a native backend has no such output, and needs none.
    """
    backend = _BACKEND.search(config)
    if backend is None or backend[1] not in {folder.name for folder in _our_backends()}:
        return None
    return config if RECEIPT in config else f"{config}\n{_OUTPUT}\n"


def load_model(address: str, name: str, timeout_s: float = 120.0) -> None:
    """Loads a model of the repository into the running server.

    Raises:
        ModelRefused: it does not load; Triton's own words.
    """
    client = _client(address)
    try:
        client.load_model(name, client_timeout=timeout_s)
    except _client_error() as error:
        words = " ".join(str(error).split())[:300]
        raise ModelRefused(f"Triton at {address} does not load {name}: {words}") from error
    finally:
        client.close()


def unload_model(address: str, name: str, timeout_s: float = 60.0) -> None:
    """Lets go of a model; what it is answering, it still answers. One that is not loaded is no fault."""
    client = _client(address)
    try:
        with contextlib.suppress(_client_error()):
            client.unload_model(name, client_timeout=timeout_s)
    finally:
        client.close()


def _lay_out_backends(stock: Path, backends: Path) -> None:
    shutil.rmtree(backends, ignore_errors=True)
    backends.mkdir(parents=True)
    for backend in (stock / "python", *_our_backends()):
        (backends / backend.name).symlink_to(backend.absolute())


def _our_backends() -> list[Path]:
    return sorted((shipped("deploy") / "local" / "backends").iterdir())


def _client(address: str) -> Any:
    from tritonclient.grpc import InferenceServerClient  # noqa: PLC0415  # 0.5 s, only where something is checked

    return InferenceServerClient(address)


def _client_error() -> type[Exception]:
    from tritonclient.utils import InferenceServerException  # noqa: PLC0415

    error: type[Exception] = InferenceServerException
    return error
