"""A word that is nearly right is answered with the right one: revisions, environments, people, commands, options."""

from __future__ import annotations

import pytest

from tests.support.project import ADA, Project


@pytest.fixture
def shop(project: Project) -> Project:
    project.script("3f2a91c04d7e")
    project.script("8313572a187a", "3f2a91c04d7e")
    project.flow("track", actor=ADA)
    return project


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "3f2a91c04d7f"], "did you mean 3f2a91c04d7e?"),
        (["show", "3f2b91"], "did you mean 3f2a91c04d7e?"),
        (["show", "831357a2"], "did you mean 8313572a187a?"),
        (["show", "3f2"], "the start of an id needs 4 characters"),
        (["plan", "--env", "prod"], "there is no environment 'prod'; did you mean production?"),
        (["apply", "--env", "stagging"], "did you mean staging?"),
        (["env", "test", "dvelop"], "there is no environment 'dvelop'"),
        (["env", "test", "Dev"], "did you mean dev?"),
        (["compare", "dev", "stging"], "did you mean staging?"),
        (["drift", "--env", "productoin"], "did you mean production?"),
        (["--as", "ada@exmaple.com", "self-review", "head"], "did you mean ada@example.com?"),
        (["--as", "ada", "inbox"], "did you mean ada@example.com?"),
        (["export", "--person", "bne@example.com"], "did you mean ben@example.com?"),
        (["export", "--env", "stag"], "did you mean staging?"),
        (["people", "remove", "carl@example.com"], "did you mean carla@example.com?"),
        (["people", "role", "dora@example.co", "--add", "developer"], "did you mean dora@example.com?"),
        (["statsu"], "Did you mean 'status'?"),
        (["keys", "lst"], "Did you mean 'list'?"),
        (["ledger", "verfy"], "Did you mean 'verify'?"),
        (["status", "--fromat", "json"], "--format"),
    ],
)
def test_what_was_meant(shop: Project, words: list[str], said: str) -> None:
    answer = shop.flow(*words, code=2)
    assert said in answer.err.partition("\nhint:")[0]


def test_nothing_is_guessed_where_nothing_is_near(shop: Project) -> None:
    for words in (["show", "ffffffff"], ["plan", "--env", "xyz"], ["--as", "q@q.org", "self-review", "head"]):
        assert "did you mean" not in shop.flow(*words, code=2).err.lower()
