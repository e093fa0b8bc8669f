"""docs/reference/configuration.md: the keys of migrate-flow.toml as the models describe them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from migrate_flow.config.schema import schema
from tests.docs.reference import FOLDER, NOTE, one_line, table

FILE = FOLDER / "configuration.md"
SCHEMA = FOLDER / "migrate-flow.schema.json"
HEAD = f"""\
# Configuration: migrate-flow.toml

{NOTE.format(source="the descriptions in `migrate_flow/config/model.py`")}
`migrate-flow init` writes the file, with comments.
It is looked for upward from where a command is run, or named by `--config PATH`.
A key that does not exist is an error which names the nearest one that does.
`migrate-flow doctor` checks the file.

`init` also writes a JSON Schema of the file to `.migrate-flow/schema.json`, and names it in the file's first line, so \
that an editor completes and explains; [here it is](migrate-flow.schema.json).
What needs more than one key (upstreams that exist, one owner for a key) is checked by the program alone.

`[people]`, `[policy]`, `[lint]` and the environments without their URLs and timeouts are the *policy*.
A change there is a proposal until `migrate-flow policy record` signs it into the ledger.

A password never stands in the file.
A URL is the URL itself if it holds none, `env:NAME` for an environment variable, or `keyring:NAME` for the OS keyring \
(`migrate-flow env login ENV`).
"""
# How a table's heading is written, where it is not the model's own place.
HEADINGS = {
    "environments": "[environments.NAME]",
    "people": '[people."EMAIL"]',
    "policy.escalations": "[[policy.escalations]]",
}


def written() -> str:
    whole = schema()
    parts = [HEAD]
    for name, rule in whole["properties"].items():
        parts += _table(whole, name, rule)
    return "".join(parts)


def written_schema() -> str:
    return json.dumps(schema(), indent=2) + "\n"


def _table(whole: Mapping[str, Any], path: str, rule: Mapping[str, Any]) -> list[str]:
    heading = HEADINGS.get(path, f"[{path}]")
    model = _model(whole, rule)
    title = f"\n## {heading}\n\n"
    if model is None:
        return [title + one_line(rule["description"]) + "\n"]
    fields, nested = [], []
    for name, field in model["properties"].items():
        below = f"{path}.{name}"
        if below in HEADINGS:
            nested += _table(whole, below, field)
        else:
            fields.append(
                [f"`{name}`", _type(whole, field), _default(model, name, field), one_line(field["description"])]
            )
    return [f"{title}{_about(rule, model)}\n\n", table(("key", "value", "default", "says"), fields), *nested]


def _about(rule: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    said = [one_line(each["description"]) for each in (model, rule) if "description" in each]
    return said[0]


def _model(whole: Mapping[str, Any], rule: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The table's own model, also where there are many by name or in a list."""
    members = [
        rule,
        rule.get("items", {}),
        rule.get("additionalProperties") or {},
        *rule.get("patternProperties", {}).values(),
    ]
    for member in members:
        if isinstance(member, dict) and (found := _resolved(whole, member)) and "properties" in found:
            return found
    return None


def _resolved(whole: Mapping[str, Any], rule: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = rule.get("$ref", "")
    return whole["$defs"][reference.rpartition("/")[2]] if reference else rule


def _type(whole: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
    rule = _resolved(whole, rule)
    if "enum" in rule:
        return ", ".join(f'`"{value}"`' for value in rule["enum"])
    match rule.get("type"):
        case "array":
            return f"list of {_type(whole, rule.get('items', {}))}"
        case "object":
            return "table"
        case "boolean":
            return "`true`, `false`"
        case "integer":
            limits = [str(rule[word]) for word in ("minimum", "maximum") if word in rule]
            return "number" + (f" from {' to '.join(limits)}" if limits else "")
        case "string":
            examples = rule.get("examples")
            return "text" + (f", as {', '.join(f'`{json.dumps(each)}`' for each in examples)}" if examples else "")
    raise AssertionError(f"a kind of value that this page can't tell of: {rule}")


def _default(model: Mapping[str, Any], name: str, rule: Mapping[str, Any]) -> str:
    if name in model.get("required", ()):
        return "**required**"
    default = rule.get("default")
    return "" if default in (None, "", [], {}) else f"`{json.dumps(default)}`"
