"""docs/reference/exit-codes.md: what a command ends with, and the errors that are behind it."""

from __future__ import annotations

from collections.abc import Iterator

from migrate_flow.cli.group import BUG, INTERRUPTED, TERMINATED
from migrate_flow.errors import MigrateFlowError
from tests.docs.reference import FOLDER, NOTE, one_line, table

FILE = FOLDER / "exit-codes.md"
MEANINGS = {
    0: "done, or the answer is yes",
    1: "the answer is no: a gate refuses, findings, drift, a rule that forbids the act to this person or now; "
    "a report was written",
    2: "asked wrongly: usage, configuration, a bad revision file, an unknown person, no key",
    3: "the target failed and was left as it was; earlier steps stay applied",
    4: "the ledger can't be trusted or can't be written",
    5: "busy: somebody else holds the lock",
    6: "the target is partly changed or its state unknown: `migrate-flow recover --env ENV`",
    BUG: "a bug in migrate-flow",
    INTERRUPTED: "interrupted (Ctrl-C); the target is settled",
    TERMINATED: "terminated (SIGTERM); the target is settled",
}
HEAD = f"""\
# Exit codes and errors

{NOTE.format(source="`migrate_flow/errors.py` and `tests/docs/reference/codes.py`")}
"""
ERRORS = """
After a signal 6 wins over 130 and 143 where the target is not settled.
`apply` of what is applied already is 0, with no steps; `status` is 0 whenever it could report.

## Errors

An error has a message, a place and a hint; on a terminal:

```text
error: no environment 'prod'
where: --env
hint: one of: dev, staging, production
```

With `--format json` it is `{"schema": "migrate-flow/error/1", "error": {"code", "message", "hint", "where"}}`, \
alone on stdout.
A traceback is shown only with `--debug` before the command, and without secrets.

"""


def errors(top: type[MigrateFlowError] = MigrateFlowError) -> Iterator[type[MigrateFlowError]]:
    """Each kind of error of the product, from the top down."""
    if top.__module__.startswith("migrate_flow.errors"):
        yield top
    for each in top.__subclasses__():
        yield from errors(each)


def written() -> str:
    rows = [[f"`{error.code}`", str(error.exit_code), _about(error)] for error in errors()]
    codes = table(("code", "meaning"), ([str(code), said] for code, said in MEANINGS.items()))
    return HEAD + codes + ERRORS + table(("`code`", "exit", "when"), [*rows[1:], rows[0]])


def _about(error: type[MigrateFlowError]) -> str:
    if error is MigrateFlowError:
        return "A bug in migrate-flow."
    said = one_line(error.__doc__ or "")
    return said.partition(". ")[0].rstrip(".") + "."
