"""An older build: the files of a commit, laid out beside; what is no commit is said so."""

from __future__ import annotations

import subprocess

import pytest

from streams.chaos import older
from streams.chaos.older import NoSuchBuild, laid_out


def test_the_files_of_a_commit_are_laid_out(tmp_path, monkeypatch):
    """As they were then, whatever stands there now."""
    checkout = tmp_path / "checkout"
    for name in older.KEPT:
        (checkout / name).mkdir(parents=True)
        (checkout / name / "file").write_text("then")
    git = ["git", "-C", str(checkout), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "m"]):
        subprocess.run([*git, *command], check=True)
    (checkout / "streams" / "file").write_text("now")
    monkeypatch.setattr(older, "CHECKOUT", checkout)
    commit = laid_out("HEAD", tmp_path / "older")
    assert len(commit) == 40
    assert {path.read_text() for path in (tmp_path / "older").glob("*/file")} == {"then"}


def test_what_is_no_commit_is_said_so(tmp_path, monkeypatch):
    """With what is needed."""
    monkeypatch.setattr(older, "CHECKOUT", tmp_path)
    with pytest.raises(NoSuchBuild, match="taken from a git checkout"):
        laid_out("HEAD", tmp_path / "older")
