"""The JSON Schema of migrate-flow.toml, made from the models: what an editor completes and explains."""

from __future__ import annotations

from typing import Any

from migrate_flow.config.model import File


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12, plain JSON values. It knows the shape; what `check` asks across fields it can't say."""
    tidied: dict[str, Any] = _tidy(File.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **tidied, "title": "migrate-flow.toml"}


def _tidy(value: Any, naming: bool = False) -> Any:
    """Without what TOML can't say (null) and without pydantic's titles. naming: the keys here are names of fields,
    among which "title" or "default" would be ordinary ones."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    if naming:
        return {key: _tidy(item) for key, item in value.items()}
    value = {key: item for key, item in value.items() if key != "title" and (key, item) != ("default", None)}
    if "$ref" in value:
        value.pop("default", None)
    if "patternProperties" in value:
        value["additionalProperties"] = False
    choices = [choice for choice in value.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        del value["anyOf"]
        value = choices[0] | value
    return {
        key: item if key == "default" else _tidy(item, key in ("properties", "$defs")) for key, item in value.items()
    }
