"""SARIF 2.1.0, for code scanning. Source: the OASIS standard and its schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from migrate_flow import __version__
from migrate_flow.core.results import Result, results

if TYPE_CHECKING:
    from migrate_flow.core.document import Document
    from migrate_flow.formats import Medium

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def render(document: Document, medium: Medium) -> None:
    found = results(document, "sarif")
    rules = sorted({one.rule for one in found})
    driver = {
        "name": "migrate-flow",
        "semanticVersion": __version__,
        "rules": [{"id": rule, "name": rule, "shortDescription": {"text": rule.replace("-", " ")}} for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, rules.index(one.rule)) for one in found],
    }
    medium.stream.write(json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n")


def _result(one: Result, index: int) -> dict[str, Any]:
    said: dict[str, Any] = {
        "ruleId": one.rule,
        "ruleIndex": index,
        "level": _LEVELS[one.severity],
        "message": {"text": f"{one.message}. Fix: {one.hint}" if one.hint else one.message},
        "partialFingerprints": {"migrateFlow/v1": one.fingerprint},
    }
    if one.path:
        place: dict[str, Any] = {"artifactLocation": {"uri": quote(one.path), "uriBaseId": "%SRCROOT%"}}
        if one.line:
            place["region"] = {"startLine": one.line}
        said["locations"] = [{"physicalLocation": place}]
    if one.reason:
        said["suppressions"] = [{"kind": "inSource", "justification": one.reason}]
    return said
