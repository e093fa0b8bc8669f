"""The tutorial is run word for word: each command in a process of its own, its output held against the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.tutorial import FILE, Step, comparable, place, rewritten, steps, walked

MOST_COMMANDS = 12
INSTALL = "```sh\npip install migrate-flow\n```"  # the one command that is not run: the wheel is installed already


def test_the_page_is_what_the_commands_print(tmp_path: Path, pycache: Path) -> None:
    old: dict[str, str] = {}
    new: dict[str, str] = {}
    codes = []
    for step, printed in walked(FILE.read_text(), place(tmp_path, pycache)):
        same = comparable(printed, new) == comparable(step.printed, old)
        assert same, (
            f"python -m tests.acceptance.tutorial --write\n$ {step.text}\n{printed}\n--- the page:\n{step.printed}"
        )
        codes.append((step.text, step.code))
    production = [code for text, code in codes if "apply --env production" in text]
    assert production == [1, 0], "one refused and one allowed"


def test_it_takes_few_commands() -> None:
    page = FILE.read_text()
    assert page.count(INSTALL) == 1
    commands = [step for step in steps(page) if not step.path]
    assert 1 + len(commands) <= MOST_COMMANDS
    assert page.count("\n$ ") == len(commands), "a command that is not run"


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


def test_what_is_printed_is_written_into_the_page(tmp_path: Path, pycache: Path) -> None:
    where = place(tmp_path, pycache)
    (where.folder / "file.py").write_text("import os\nx = 0\n".replace("x = 0", "x = 1  # old"))
    written = rewritten(PAGE, where)
    assert written == PAGE.replace("02-02", "01-01").replace("*.py\n$", "*.py\nfile.py\n$").replace(
        "cat file.py\n", "cat file.py\nimport os\nx = 1\n"
    )
    (where.folder / "file.py").write_text("import os\nx = 1\n")
    assert rewritten(written.replace("01-01 two\n```", "03-03 two\n```"), where).count("03-03") == 1, (
        "only a date differs"
    )


def test_another_exit_code_fails(tmp_path: Path, pycache: Path) -> None:
    with pytest.raises(AssertionError, match="exit 3, the page says 0"):
        rewritten("```console\n$ exit 3\n```\n", place(tmp_path, pycache))


def test_values_that_change_are_told_apart() -> None:
    def told(text: str) -> str:
        return comparable(text, {})

    assert told("3f790ef25a5b in 0.05 s, 3f790ef25a5b") == told("8313572a187a in 1.25 s, 8313572a187a")
    assert told("3f790ef25a5b and 3f790ef25a5b") != told("8313572a187a and b83bde7561c2")
    assert told("12 entries") != told("13 entries")
