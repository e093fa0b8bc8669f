"""The tutorial is run word for word: each command in a process of its own, its output held against the page."""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path

import pytest

from tests.acceptance.tutorial import FILES, Said, Step, Walk, place, rewritten, steps
from tests.support import wheel

MOST_COMMANDS = 12
COMMAND = "pip install migrate-flow"
INSTALL = f"```sh\n{COMMAND}\n```"


@pytest.mark.timeout(900)  # three dozen processes, one after the other
def test_the_pages_are_what_the_commands_print(tmp_path: Path, programs: Path) -> None:
    walk = Walk(place(tmp_path, programs))
    heard = [said for file in FILES for said in walk.page(file.read_text())]
    for said in heard:
        told = f"$ {said.step.text}\n{said.printed}\n--- the page:\n{said.step.printed}"
        assert said.same, f"python -m tests.acceptance.tutorial --write\n{told}"
    first = [said.step for said in heard][: len([step for step in steps(FILES[0].read_text()) if not step.path])]
    production = [step.code for step in first if "apply --env production" in step.text]
    assert production == [1, 0], "one refused and one allowed"


def test_the_first_one_takes_few_commands() -> None:
    page = FILES[0].read_text()
    assert page.count(INSTALL) == 1
    commands = [step for step in steps(page) if not step.path]
    assert 1 + len(commands) <= MOST_COMMANDS


@pytest.mark.real
@pytest.mark.timeout(900)
def test_a_newcomer_begins_with_pip(tmp_path: Path) -> None:
    """In an environment that has pip and nothing else; the wheel is this checkout's, its libraries are the index's."""
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    (tmp_path / "wheel").write_text(f"migrate-flow @ {wheel.build(tmp_path / 'dist').as_uri()}\n")
    # Without the test's HOME: where an index is configured for the user, pip finds it.
    environ = {"PATH": f"{programs}:{os.defpath}", "PIP_CONSTRAINT": str(tmp_path / "wheel")}
    settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.endswith("_proxy")}
    subprocess.run(COMMAND.split(), env=settings | environ, check=True, capture_output=True, timeout=300)
    assert [said.printed for said in Walk(place(tmp_path, programs)).page(FILES[0].read_text()) if not said.same] == []


def test_the_readme_leads_to_it() -> None:
    readme = (FILES[0].parents[1] / "README.md").read_text()
    said = (
        "The [tutorial](docs/tutorial.md) goes from `pip install` to a refused and then an allowed apply to production"
    )
    assert f"{said}, in twelve commands.\n" in readme
    assert MOST_COMMANDS == 12


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_command_is_left_out(file: Path) -> None:
    page = file.read_text()
    assert page.count("\n$ ") == len([step for step in steps(page) if not step.path])


PAGE = """\
<!-- exit 1 -->

```console
$ echo 2026-01-01 \\
    two; exit 1
2026-02-02 two
```

```python title="*.py"
x = 1
```

```console
$ ls *.py
$ cat file.py
```
"""


def test_a_page_is_read_in_its_order() -> None:
    assert list(steps(PAGE)) == [
        Step("echo 2026-01-01 \\\n    two; exit 1", 1, "2026-02-02 two"),
        Step("x = 1\n", path="*.py"),
        Step("ls *.py"),
        Step("cat file.py"),
    ]


def test_what_is_printed_is_written_into_the_page(tmp_path: Path, programs: Path) -> None:
    where = place(tmp_path, programs)
    (where.folder / "file.py").write_text("import os\nx = 1  # old\n")
    written = rewritten(PAGE, Walk(where))
    expected = PAGE.replace("*.py\n$", "*.py\nfile.py\n$").replace("cat file.py\n", "cat file.py\nimport os\nx = 1\n")
    assert written == expected, "a date alone changes nothing"
    assert rewritten(written, Walk(where)) == written


def test_another_exit_code_fails(tmp_path: Path, programs: Path) -> None:
    with pytest.raises(AssertionError, match="exit 3, the page says 0"):
        rewritten("```console\n$ exit 3\n```\n", Walk(place(tmp_path, programs)))


ONE, TWO, THREE, FOUR = "3f790ef25a5b", "8313572a187a", "b83bde7561c2", "c41f09d2ae77"


def heard(walk: Walk, page: str, printed: str) -> Said:
    return walk.heard(Step("x", printed=page), printed)


def test_identifiers_are_paired_over_the_page(tmp_path: Path) -> None:
    walk = Walk(place(tmp_path, tmp_path))
    assert heard(walk, f"wrote {ONE} in 0.05 s", f"wrote {TWO} in 1.25 s").same
    assert walk.here(f"show {ONE}") == f"show {TWO}"
    assert heard(walk, f"{ONE} at 2026-01-01 10:00 UTC", f"{TWO} at 2026-02-02 10:01 UTC").same
    assert not heard(walk, f"again {ONE}", f"again {THREE}").same, "another one where it must be the same"
    assert not heard(walk, f"again {FOUR}", f"again {TWO}").same, "the same one where it must be another"
    assert not heard(walk, "12 entries", "13 entries").same


def test_a_page_keeps_its_identifiers(tmp_path: Path) -> None:
    walk = Walk(place(tmp_path, tmp_path))
    heard(walk, f"wrote {ONE}", f"wrote {TWO}")
    assert heard(walk, f"{ONE}: old words", f"{TWO}: new words").text == f"{ONE}: new words"
