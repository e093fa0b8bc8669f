"""Every refusal and error at 80 and 200 columns: the gates' and the errors' own registries say which there are."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest

from migrate_flow.cli import output
from migrate_flow.core.document import Document
from migrate_flow.core.verdict import Decision
from migrate_flow.errors import MigrateFlowError
from migrate_flow.formats import Medium, render
from migrate_flow.gates import all_gates
from migrate_flow.views import verdicts
from tests.gates.case import Case, gate
from tests.gates.test_asked import cases

WIDTHS = (80, 200)
REFUSALS = [case for case in cases() if not case.passed]
LONG = "the schema of production is not as recorded, and carla@example.com said so two days ago; " * 3


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(case: Case, width: int) -> str:
    verdict = gate(case.gate).judge(case.facts())
    buffer = io.StringIO()
    blocks = tuple(verdicts.everything(Decision((verdict,)), 1))
    render(Document("plan", {}, blocks), "table", Medium(buffer, width))
    return buffer.getvalue()


def fits(shown: str, width: int) -> None:
    """But for a command, which is a line of its own, and for a word that is as long as that."""
    for line in shown.splitlines():
        copied = re.match(r" *((hint|next): +)?migrate-flow ", line)
        assert len(line) <= width or copied or " " not in line.strip(), line


def errors(kind: type[MigrateFlowError] = MigrateFlowError) -> Iterator[type[MigrateFlowError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from errors(below)


def test_there_is_a_refusal_of_each_gate() -> None:
    assert {case.gate for case in REFUSALS} == {gate.name for gate in all_gates()}


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_a_gate_s_refusal(case: Case) -> None:
    verdict = gate(case.gate).judge(case.facts())
    narrow, wide = (drawn(case, width) for width in WIDTHS)
    for shown, width in zip((narrow, wide), WIDTHS, strict=True):
        fits(shown, width)
        command = verdict.hint[verdict.hint.find("migrate-flow ") :] if "migrate-flow " in verdict.hint else ""
        assert command in shown, "a command is never broken"
    whole = f"{verdict.gate}: {verdict.reason}".split()
    assert narrow.split() == wide.split()
    assert [word for word in whole if word not in narrow.split()] == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", tuple(errors()), ids=lambda kind: kind.__name__)
def test_an_error(kind: type[MigrateFlowError], width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("COLUMNS", str(width))
    command = "migrate-flow recover --env production --statement 12=done --statement 13=not-done -m 'as the log says'"
    output.show_error(kind(LONG, hint=f"{LONG.strip()}: {command}", where="[environments.production]"), as_json=False)
    shown = stream.getvalue()
    fits(shown, width)
    assert shown.split() == f"error: {LONG} where: [environments.production] hint: {LONG.strip()}: {command}".split()
    assert shown.splitlines()[-1].strip() == command
    output.show_error(kind("no", hint=command), as_json=False)
    assert stream.getvalue().splitlines()[-1] == f"hint: {command}"
