"""A waiver passes one finding, on its own statement, with a reason; and it is told where it does nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from migrate_flow.core.finding import Finding, Severity
from migrate_flow.core.revision import Revision
from migrate_flow.lint.linter import Linter
from migrate_flow.lint.reading import read_script
from migrate_flow.lint.rule import Group, Hit, Rule
from migrate_flow.lint.script import Direction, Script


def _drops(script: Script) -> Iterator[Hit]:
    return (Hit(op.line, f"drops {op.table}", "keep it") for op in script.up("drop_table"))


def _whole(script: Script) -> Iterator[Hit]:
    yield Hit(0, "the file", "another file")


DROP = Rule("no-drop", Group.SAFETY, _drops)
FIXED = Rule("fixed", Group.SAFETY, _drops, waivable=False)
WHOLE = Rule("whole", Group.STYLE, _whole)


def lint(body: str, *rules: Rule, severity: Mapping[str, str] | None = None, **more: object) -> list[Finding]:
    source = f"from alembic import op\n\ndef upgrade():\n{body}\n"
    script = read_script("a.py", source.encode(), Revision("aaaa"))
    return list(Linter(rules or (DROP,), severity or {}).findings(script, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body",
    [
        "    op.drop_table('t')  # migrate-flow: ignore[no-drop] gone since 4.2",
        "    # migrate-flow: ignore[no-drop] gone since 4.2\n    op.drop_table('t')",
        "    # migrate-flow: ignore[no-drop] gone since 4.2\n    # and more\n    op.drop_table('t')",
        "    op.drop_table(\n        't',\n    )  # migrate-flow: ignore[no-drop] gone since 4.2",
        "    op.drop_table(\n        # migrate-flow: ignore[no-drop] gone since 4.2\n        't',\n    )",
        "    #migrate-flow:ignore [ other , no-drop ]: gone since 4.2\n    op.drop_table('t')",
    ],
)
def test_it_passes_the_finding_of_its_statement(body: str) -> None:
    other = Rule("other", Group.SAFETY, _drops)
    found = [finding for finding in lint(body, DROP, other, severity={"other": "off"}) if finding.rule == "no-drop"]
    assert [(finding.waived, finding.reason, finding.refuses) for finding in found] == [(True, "gone since 4.2", False)]


@pytest.mark.parametrize(
    "body",
    [
        "    # migrate-flow: ignore[no-drop] why\n\n    op.drop_table('t')",
        "    op.drop_table('t')\n    # migrate-flow: ignore[no-drop] why",
        "    pass  # migrate-flow: ignore[no-drop] why\n    op.drop_table('t')",
        "    # migrate-flow: ignore[no-drop] why\n    if x:\n        op.drop_table('t')",
        "    # migrate-flow: ignore[no-drop] why\n    with x:\n        op.drop_table('t')",
        "    '# migrate-flow: ignore[no-drop] why'; op.drop_table('t')",
        "    op.drop_table('t')  # migrate-flow: ignore[no-dropping] why",
        "    op.drop_table('t')  # migrate-flow: ignore[no-drop]",
        "    op.drop_table('t')  # migrate-flow: ignore no-drop why",
        "    op.drop_table('t')  # migrate-flow: ignore[] why",
    ],
)
def test_it_passes_nothing_else(body: str) -> None:
    found = [finding for finding in lint(body) if finding.rule == "no-drop"]
    assert [finding.refuses for finding in found] == [True]


def test_on_the_file_as_a_whole_it_stands_outside_of_functions() -> None:
    inside = "    # migrate-flow: ignore[whole] why\n    pass"
    assert [finding.waived for finding in lint(inside, WHOLE) if finding.rule == "whole"] == [False]
    outside = "    pass\n# migrate-flow: ignore[whole] why"
    assert [finding.waived for finding in lint(outside, WHOLE) if finding.rule == "whole"] == [True]


def told(body: str, *rules: Rule, **more: object) -> list[tuple[str, str, int]]:
    found = lint(body, *rules, **more)  # type: ignore[arg-type]
    return [(f.rule, f.severity.value, f.line) for f in found if "waiver" in f.rule]


def test_one_without_a_reason_is_an_error() -> None:
    body = "    op.drop_table('t')  # migrate-flow: ignore[no-drop]"
    assert told(body) == [("waiver-without-reason", "error", 4)]
    # and can be neither waived nor turned off
    more = "    # migrate-flow: ignore[waiver-without-reason] why\n" + body
    severity = {"waiver-without-reason": "off"}
    assert ("waiver-without-reason", "error", 5) in told(more, severity=severity)


def test_one_that_waives_nothing_is_a_warning() -> None:
    assert told("    pass  # migrate-flow: ignore[no-drop] why") == [("unused-waiver", "warning", 4)]
    twice = "    # migrate-flow: ignore[no-drop] why\n    op.drop_table('t')  # migrate-flow: ignore[no-drop] so"
    assert told(twice) == []


def test_between_a_head_and_its_body_it_speaks_of_the_body() -> None:
    def heads(script: Script) -> Iterator[Hit]:
        found = script.function(Direction.UPGRADE)
        yield Hit(found.lineno if found else 0, "a function", "none")

    rule = Rule("no-function", Group.STYLE, heads)
    body = "    # migrate-flow: ignore[no-function] why\n    pass"
    assert [f.waived for f in lint(body, rule) if f.rule == "no-function"] == [False]
    source = b"def upgrade(\n    x=1,\n):  # migrate-flow: ignore[no-function] why\n    pass\n"
    (found,) = Linter((rule,)).findings(read_script("a.py", source))
    assert found.reason == "why"


def test_one_of_a_rule_that_did_not_run_is_not_called_unused() -> None:
    body = "    pass  # migrate-flow: ignore[no-drop, squawk/ban-drop-table] why"
    assert told(body, severity={"no-drop": "off"}) == []
    ran = told(body, others=("squawk/",))
    assert ran == [("unused-waiver", "warning", 4)] * 2


def test_one_of_an_unknown_rule_is_named() -> None:
    (finding,) = lint("    pass  # migrate-flow: ignore[no-drp] why")
    assert (finding.rule, finding.severity) == ("unknown-waiver", Severity.WARNING)
    assert "no-drp" in finding.message
    assert "no-drop" in finding.message
    assert told("    pass  # migrate-flow: igonre[no-drop] why") == [("unknown-waiver", "warning", 4)]


def test_a_rule_that_can_not_be_waived() -> None:
    body = "    op.drop_table('t')  # migrate-flow: ignore[fixed] why"
    found = lint(body, FIXED)
    assert [(f.rule, f.refuses) for f in found] == [("fixed", True), ("unused-waiver", False)]


def test_what_others_found_is_waived_too() -> None:
    elsewhere = Finding("squawk/ban-drop-table", Severity.WARNING, "aaaa", "a.py", 4, "said squawk", "do not")
    body = "    op.execute('…')  # migrate-flow: ignore[squawk/ban-drop-table] why"
    (found,) = lint(body, found_elsewhere=[elsewhere], others=("squawk/",))
    assert (found.rule, found.reason) == ("squawk/ban-drop-table", "why")
