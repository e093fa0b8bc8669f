"""Child process: one script's SQL, without a database, without env.py and without secrets.

Reads one JSON object on stdin, writes one on stdout; whatever the script prints goes to stderr.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import sys
from pathlib import Path
from types import ModuleType

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from migrate_flow.alembic_adapter.sealed import execute, sealed_imports
from migrate_flow.core.revision import Manifest, SealedFile


def main() -> int:
    answer_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    files = tuple(
        SealedFile.seal(file["path"], base64.b64decode(file["content"]), file["module"]) for file in request["files"]
    )
    manifest, root = Manifest(files), Path(request["root"])
    answer: dict[str, str | None] = {"upgrade": None, "downgrade": None, "problem": ""}
    with contextlib.redirect_stdout(sys.stderr), sealed_imports([manifest], root):
        try:
            module = execute(manifest.script.content, str(root / manifest.script.path), "migration")
        except BaseException as error:
            answer["problem"] = f"loading the script fails: {_sentence(error)}"
        else:
            for direction in ("upgrade", "downgrade"):
                try:
                    answer[direction] = render(module, direction, request["dialect"])
                except BaseException as error:
                    answer["problem"] = f"{direction} can't be rendered without a database: {_sentence(error)}"
    with answer_to:
        json.dump(answer, answer_to)
    return 0


def render(module: ModuleType, direction: str, dialect: str) -> str:
    """The SQL that this direction would send, statement by statement. Whatever the script raises comes through."""
    buffer = io.StringIO()
    context = MigrationContext.configure(
        dialect_name=dialect, opts={"as_sql": True, "output_buffer": buffer, "literal_binds": True}
    )
    with Operations.context(context):
        getattr(module, direction)()
    return buffer.getvalue().strip()


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}".rstrip(": ")


if __name__ == "__main__":
    sys.exit(main())
