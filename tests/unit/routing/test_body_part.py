"""Which part of the body a series shows, as scanners say it well, badly or not at all."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from streams.routing.body_part import shows
from tests.support.studies import series_facts

RULES = {"head": ("HEAD", "BRAIN"), "chest": ("CHEST", "LUNG")}


@pytest.mark.parametrize(
    ("description", "body_part", "study", "taken"),
    [
        ("", "HEAD", "", True),
        ("", "BRAIN", "", True),
        ("", "HEAD NECK", "", True),
        ("STD BRAIN", "", "", True),
        ("", "", "HEAD TRAUMA", True),
        ("BRAIN", "CHEST", "", True),  # the protocol's word against the console's
        ("LUNG", "HEAD", "TRAUMA HEAD", False),  # one body part copied over a polytrauma
        ("", "CHEST", "HEAD CHEST", False),
        ("", "ANKLE", "", False),
        ("", "", "CHEST", False),
        ("AXIAL", "", "CT", False),  # words, but none that names a part
    ],
)
def test_the_first_place_that_names_a_part_decides(description, body_part, study, taken):
    facts = series_facts(description=description, body_part=body_part)
    assert (shows("head", facts, study, [], RULES) is None) is taken


def test_where_nothing_is_said_the_other_series_speak_if_they_agree():
    silent = series_facts(body_part="")
    head, chest = series_facts("1.2.8"), series_facts("1.2.9", body_part="CHEST")
    assert shows("head", silent, "", [head], RULES) is None
    assert shows("head", silent, "", [head, chest], RULES) == "no body part is stated"
    assert shows("head", silent, "", [], RULES) == "no body part is stated"


def test_the_reason_names_the_words():
    assert shows("head", series_facts(body_part="CHEST"), "", [], RULES) == "its body part says CHEST, not head"


def test_a_part_without_a_rule_stands_for_itself():
    assert shows("knee", series_facts(body_part="KNEE"), "", [], RULES) is None


@pytest.mark.parametrize(
    ("description", "body_part", "taken"),
    [
        ("SPINE CERVICAL", "HEAD", False),
        ("NECK", "HEAD", False),
        ("ORBITS THIN BONE", "HEAD", False),
        ("HEAD NECK", "", True),
        ("", "HEADNECK", True),
        ("ROUTINE AXIAL", "HEAD", True),
    ],
)
def test_by_the_shipped_words_a_neck_is_no_head_though_the_console_says_so(description, body_part, taken):
    shipped = Path(__file__).parents[3] / "deploy/policies/routing.toml"
    rules = tomllib.loads(shipped.read_text())["body_parts"]
    facts = series_facts(description=description, body_part=body_part)
    assert (shows("head", facts, "HEAD", [], rules) is None) is taken
