"""The reference is what the code says, and leaves out nothing that the code has."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

import migrate_flow
from migrate_flow.config.schema import schema
from migrate_flow.gates import all_gates
from tests.docs.reference import codes, commands, configuration, documents, entries, entry_words, gates
from tests.support.audited import Audited

PACKAGE = Path(migrate_flow.__file__).parent
STALE = "python -m tests.docs.reference"


@pytest.mark.parametrize("page", [commands, configuration, gates, codes], ids=lambda page: page.FILE.name)
def test_the_page_is_what_the_code_says(page: ModuleType) -> None:
    assert page.FILE.read_text(encoding="utf-8") == page.written(), STALE


def test_the_schema_is_what_the_program_writes() -> None:
    assert configuration.SCHEMA.read_text(encoding="utf-8") == configuration.written_schema(), STALE


def test_the_entries_are_those_of_a_ledger(audited: Audited) -> None:
    assert entries.FILE.read_text(encoding="utf-8") == entries.written(audited.folder), STALE


def test_no_word_is_left_over(audited: Audited) -> None:
    """Each field that is explained is one that an entry can have."""
    fields = entries.read(audited.folder)
    known = {name for each in fields.values() for name in each}
    known |= {name for each in entry_words.SOMETIMES.values() for name in each}
    assert {name.rpartition(" ")[2] for name in entry_words.FIELDS} == known


@pytest.mark.checked
def test_the_documents_are_those_that_commands_print() -> None:
    assert documents.FILE.read_text(encoding="utf-8") == documents.written(documents.found_here()), STALE


def test_each_document_is_told() -> None:
    page = documents.FILE.read_text(encoding="utf-8")
    views = "".join(path.read_text() for path in PACKAGE.joinpath("views").glob("*.py"))
    names = set(re.findall(r'\bDocument\(\s*"([a-z-]+)"', views))
    assert len(names) > 25
    assert [name for name in sorted(names) if f"\n## {name}\n" not in page and f"\n| `{name}` |" not in page] == []


def test_each_command_and_each_of_its_options_is_there() -> None:
    page = commands.written()
    for name, command in commands.leaves(commands.tree()):
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert section, name
        for parameter in command.params:
            for word in parameter.opts:
                said = (f"`{word}", f"<code>{word}", f", {word}")
                assert not word.startswith("-") or any(form in section for form in said), (name, word)


def test_each_command_has_formats_and_a_document_that_is_told() -> None:
    """All but `demo`, a tour that runs other commands. The names by which the page has them are those of the commands,
    so that a new one is asked for here."""
    page = documents.FILE.read_text(encoding="utf-8")
    told = set(re.findall(r"`([a-z][a-z -]+)`", "\n".join(re.findall(r"^(?:By .*|\| `[a-z-]+` \| .*)$", page, re.M))))
    for name, command in commands.leaves(commands.tree()):
        if name == "demo":
            continue
        options = {word for parameter in command.params for word in parameter.opts}
        assert {"--format", "--output"} <= options, name
        assert any(name == one or one.startswith(f"{name} --") for one in told), (
            f"{name}: tests/docs/reference/documents.py"
        )


def test_each_key_of_the_configuration_is_there() -> None:
    page = configuration.written()
    for model in schema()["$defs"].values():
        for key in model["properties"]:
            assert f"| `{key}` |" in page or f"[[policy.{key}]]" in page, key


def test_each_gate_says_what_clears_it() -> None:
    page = gates.written()
    assert page.count("**Clears it:**") == len(all_gates())


def test_each_error_has_a_meaning() -> None:
    for error in codes.errors():
        assert error.exit_code in codes.MEANINGS, error
    assert re.findall(r"^\| (\d+) \|", codes.written(), re.M) == [str(code) for code in codes.MEANINGS]
