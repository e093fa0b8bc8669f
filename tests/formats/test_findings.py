"""The formats that CI systems read, of one document with every sort of result."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from migrate_flow.core.document import Document
from migrate_flow.errors import UsageError
from migrate_flow.formats import Medium, render

SCHEMA = Path(__file__).parents[1] / "data" / "sarif-schema-2.1.0.json"
ODD = "50% of <users>: a,b\nnext \x00 line"


def finding(**given: Any) -> dict[str, Any]:
    plain = {
        "rule": "drop-table", "severity": "error", "revision": "3f2a91c04d7e", "path": "migrations/versions/a b.py",
        "line": 12, "message": "drops users", "hint": "rename it first", "waived": False, "reason": None,
    }  # fmt: skip
    return {**plain, **given}


def rehearsal(**given: Any) -> dict[str, Any]:
    plain = {
        "revision": "3f2a91c04d7e", "dialect": "postgresql", "grade": "irreversible", "differences": [
            {"object": "index ix_a", "kind": "index", "change": "added", "expected": "", "observed": "x"}
        ], "error": "the downgrade does not restore the schema", "path": "migrations/versions/a b.py",
    }  # fmt: skip
    return {**plain, **given}


DOCUMENT = Document(
    "check",
    {
        "findings": [
            finding(),
            finding(rule="set-not-null", severity="warning", message=ODD, line=0),
            finding(rule="message-style", severity="info", path="", line=0),
            finding(rule="drop-column", waived=True, reason="it was never used"),
        ],
        "rehearsals": [rehearsal(), rehearsal(revision="aaaa", grade="lossy", differences=[], error=None)],
        "revisions": ["3f2a91c04d7e", "aaaa"],
    },
)
EMPTY = Document("lint", {"findings": [], "rehearsals": [], "revisions": ["aaaa"]})


def written(name: str, document: Document = DOCUMENT) -> str:
    stream = io.StringIO()
    render(document, name, Medium(stream))
    return stream.getvalue()


@pytest.mark.parametrize("document", [DOCUMENT, EMPTY], ids=["findings", "none"])
def test_sarif_is_valid_by_its_schema(document: Document, tmp_path: Path) -> None:
    path = tmp_path / "report.sarif"
    path.write_text(written("sarif", document))
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--schemafile", SCHEMA, path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    # The validator is one: a wrong document is refused.
    path.write_text(path.read_text().replace('"results"', '"result"'))
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--schemafile", SCHEMA, path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1


def test_sarif_says_where_what_and_why_it_is_waived() -> None:
    (run,) = json.loads(written("sarif"))["runs"]
    first, second, third, fourth, fifth = run["results"]
    assert (first["ruleId"], first["level"]) == ("drop-table", "error")
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "migrations/versions/a%20b.py"
    assert place["region"] == {"startLine": 12}
    assert "region" not in second["locations"][0]["physicalLocation"]
    assert "locations" not in third
    assert fourth["suppressions"] == [{"kind": "inSource", "justification": "it was never used"}]
    assert fifth["ruleId"] == "rehearsal/irreversible"
    assert "index ix_a" in fifth["message"]["text"]
    assert [run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] for one in run["results"]] == [
        one["ruleId"] for one in run["results"]
    ]


def test_github_annotations_are_one_line_each_and_escaped() -> None:
    lines = written("github").splitlines()
    assert lines[0] == (
        "::error file=migrations/versions/a b.py,line=12,title=drop-table::drops users%0Arename it first"
    )
    assert lines[1].startswith("::warning file=migrations/versions/a b.py,title=set-not-null::50%25 of <users>: a,b%0A")
    assert lines[2].startswith("::notice title=message-style::")
    assert len(lines) == 4  # the waived one is not shown
    assert written("github", EMPTY) == ""


def test_gitlab_report_has_what_the_format_asks_for() -> None:
    found = json.loads(written("gitlab"))
    assert [one["severity"] for one in found] == ["critical", "minor", "info", "critical"]
    for one in found:
        assert set(one) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert set(one["location"]) == {"path", "lines"}
        assert one["location"]["lines"]["begin"] >= 1
    assert len({one["fingerprint"] for one in found}) == len(found)
    assert json.loads(written("gitlab", EMPTY)) == []


def test_a_fingerprint_does_not_move_with_the_line() -> None:
    moved = Document("lint", {"findings": [finding(line=99)], "rehearsals": []})
    assert json.loads(written("gitlab", moved))[0]["fingerprint"] == json.loads(written("gitlab"))[0]["fingerprint"]


def test_two_of_a_kind_are_two() -> None:
    twice = Document("check", {"findings": [finding(line=3), finding(line=9)], "rehearsals": []})
    first, second = (one["fingerprint"] for one in json.loads(written("gitlab", twice)))
    assert first != second
    once = Document("check", {"findings": [finding(line=9)], "rehearsals": []})
    assert json.loads(written("gitlab", once))[0]["fingerprint"] == first


def test_junit_fails_what_errs_and_is_xml_whatever_a_message_holds() -> None:
    suites = ElementTree.fromstring(written("junit"))
    cases = {(case.get("classname"), case.get("name")): case for case in suites.iter("testcase")}
    failed = {key for key, case in cases.items() if case.find("failure") is not None}
    assert failed == {("migrate-flow.lint", "3f2a91c04d7e"), ("migrate-flow.rehearsal", "3f2a91c04d7e")}
    assert set(cases) == {
        (f"migrate-flow.{kind}", name) for kind in ("lint", "rehearsal") for name in ("3f2a91c04d7e", "aaaa")
    }
    assert suites.get("failures") == "2"
    assert suites.get("tests") == "4"
    said = cases["migrate-flow.lint", "3f2a91c04d7e"].findtext("system-out") or ""
    assert "it was never used" in said
    assert "50% of <users>" in said
    assert "\x00" not in said


@pytest.mark.parametrize("name", ["sarif", "github", "gitlab", "junit"])
def test_a_document_without_findings_has_no_such_form(name: str) -> None:
    with pytest.raises(UsageError, match="findings"):
        written(name, Document("status", {}))
