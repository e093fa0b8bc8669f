"""`recover`: asked wrongly, and asked to decide where there is nothing to decide."""

from __future__ import annotations

import pytest

from tests.support.project import ADA, Project


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["--abandon"], "belong together", "recover --env dev --abandon -m WHY"),
        (["--resume"], "belong together", "recover --env dev --resume -m WHY"),
        (["--statement", "3=done"], "belong together", "recover --env dev --statement 3=done -m WHY"),
        (["--terminate-orphan"], "belong together", "recover --env dev --terminate-orphan -m WHY"),
        (["-m", "why"], "belong together", "recover --env dev --abandon -m WHY"),
        (["--abandon", "--resume", "-m", "why"], "--abandon goes with neither", "recover --help"),
        (["--statement", "done", "-m", "why"], "'done' is not N=done", "--statement 3=done"),
        (["--statement", "3=maybe", "-m", "why"], "'3=maybe' is not N=done", "--statement 3=done"),
        (["--statement", "-1=done", "-m", "why"], "'-1=done' is not N=done", "--statement 3=done"),
        (["--statement", "²=done", "-m", "why"], "'²=done' is not N=done", "--statement 3=done"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_asked_wrongly(project: Project, words: list[str], message: str, hint: str) -> None:
    error = project.json("recover", "--env", "dev", *words, actor=ADA, code=2)["error"]
    assert error["code"] == "usage"
    assert message in error["message"]
    assert hint in error["hint"]


def test_there_is_nothing_to_settle(project: Project) -> None:
    assert project.json("recover", "--env", "dev", "--abandon", "-m", "why", actor=ADA)["recovered"] == []
