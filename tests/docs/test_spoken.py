"""Every command that the documentation names is one that the program has."""

from __future__ import annotations

import pytest

from tests.docs.site import DOCS, LOOSE
from tests.docs.spoken import Spoken, flaw, flaws, read, spoken


def test_every_command_is_real() -> None:
    pages = [*sorted(DOCS.rglob("*.md")), *sorted(DOCS.rglob("*.yml")), *LOOSE]
    assert [line for path in pages for line in flaws(path)] == []
    assert sum(len(read(path)) for path in pages) > 100
    assert all(read(path) for path in pages if path.suffix == ".yml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("migrate-flow aply --env dev", "there is no aply"),
        ("migrate-flow apply --environment dev", "apply has no option --environment"),
        ("migrate-flow --as ada apply REV", "apply asks for --env"),
        ("migrate-flow people rename ada", "there is no people rename"),
        ("migrate-flow show a b", "show takes 1 arguments, not a b"),
        ("migrate-flow --nobody status", "migrate-flow has no option --nobody"),
        ("migrate-flow new -m 'unfinished", "No closing quotation"),
    ],
)
def test_a_command_that_is_none_is_found(text: str, problem: str) -> None:
    assert flaw(Spoken(text, whole=True)) == problem


@pytest.mark.parametrize(
    "text",
    [
        "migrate-flow --as ada@example.com apply REV --env dev",
        "migrate-flow ledger grants --role app | psql ledger",
        "migrate-flow drift --env dev",
        "migrate-flow drift accept --env dev -m WHY",
        "migrate-flow --version",
        "migrate-flow init \\\n  --env dev=sqlite:///dev.db",
        "migrate-flow lint  # all",
        "migrate-flow review --help",
    ],
)
def test_a_real_command_is_none(text: str) -> None:
    assert flaw(Spoken(text, whole=True)) == ""


def test_commands_are_found_where_people_write_them() -> None:
    page = """\
`migrate-flow status` and

```console
$ migrate-flow log \\
    --last 3
migrate-flow is what it prints
```

    migrate-flow inbox

```sh
FOO=1 migrate-flow doctor
```

```text
migrate-flow nothing
```
"""
    told = [(said.text, said.whole) for said in spoken(page)]
    assert told == [
        ("migrate-flow log \\\n    --last 3", True),
        ("migrate-flow doctor", True),
        ("migrate-flow inbox", True),
        ("migrate-flow status", False),
    ]
