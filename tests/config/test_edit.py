from __future__ import annotations

import difflib
import tomllib

import pytest

from migrate_flow.config.edit import add_person, set_ledger
from migrate_flow.errors import ConfigError
from tests.config.samples import ADA, BOB, CY, contract_example, parsed
from tests.config.test_render import rendered

ID, GENESIS = "01234567-89ab-cdef-0123-456789abcdef", "sha256:" + "a" * 64

COMMENTED = f"""\
# the top
[project]
name = "shop"   # the name

[people]
# those who left are below
[people."ada@example.com"]   # Ada
roles = [
    "developer",   # since 2020
]
keys = ["{ADA} ada@laptop"]
# aliases = ["later"]

# What the rules are
[lint]
plugins = []

[environments.dev]
url = "sqlite:///dev.db"
# the end"""


def changed(before: str, after: str) -> tuple[list[str], list[str]]:
    """(lines that are gone, lines that are new)."""
    lines = list(difflib.ndiff(before.split("\n"), after.split("\n")))
    return [line[2:] for line in lines if line[0] == "-"], [line[2:] for line in lines if line[0] == "+"]


def test_a_new_person_comes_after_the_last_one_and_nothing_else_moves() -> None:
    text = add_person(COMMENTED, "bob@example.com", ["developer", "backend-lead"], [f"{BOB} bob@laptop"])
    block = (
        f'[people."bob@example.com"]\nroles = ["developer", "backend-lead"]\nkeys = ["{BOB}"]\n\n# What the rules are'
    )
    assert f'# aliases = ["later"]\n\n{block}' in text
    gone, new = changed(COMMENTED, text)
    assert gone == []
    assert len(new) == 4
    assert parsed(text).policy.people["bob@example.com"].keys == (BOB,)


def test_an_existing_person_gains_roles_and_keys() -> None:
    text = add_person(COMMENTED, "ada@example.com", ["developer", "policy-admin"], [CY, f"{ADA} again"])
    gone, new = changed(COMMENTED, text)
    assert gone == [f'keys = ["{ADA} ada@laptop"]']
    assert new == ['    "policy-admin",', f'keys = ["{ADA} ada@laptop", "{CY}"]']
    person = parsed(text).policy.people["ada@example.com"]
    assert (person.keys, person.roles) == ((ADA, CY), {"developer", "policy-admin"})


def test_adding_what_is_there_changes_nothing() -> None:
    assert add_person(COMMENTED, "ada@example.com", ["developer"], [ADA]) == COMMENTED


def test_a_missing_list_is_added_inside_the_persons_table() -> None:
    text = COMMENTED.replace(f'keys = ["{ADA} ada@laptop"]\n', "")
    after = add_person(text, "ada@example.com", [], [ADA])
    assert f'# aliases = ["later"]\nkeys = ["{ADA}"]\n\n# What the rules are' in after
    assert changed(text, after) == ([], [f'keys = ["{ADA}"]'])


@pytest.mark.parametrize(
    "people",
    [
        "",
        "[people]\n",
        f'[people]\nada = {{ roles = ["developer"], keys = ["{ADA}"] }}\n',
        f'[people.ada]\nkeys = ["{ADA}"]\n[lint]\nplugins = []\n[people.cy]\nkeys = []',
        f"[people.ada]\nkeys = [\n  '{ADA}',\n]\n[lint]",
    ],
    ids=["none", "empty", "inline", "out of order", "no blank line"],
)
def test_other_layouts(people: str) -> None:
    before = f'[project]\nname = "shop"\n[environments.dev]\nurl = "sqlite:///dev.db"\n{people}'
    text = add_person(before, "bob", ["developer"], [BOB])
    assert changed(before, text)[0] in ([], [""])
    assert tomllib.loads(text)["people"]["bob"] == {"roles": ["developer"], "keys": [BOB]}
    if "ada" in people:
        twice = add_person(text, "ada", ["backend-lead"], [CY])
        assert parsed(twice).policy.people["ada"].keys == (ADA, CY)
        assert "backend-lead" in parsed(twice).policy.people["ada"].roles


def test_a_layout_that_would_be_damaged_is_refused_with_what_to_write() -> None:
    text = (
        f'people = {{ ada = {{ keys = ["{ADA}"] }} }}\n[project]\nname = "shop"\n[environments.dev]\nurl = "sqlite://"'
    )
    with pytest.raises(ConfigError, match="can't be edited safely") as caught:
        add_person(text, "bob", ["developer"], [BOB])
    assert '[people."bob"]' in caught.value.hint


@pytest.mark.parametrize("where", ["# the top", "# the end"])
def test_headers_inside_texts_do_not_lead_astray(where: str) -> None:
    text = COMMENTED.replace(where, "[lint.constraint_names]\npk = '''\n[people.fake]\n'''")
    after = add_person(text, "bob", [], [BOB])
    assert tomllib.loads(after)["lint"] == tomllib.loads(text)["lint"]
    assert set(tomllib.loads(after)["people"]) == {"ada@example.com", "bob"}


def test_a_bad_key_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="private key") as caught:
        add_person(COMMENTED, "bob", [], ["-----BEGIN OPENSSH PRIVATE KEY----- hunter2"])
    assert "hunter2" not in caught.value.message


def test_a_damaged_file_is_not_edited() -> None:
    with pytest.raises(ConfigError, match="not TOML"):
        add_person("x = ", "bob", [], [])
    with pytest.raises(ConfigError, match="not TOML"):
        set_ledger("x = ", ID, GENESIS)
    with pytest.raises(ConfigError, match="expected a list"):
        add_person(COMMENTED.replace("plugins = []", 'plugins = []\n[people.x]\nroles = "a"'), "x", ["b"], [])


def test_windows_line_ends_stay() -> None:
    before = COMMENTED.replace("\n", "\r\n")
    for text in (add_person(before, "bob", [], [BOB]), set_ledger(before, ID, GENESIS)):
        assert text.count("\r\n") == text.count("\n")
        assert text.replace("\r\n", "\n").startswith(COMMENTED.split("[people]")[0])


def test_the_ledgers_anchor_replaces_the_empty_one() -> None:
    before = rendered()
    gone, new = changed(before, set_ledger(before, ID, GENESIS))
    assert gone == ['id = ""', 'genesis = ""']
    assert new == [f'id = "{ID}"', f'genesis = "{GENESIS}"']


def test_the_ledgers_anchor_joins_its_table() -> None:
    before = contract_example()
    after = set_ledger(before, ID, GENESIS)
    assert changed(before, after) == ([], [f'id = "{ID}"', f'genesis = "{GENESIS}"'])
    assert f'too\nid = "{ID}"\ngenesis = "{GENESIS}"\n\n[environments.dev]' in after
    assert parsed(after).ledger.genesis == GENESIS


def test_without_a_ledger_table_one_is_made() -> None:
    after = set_ledger(COMMENTED, ID, GENESIS)
    assert after.startswith(COMMENTED)
    assert (parsed(after).ledger.id, parsed(after).ledger.url) == (ID, "sqlite:///.migrate-flow/ledger.db")
