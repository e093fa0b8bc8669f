"""`--debug`: a traceback, without the secrets that went through the program."""

from __future__ import annotations

import pytest
import typer
from typer.main import get_command

from migrate_flow.cli.group import Group
from migrate_flow.core.redaction import remember
from migrate_flow.signing.private_key import private_text
from tests.support.builders import ADA, private_key
from tests.support.canary import CANARIES
from tests.support.project import ADA as AUTHOR
from tests.support.project import Project

SECRET = "canary on\ntwo lines"


def ended(words: list[str], error: Exception) -> int:
    """The exit code of a program of ours whose only command fails."""
    program = typer.Typer(cls=Group, pretty_exceptions_enable=False)

    @program.callback()
    def before(debug: bool = False) -> None:
        del debug

    @program.command()
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as exit:
        get_command(program).main([*words, "fail"])
    return int(str(exit.value.code))


@pytest.mark.parametrize("words", [["--debug"], []], ids=["debug", "plain"])
def test_a_secret_of_several_lines_is_in_no_traceback(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    key = private_text(private_key(ADA)).strip()
    CANARIES.add(key, "the key")
    CANARIES.add(SECRET.splitlines()[0], "the password")
    remember(SECRET)
    error = RuntimeError(f"could not use {key} nor {SECRET}")
    error.__cause__ = ValueError(f"{key!r} is none")
    assert ended(words, error) == 70
    told = capsys.readouterr()
    assert "RuntimeError: could not use *** nor ***" in told.err
    assert ("Traceback" in told.err) == bool(words)
    CANARIES.check(told.out + told.err, "what was told")


def test_a_secret_that_a_driver_reads_for_itself_is_in_no_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGPASSWORD", "canary-of-libpq")
    assert ended(["--debug"], RuntimeError("it used canary-of-libpq")) == 70
    assert "it used ***" in capsys.readouterr().err


def test_the_word_in_alembic_s_own_template_is_no_secret(project: Project) -> None:
    """It has driver://user:pass@localhost/dbname."""
    assert ":pass@" in (project.folder / "alembic.ini").read_text()
    project.script("aaaa", upgrade='raise ValueError("the password column is gone")')
    project.flow("track", actor=AUTHOR)
    assert "the password column is gone" in project.flow("apply", "--env", "dev", actor=AUTHOR, code=3).out
