"""The plain values are those of the model, table by table."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from migrate_flow.config import load, model, settings

from .samples import GOOD, contract_example

TABLES = [name for name, each in vars(model).items() if isinstance(each, type) and issubclass(each, model.Table)]
TABLES.remove("Table")
NEEDED: dict[str, dict[str, Any]] = {
    "Project": {"name": "shop"},
    "Environment": {"url": "sqlite:///dev.db"},
    "Hook": {"on": ["apply."], "command": ["./tell"]},
    "Escalation": {"when": ["lossy"], "approvals": {"dba": 1}},
}


def _plain(value: Any) -> Any:
    """As pydantic dumps it."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


@pytest.mark.parametrize("name", [name for name in TABLES if name != "File"])
def test_a_table_has_the_models_fields_and_defaults(name: str) -> None:
    shaped = getattr(model, name).model_validate(NEEDED.get(name, {}))
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in NEEDED.get(name, {}).items()}
    assert _plain(getattr(settings, name)(**values)) == shaped.model_dump()


@pytest.mark.parametrize("text", [GOOD, contract_example()])
def test_a_file_has_the_models_values(text: str) -> None:
    raw = load.decode_toml(text, "migrate-flow.toml")
    assert _plain(settings.file_of(raw)) == model.File.model_validate(raw).model_dump()


def test_a_file_that_says_all_there_is_to_say() -> None:
    raw = load.decode_toml((Path(__file__).parent / "everything.toml").read_text("utf-8"), "migrate-flow.toml")
    for name, table in (
        ("Project", raw["project"]),
        ("Policy", raw["policy"]),
        ("Environment", raw["environments"]["b"]),
    ):
        assert set(table) == set(getattr(model, name).model_fields), name
    assert _plain(settings.file_of(raw)) == model.File.model_validate(raw).model_dump()
