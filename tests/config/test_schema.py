"""The schema against the files, by a checker of just the words that it uses; any other word fails the test."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest

from migrate_flow.config.schema import schema
from tests.config.samples import contract_example
from tests.config.test_render import OWNER, PEOPLE, rendered

SCHEMA = schema()
SAID = {"description", "default", "examples", "$schema", "$defs", "title", "type", "required"}
TYPES = {"any": object, "string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


def flaws(rule: dict[str, Any], value: Any, at: str = "") -> list[str]:
    found: list[str] = []
    kind: Any = TYPES[rule.get("type", "any")]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return [f"{at}: not {kind}"]
    for word, want in rule.items():
        match word:
            case "$ref":
                found += flaws(SCHEMA["$defs"][want.rpartition("/")[2]], value, at)
            case "enum":
                found += [] if value in want else [f"{at}: not in {want}"]
            case "pattern":
                found += [] if re.search(want, value) else [f"{at}: not {want}"]
            case "minimum" | "maximum":
                found += [] if (value >= want if word == "minimum" else value <= want) else [f"{at}: {word}"]
            case "minLength" | "minItems" | "minProperties":
                found += [] if len(value) >= want else [f"{at}: {word}"]
            case "maxLength":
                found += [] if len(value) <= want else [f"{at}: {word}"]
            case "items":
                found += [flaw for i, item in enumerate(value) for flaw in flaws(want, item, f"{at}[{i}]")]
            case "propertyNames":
                found += [flaw for name in value for flaw in flaws(want, name, f"{at}.{name}")]
            case "properties" | "patternProperties" | "additionalProperties":
                pass
            case _:
                assert word in SAID, f"the checker does not know {word}"
    if rule.get("type") == "object":
        found += [f"{at}: no {name}" for name in rule.get("required", ()) if name not in value]
        for name, item in value.items():
            found += flaws_of_member(rule, name, item, f"{at}.{name}")
    return found


def flaws_of_member(rule: dict[str, Any], name: str, value: Any, at: str) -> list[str]:
    if name in rule.get("properties", {}):
        return flaws(rule["properties"][name], value, at)
    for pattern, want in rule.get("patternProperties", {}).items():
        if re.search(pattern, name):
            return flaws(want, value, at)
    rest = rule.get("additionalProperties", True)
    if isinstance(rest, bool):
        return [] if rest else [f"{at}: unknown"]
    return flaws(rest, value, at)


@pytest.mark.parametrize(
    "text",
    [
        contract_example(),
        rendered(),
        rendered(people=PEOPLE | OWNER),
        rendered(people={}),
        re.sub(r"(?m)^# (?=[a-z_]+ = |\[)", "", rendered()),
    ],
)
def test_good_files_fit(text: str) -> None:
    assert flaws(SCHEMA, tomllib.loads(text)) == []


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [
        ("peer_reviews = 1", "peer_reviews = 0", ".policy.peer_reviews"),
        ("peer_reviews = 1", 'peer_reviews = "1"', ".policy.peer_reviews"),
        ("peer_reviews = 1", "peer_review = 1", ".policy.peer_review"),
        ("backend-lead = 1 }", '"Backend Lead" = 1 }', ".policy.approvals.Backend Lead"),
        ("backend-lead = 1 }", "backend-lead = 0 }", ".policy.approvals.backend-lead"),
        ('separation = "strict"', 'separation = "lax"', ".policy.separation"),
        ('name = "shop"', "", ".project"),
        ('url = "sqlite:///dev.db"', "", ".environments.dev"),
        ('dialect = "sqlite"', 'dialect = "oracle"', ".environments.dev.dialect"),
    ],
)
def test_bad_files_do_not(old: str, new: str, at: str) -> None:
    text = rendered()
    assert old in text
    found = flaws(SCHEMA, tomllib.loads(text.replace(old, new, 1)))
    assert [flaw.partition(":")[0] for flaw in found] == [at]


def test_every_key_is_described() -> None:
    for name, table in {**SCHEMA["$defs"], "File": SCHEMA}.items():
        for key, rule in table["properties"].items():
            target = SCHEMA["$defs"].get(rule.get("$ref", "").rpartition("/")[2], {})
            assert {**target, **rule}.get("description", "").endswith("."), f"{name}.{key}"


def test_it_is_plain_json_without_null() -> None:
    text = json.dumps(SCHEMA)
    assert "null" not in text
    assert json.loads(text) == SCHEMA
