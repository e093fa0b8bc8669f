"""What the engine itself finds: not by a rule, and so not to be missed by one that is off or not installed.

`fixed`: whether the configuration may not change the severity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from migrate_flow.core.finding import Severity


@dataclass(frozen=True, slots=True)
class Own:
    slug: str
    severity: Severity
    page: str
    fixed: bool = True

    def severity_here(self, configured: Mapping[str, str]) -> Severity:
        return self.severity if self.fixed or self.slug not in configured else Severity(configured[self.slug])


SYNTAX_ERROR = Own(
    "syntax-error",
    Severity.ERROR,
    """The script is not Python.

Problem: nothing in it can be judged, and Alembic can't load it.

Instead of: finding it out while a migration runs.

Use: `python -m py_compile FILE`, which names the place.""",
)
UNUSABLE_SCRIPT = Own(
    "unusable-script",
    Severity.ERROR,
    """The file is in a version location and can't be used.

Problem: Alembic loads every file there; one that is no migration stops all the others.

Instead of: keeping other Python files beside the migrations.

Use: mend what the message names, or move the file elsewhere.""",
)
RULE_CRASHED = Own(
    "rule-crashed",
    Severity.ERROR,
    """A rule ended with an exception.

Problem: nobody knows what it would have found, so the script counts as refused.

Instead of: a rule that passes whatever it does not understand.

Use: report it with the script; until then `severity = { the-rule = "off" }` under `[lint]`, for a time.""",
)
WAIVER_WITHOUT_REASON = Own(
    "waiver-without-reason",
    Severity.ERROR,
    """A waiver does not say why.

Problem: whoever reviews or audits the migration can't tell whether the finding was understood. It waives nothing.

Instead of: `# migrate-flow: ignore[drop-column]`

Use: `# migrate-flow: ignore[drop-column] unused since 4.2, see the access log of May`""",
)
UNKNOWN_WAIVER = Own(
    "unknown-waiver",
    Severity.WARNING,
    """A waiver names no rule that there is.

Problem: it waives nothing; it may be misspelt, or left from a rule that had another name.

Instead of: `# migrate-flow: ignore drop-colum not used`

Use: `# migrate-flow: ignore[drop-column] not used since 4.2`""",
    fixed=False,
)
UNUSED_WAIVER = Own(
    "unused-waiver",
    Severity.WARNING,
    """A waiver waives nothing.

Problem: it stays behind, and passes the next finding of that rule on this line unseen.

Instead of: keeping it for the case that.

Use: take the comment out, or put it on the statement that it speaks of. A rule that can't be waived needs the finding
mended.""",
    fixed=False,
)
OWN = (SYNTAX_ERROR, UNUSABLE_SCRIPT, RULE_CRASHED, WAIVER_WITHOUT_REASON, UNKNOWN_WAIVER, UNUSED_WAIVER)
