"""Versions are kept as they came; one file says which of them answer, and readers see it with their next look."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.adapters.model_store import SHIPPED, LiveModels, ModelStore, Serving
from streams.errors import ModelRefused, PolicyInvalid
from tests.support.models import write_model_folder

NOW = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)


def brought(folder: Path, threshold: str) -> Path:
    """The model "m" with another threshold: another digest."""
    made = write_model_folder(folder)
    contract = made / "contract.toml"
    contract.write_text(contract.read_text().replace("threshold = 0.5", f"threshold = {threshold}"))
    (made / "1").mkdir()
    (made / "1" / "model.onnx").write_bytes(b"weights")
    return made


def store(tmp_path: Path, *, shipped: bool = False) -> ModelStore:
    models = tmp_path / "shipped"
    models.mkdir()
    if shipped:
        write_model_folder(models)
    return ModelStore(tmp_path / "home" / "models", models)


def test_a_version_is_kept_and_answers_once_that_is_decided(tmp_path: Path) -> None:
    """Until then the store holds it, and nothing reads it."""
    kept = store(tmp_path)
    live = LiveModels(kept)
    assert kept.keep(brought(tmp_path / "a", "0.6")) == "1.0.0"
    assert dict(live) == {}
    kept.decide(Serving(roles={"m": "live"}, versions={"m": "1.0.0"}), NOW, "live m 1.0.0")
    assert live["m"].contract.finding.threshold == 0.6
    assert live["m"].asked_as == "m.1.0.0"


def test_another_version_takes_over_at_the_next_look_and_the_one_before_stays_served(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.keep(brought(tmp_path / "a", "0.6"))
    assert kept.keep(brought(tmp_path / "b", "0.7")) == "1.0.0-2"
    kept.decide(Serving(versions={"m": "1.0.0"}), NOW, "live m 1.0.0")
    live, served = LiveModels(kept), LiveModels(kept, as_served=True)
    assert live["m"].contract.finding.threshold == 0.6
    kept.decide(Serving(versions={"m": "1.0.0-2"}, previous={"m": "1.0.0"}), NOW, "live m 1.0.0-2")
    assert live["m"].contract.finding.threshold == 0.7
    assert set(served) == {"m.1.0.0", "m.1.0.0-2"}
    assert {name: folder.contract.name for name, folder in served.items()} == {n: n for n in served}


def test_a_brought_version_goes_before_the_shipped_one_and_back(tmp_path: Path) -> None:
    kept = store(tmp_path, shipped=True)
    version = kept.keep(brought(tmp_path / "a", "0.6"))
    assert kept.versions("m") == (SHIPPED, version)
    assert kept.models()["m"].contract.finding.threshold == 0.5
    kept.decide(Serving(versions={"m": version}, previous={"m": SHIPPED}), NOW, f"live m {version}")
    assert kept.models()["m"].contract.finding.threshold == 0.6
    kept.decide(Serving(versions={"m": SHIPPED}, previous={"m": version}), NOW, "rollback m shipped")
    assert kept.models()["m"].asked_as == "m"
    assert [said["what"] for said in kept.history("m")] == [f"live m {version}", "rollback m shipped"]


def test_the_same_model_twice_is_one(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.keep(brought(tmp_path / "a", "0.6"))
    with pytest.raises(ModelRefused, match=r"just this model is here already: m version 1\.0\.0"):
        kept.keep(brought(tmp_path / "b", "0.6"))


def test_a_version_that_is_not_kept_is_named_with_those_that_are(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.keep(brought(tmp_path / "a", "0.6"))
    with pytest.raises(ModelRefused, match=r"there is no version 9 of m; kept are: 1\.0\.0"):
        kept.version("m", "9")


def test_links_are_those_of_the_versions_that_answer_or_just_did(tmp_path: Path) -> None:
    """Triton's repository is laid out from them at each start: each is a whole model folder."""
    kept = store(tmp_path)
    first, second = kept.keep(brought(tmp_path / "a", "0.6")), kept.keep(brought(tmp_path / "b", "0.7"))
    for version in (first, second):
        assert (kept.link("m", version) / "1" / "model.onnx").is_file()
    kept.decide(Serving(versions={"m": second}), NOW, f"live m {second}")
    assert [link.name for link in (kept.root / "served").iterdir()] == [f"m.{second}"]


def test_a_role_changes_the_digest_and_the_same_roles_have_the_same_one() -> None:
    """So that each event says under which roles it was decided; nothing decided leaves the policies' own digest."""
    live, shadow = Serving(roles={"m": "live"}), Serving(roles={"m": "shadow"})
    assert live.digest != shadow.digest
    assert live.digest == Serving(roles=json.loads(json.dumps(live.roles))).digest
    assert Serving().digest == ""


def test_what_somebody_wrote_by_hand_and_wrongly_is_named(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.root.mkdir(parents=True)
    (kept.root / "serving.toml").write_text("[role]\nm = 'live'\n")
    with pytest.raises(PolicyInvalid, match=r"serving\.toml cannot be read"):
        kept.serving()
