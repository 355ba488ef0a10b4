"""Settings: safe without any, each refused by name with what it takes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from streams.errors import SettingInvalid
from streams.runtime.settings import LOOPBACK, Settings, as_environment, load


def test_without_any_setting_all_is_local() -> None:
    """Loopback, nothing sent anywhere, nothing of another's replaced, ports left to be chosen."""
    settings = load({})
    assert settings.dicom_host == LOOPBACK
    assert (settings.kafka, settings.redis, settings.triton, settings.otlp, settings.dicom_port) == (None,) * 5
    assert (settings.workers, settings.readers) == (1, 1)
    assert (settings.policies / "waiting.toml").is_file()
    assert settings.calling_aes == ()


def test_an_empty_setting_is_none() -> None:
    """A variable set to nothing, as compose files do, is as good as unset."""
    names = ("HOME", "KAFKA", "REDIS", "TRITON", "DICOM_PORT", "AE_TITLE", "OTLP", "WORKERS", "POLICIES", "MODELS")
    assert load({f"WETREAD_{name}": "" for name in names}) == load({})


def test_settings_are_taken(tmp_path: Path) -> None:
    """Each variable reaches its field."""
    settings = load(
        {
            "WETREAD_HOME": str(tmp_path),
            "WETREAD_KAFKA": "kafka:9092",
            "WETREAD_DICOM_PORT": "11112",
            "WETREAD_CALLING_AES": "CT1, CT2,,",
            "WETREAD_REQUIRE_CALLED_AE": "1",
            "WETREAD_READERS": "3",
        }
    )
    assert settings.home == tmp_path
    assert settings.inbox == tmp_path / "inbox"
    assert (settings.kafka, settings.dicom_port, settings.readers) == ("kafka:9092", 11112, 3)
    assert settings.calling_aes == ("CT1", "CT2")
    assert settings.require_called_ae


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WETREAD_DICOM_PORT", "0"),
        ("WETREAD_DICOM_PORT", "65536"),
        ("WETREAD_DICOM_PORT", "eleven"),
        ("WETREAD_WORKERS", "0"),
        ("WETREAD_WORKERS", "-1"),
        ("WETREAD_READERS", "65"),
        ("WETREAD_RETRY_S", "0"),
        ("WETREAD_GIVE_UP_S", "59"),
        ("WETREAD_AE_TITLE", "LONGER_THAN_SIXTEEN"),
        ("WETREAD_AE_TITLE", "BACK\\SLASH"),
        ("WETREAD_AE_TITLE", "   "),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    """The sentence names the variable and what it takes."""
    with pytest.raises(SettingInvalid, match=f"{name}=.*takes"):
        load({name: value})


def test_every_setting_is_told() -> None:
    """Each field stands in the docstring, where the README sends people."""
    told = Settings.__doc__ or ""
    assert all(field.name in told for field in dataclasses.fields(Settings))


def test_a_child_is_given_the_same_settings(tmp_path: Path) -> None:
    """What a process is told of its settings, its children are told too."""
    every = {
        "WETREAD_HOME": str(tmp_path),
        "WETREAD_KAFKA": "kafka:9092",
        "WETREAD_DICOM_PORT": "11112",
        "WETREAD_CALLING_AES": "CT1,CT2",
        "WETREAD_REQUIRE_CALLED_AE": "1",
        "WETREAD_OTLP": "http://collector:4318",
        "WETREAD_CHAOS": "1",
        "WETREAD_FAULT": "outbox_sent:before:crash:nth=7",
        "WETREAD_UNPROTECTED": "window,outbox",
    }
    for settings in (load({}), load(every)):
        assert load(as_environment(settings)) == settings


@pytest.mark.parametrize(
    ("name", "value"),
    [("WETREAD_FAULT", "outbox_sent:before:crash"), ("WETREAD_FAULT", "ask"), ("WETREAD_UNPROTECTED", "outbox")],
)
def test_failing_on_purpose_needs_a_second_word(name: str, value: str) -> None:
    """A process that would crash on purpose, or go without a protection, refuses to start outside a chaos run."""
    with pytest.raises(SettingInvalid, match=f"{name}.*WETREAD_CHAOS=1"):
        load({name: value})
    settings = load({name: value, "WETREAD_CHAOS": "1"})
    assert (settings.fault, [p.title for p in settings.unprotected]) in [(value, []), (None, [value])]


def test_a_wrong_fault_is_refused_at_the_start() -> None:
    """Not when the point is reached."""
    with pytest.raises(SettingInvalid, match="nowhere"):
        load({"WETREAD_CHAOS": "1", "WETREAD_FAULT": "nowhere:before:crash"})
