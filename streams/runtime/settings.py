"""The environment, read once and frozen; nothing else reads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from streams.errors import SettingInvalid
from streams.faults.firing import ASK, faults_in, protections_in
from streams.faults.protections import Protection

T = TypeVar("T")

PACKAGE = Path(__file__).resolve().parent.parent
CHECKOUT = PACKAGE.parent
LOOPBACK = "127.0.0.1"
YIELD_S = 20
"""Two or three urgent heads of 8 s each go first; a day's routine reading does not feel it."""
RETRY_S = 5
GIVE_UP_S = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, each with its variable; defaults are safe: loopback, nothing exported, no credentials.

    Attributes:
        home: WETREAD_HOME, everything that is written: parts, data, logs, ports.
        kafka, redis, triton: WETREAD_KAFKA, WETREAD_REDIS, WETREAD_TRITON, addresses of running ones that
            replace the local part; None: the local stack's own.
        policies: WETREAD_POLICIES, folder of *.toml.
        models: WETREAD_MODELS, folder of model folders.
        dicom_host, dicom_port: WETREAD_DICOM_HOST, WETREAD_DICOM_PORT; port None: chosen once and remembered.
        ae_title: WETREAD_AE_TITLE; require_called_ae: WETREAD_REQUIRE_CALLED_AE (0 or 1).
        calling_aes: WETREAD_CALLING_AES, comma-separated titles that may send; empty: any.
        inbox: WETREAD_INBOX, the watched folder.
        workers, readers: WETREAD_WORKERS, WETREAD_READERS, processes of the local stack.
        yield_s: WETREAD_YIELD_S, seconds that a routine reading waits in all for urgent ones on its host; 0: none.
        retry_s: WETREAD_RETRY_S, seconds after which a reading that failed for a passing reason is tried again first.
        give_up_s: WETREAD_GIVE_UP_S, seconds that a study waits for a model that is away, before it ends as failed.
        otlp: WETREAD_OTLP, OTLP/HTTP endpoint for traces and metrics; None: off.
        redis_memory: WETREAD_REDIS_MEMORY, limit of the local Redis.
        fault: WETREAD_FAULT, where our processes fail (streams/faults/README.md); None: nowhere.
        unprotected: WETREAD_UNPROTECTED, protections that are off for a self-test of chaos. Both are refused unless
            WETREAD_CHAOS is 1.
    """

    home: Path
    kafka: str | None
    redis: str | None
    triton: str | None
    policies: Path
    models: Path
    dicom_host: str
    dicom_port: int | None
    ae_title: str
    require_called_ae: bool
    calling_aes: tuple[str, ...]
    inbox: Path
    workers: int
    readers: int
    yield_s: int
    retry_s: int
    give_up_s: int
    otlp: str | None
    redis_memory: str
    fault: str | None = None
    unprotected: tuple[Protection, ...] = ()


def shipped(name: str) -> Path:
    """A folder that travels with the code: of the checkout, or inside the installed package."""
    inside = PACKAGE / "_shipped" / name
    return inside if inside.is_dir() else CHECKOUT / name


def default_home() -> Path:
    """.wetread in the checkout; in the user's data folder where the package is installed."""
    if (CHECKOUT / "pyproject.toml").is_file():
        return CHECKOUT / ".wetread"
    return Path.home() / ".local" / "share" / "wetread"


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process.

    Raises:
        SettingInvalid: names the variable and what it takes.
    """
    env = os.environ if environment is None else environment  # the one place
    home = Path(env.get("WETREAD_HOME") or default_home()).expanduser().absolute()
    return Settings(
        home=home,
        kafka=env.get("WETREAD_KAFKA") or None,
        redis=env.get("WETREAD_REDIS") or None,
        triton=env.get("WETREAD_TRITON") or None,
        policies=Path(env.get("WETREAD_POLICIES") or shipped("deploy") / "policies").absolute(),
        models=Path(env.get("WETREAD_MODELS") or shipped("triton_models")).absolute(),
        dicom_host=env.get("WETREAD_DICOM_HOST") or LOOPBACK,
        dicom_port=_number(env, "WETREAD_DICOM_PORT", None, 1, 65535),
        ae_title=_ae_title(env.get("WETREAD_AE_TITLE") or "WETREAD"),
        require_called_ae=env.get("WETREAD_REQUIRE_CALLED_AE", "0") == "1",
        calling_aes=tuple(t.strip() for t in env.get("WETREAD_CALLING_AES", "").split(",") if t.strip()),
        inbox=Path(env.get("WETREAD_INBOX") or home / "inbox").absolute(),
        workers=_number(env, "WETREAD_WORKERS", 1, 1, 64) or 1,
        readers=_number(env, "WETREAD_READERS", 1, 1, 64) or 1,
        yield_s=_number(env, "WETREAD_YIELD_S", YIELD_S, 0, 600) or 0,
        retry_s=_number(env, "WETREAD_RETRY_S", RETRY_S, 1, 60) or RETRY_S,
        give_up_s=_number(env, "WETREAD_GIVE_UP_S", GIVE_UP_S, 60, 2 * GIVE_UP_S) or GIVE_UP_S,
        otlp=env.get("WETREAD_OTLP") or None,
        redis_memory=env.get("WETREAD_REDIS_MEMORY") or "1gb",
        fault=_fault(env),
        unprotected=_chaos_only(env, "WETREAD_UNPROTECTED", protections_in),
    )


def as_environment(settings: Settings) -> dict[str, str]:
    """The variables under which `load` gives these settings again: what a child process is given."""
    said = {
        "WETREAD_HOME": str(settings.home),
        "WETREAD_KAFKA": settings.kafka,
        "WETREAD_REDIS": settings.redis,
        "WETREAD_TRITON": settings.triton,
        "WETREAD_POLICIES": str(settings.policies),
        "WETREAD_MODELS": str(settings.models),
        "WETREAD_DICOM_HOST": settings.dicom_host,
        "WETREAD_DICOM_PORT": str(settings.dicom_port) if settings.dicom_port else None,
        "WETREAD_AE_TITLE": settings.ae_title,
        "WETREAD_REQUIRE_CALLED_AE": "1" if settings.require_called_ae else "0",
        "WETREAD_CALLING_AES": ",".join(settings.calling_aes),
        "WETREAD_INBOX": str(settings.inbox),
        "WETREAD_WORKERS": str(settings.workers),
        "WETREAD_READERS": str(settings.readers),
        "WETREAD_YIELD_S": str(settings.yield_s),
        "WETREAD_RETRY_S": str(settings.retry_s),
        "WETREAD_GIVE_UP_S": str(settings.give_up_s),
        "WETREAD_OTLP": settings.otlp,
        "WETREAD_REDIS_MEMORY": settings.redis_memory,
        "WETREAD_FAULT": settings.fault,
        "WETREAD_UNPROTECTED": ",".join(p.title for p in settings.unprotected) or None,
        "WETREAD_CHAOS": "1" if settings.fault or settings.unprotected else None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _number(env: Mapping[str, str], name: str, default: int | None, low: int, high: int) -> int | None:
    text = env.get(name)
    if not text:
        return default
    if not text.isdecimal() or not low <= int(text) <= high:
        raise SettingInvalid(f"{name}={text!r}: takes a whole number from {low} to {high}")
    return int(text)


def _fault(env: Mapping[str, str]) -> str | None:
    def checked(text: str) -> str | None:
        if text and text != ASK:
            faults_in(text)
        return text or None

    return _chaos_only(env, "WETREAD_FAULT", checked)


def _chaos_only(env: Mapping[str, str], name: str, read: Callable[[str], T]) -> T:
    """What makes a process fail is taken in a chaos run alone."""
    text = env.get(name) or ""
    if text and env.get("WETREAD_CHAOS") != "1":
        raise SettingInvalid(
            f"{name} is set: it makes this process fail on purpose, and needs WETREAD_CHAOS=1 beside it"
        )
    return read(text)


def _ae_title(text: str) -> str:
    longest = 16
    if not text.isascii() or not text.strip() or len(text) > longest or "\\" in text:
        raise SettingInvalid(f"WETREAD_AE_TITLE={text!r}: takes 1 to {longest} characters without backslash")
    return text
