"""The files of plans and prices: what they say, and what is said about a mistake in them."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from assistant.chat.budget import FIRST_TOKENS
from assistant.checked_yaml import read_checked
from assistant.errors import ConfigurationError
from assistant.llm.events import Usage
from assistant.llm.pricing import cost, highest_cost
from assistant.resources import resource_dir
from assistant.usage.entries import embedding, tool_entry
from assistant.usage.plans import load_plans

FOLDER = resource_dir("plans")
OWN = (FOLDER / "plans.yaml").read_text()


def test_the_packages_own_plans() -> None:
    plans = load_plans()
    free, enterprise = plans["free"], plans["enterprise"]
    assert (free.messages, free.storage, free.turns) == (1000, 200 * 1024**2, 5)
    assert (enterprise.tokens, enterprise.documents, enterprise.models) == (None, None, None)
    assert free.allows("claude-3-haiku")
    assert not free.allows("claude-opus")
    assert enterprise.allows("anything")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "messages: 1000",
            "messages: many",
            "line 17: plans.free.messages: expected a whole number from 0, or unlimited.",
        ),
        (
            "messages: 1000",
            "messages: -1",
            "line 17: plans.free.messages: expected a whole number from 0, or unlimited.",
        ),
        ("messages: 1000", "messages: 1.5", "line 17: plans.free.messages: expected a whole number"),
        ("messages: 1000", "massages: 1000", "line 17: plans.free has no 'massages'; expected: messages, tokens,"),
        ("    messages: 1000\n", "", "line 16: plans.free lacks 'messages'; expected: messages, tokens,"),
        ("storage: 200 MiB", "storage: 200 MB", "line 20: plans.free.storage: expected a number of bytes, such as"),
        (
            "models: [claude-haiku]",
            "models: claude-haiku",
            "line 22: plans.free.models: expected any, or a list of names",
        ),
        ("  free:", "  gratis:", "line 16: plans has no 'gratis'; expected: free, basic, pro and enterprise"),
        ("  free:", "  basic:", "'basic' is there twice."),
        ("dated: 2026-11-25", "dated: soon", "line 13: dated: expected the day from which"),
        ("plans:", "plans: [", "line "),
        ("plans:\n", "", "line "),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in OWN
    file = tmp_path / "plans.yaml"
    file.write_text(OWN.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as refused:
        load_plans(file)
    assert told in refused.value.detail
    assert refused.value.detail.startswith(f"{file}, line ")
    assert "\n" not in refused.value.detail


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "the file is empty."), (b"\xff", "cannot be read as UTF-8 text."), (None, "cannot be read as UTF-8 text.")],
)
def test_what_is_no_file_of_plans(tmp_path: Path, content: bytes | None, told: str) -> None:
    file = tmp_path / "plans.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=told):
        load_plans(file)


@pytest.mark.parametrize("name", ["plans", "prices"])
def test_an_editor_finds_the_schema_and_it_is_one(name: str) -> None:
    assert (FOLDER / f"{name}.yaml").read_text().startswith(f"# yaml-language-server: $schema={name}.schema.json\n")
    Draft202012Validator.check_schema(json.loads((FOLDER / f"{name}.schema.json").read_bytes()))


def test_every_price_has_its_source_and_its_day() -> None:
    providers: dict[str, Any] = read_checked(FOLDER / "prices.yaml", FOLDER / "prices.schema.json")
    assert set(providers) == {"anthropic", "openai"}
    names = [name for each in providers.values() for name in each["models"]]
    aliases = [
        alias for each in providers.values() for said in each["models"].values() for alias in said.get("aliases", ())
    ]
    assert len(names + aliases) == len(set(names + aliases)), "each name means one model"
    assert yaml.safe_load((FOLDER / "prices.yaml").read_text())["openai"]["source"].startswith("https://")


def test_an_embedding_model_has_a_price_and_the_bundled_one_costs_nothing() -> None:
    hosted = embedding("openai:text-embedding-3-small", 1_000_000).entry()
    assert (hosted.tokens, hosted.details["cost_usd"]) == (1_000_000, pytest.approx(0.02))
    bundled = embedding("bundled/all-minilm-l6-v2-int8", 500).entry()
    assert (bundled.tokens, bundled.details["cost_usd"], bundled.details["input_tokens"]) == (0, 0, 500)
    unknown = embedding("acme:embed-9", 500).entry()
    assert (unknown.tokens, unknown.details["cost_usd"]) == (500, None)


def test_what_a_call_may_cost_at_most_is_no_less_than_what_it_can_cost() -> None:
    dearest = highest_cost("claude-sonnet", 1000, 500)
    assert dearest is not None
    for usage in (Usage(1000, 500, 0, 0), Usage(0, 500, 1000, 0), Usage(0, 500, 0, 1000), Usage(400, 10, 300, 300)):
        spent = cost("claude-sonnet", usage)
        assert spent is not None
        assert spent <= dearest
    assert highest_cost("acme", 1000, 500) is None


@pytest.mark.parametrize("name", ["\x00", "list\ud800", "x" * 65, "drop table", ""])
def test_a_tools_name_that_a_model_made_up_can_be_stored(name: str) -> None:
    details = tool_entry(name, {"a": "\ud800"}, "failed", None).details
    assert details["tool"] == "?"
    json.dumps(details).encode()


def test_arguments_are_known_by_their_hash_whatever_their_order() -> None:
    one, other = ({"a": 1, "b": [2]}, {"b": [2], "a": 1})
    hashes = {tool_entry("x", each, "done", 1).details["arguments_sha256"] for each in (one, other)}
    assert len(hashes) == 1
    assert tool_entry("x", {"a": 2}, "done", 1).details["arguments_sha256"] not in hashes


def test_database_and_service_agree_on_what_a_run_begins_with() -> None:
    path = resource_dir("migrations") / "versions/20261125_05_usage.py"
    spec = importlib.util.spec_from_file_location("revision", path)
    assert spec is not None
    assert spec.loader is not None
    revision: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(revision)
    assert revision.FIRST_TOKENS == FIRST_TOKENS
