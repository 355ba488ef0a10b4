"""Keyed hashes that stand for a patient and an order: they join, and reveal nobody."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

KEY_FILE = "pseudonym.key"
KEY_BYTES = 32
HASH_DIGITS = 32


class Pseudonyms:
    """HMAC-SHA-256 under one key, cut to 128 bits.

    Whoever has the key can test a guess; the key stays in the home of the doors, readable by them only.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def patient(self, patient_id: str, issuer: str, study: str) -> str:
        """Stands for Patient ID (0010,0020) and Issuer of Patient ID (0010,0021).

        A study without Patient ID stands for itself: else all of them would look like one patient.
        """
        if not patient_id.strip():
            return self._hash("nobody", study)
        return self._hash("patient", patient_id.strip(), issuer.strip())

    def order(self, accession: str) -> str | None:
        """Stands for Accession Number (0008,0050); None where there is none."""
        return self._hash("order", accession.strip()) if accession.strip() else None

    def _hash(self, *parts: str) -> str:
        message = "\x1f".join(parts).encode("utf-8", "surrogateescape")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:HASH_DIGITS]


def open_pseudonyms(home: Path) -> Pseudonyms:
    """The pseudonyms of this home; the first use makes the key, whoever comes first."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / KEY_FILE
    if not path.exists():
        _make_key(path)
    return Pseudonyms(path.read_bytes())


def _make_key(path: Path) -> None:
    """Write a whole key under another name, then link it: two doors that start at once agree on one."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass  # the other door was first: its key is the one
    finally:
        fresh.unlink()
