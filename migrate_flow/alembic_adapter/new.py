"""Writes a new script from the project's template, without importing any existing one."""

from __future__ import annotations

import io
import os
import tokenize
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import autogenerate, command
from alembic.config import Config
from alembic.operations import ops
from alembic.runtime.environment import EnvironmentContext
from alembic.script import base as script_base
from alembic.util import asbool
from alembic.util.exc import CommandError

from migrate_flow.alembic_adapter.docstring import with_sections
from migrate_flow.alembic_adapter.header import id_problem, read_header
from migrate_flow.alembic_adapter.sealed import SealedDirectory, SealedScript, script_directory
from migrate_flow.alembic_adapter.session import env_errors, surroundings
from migrate_flow.dialects.tables import PREFIX, SCHEMA
from migrate_flow.errors import UsageError
from migrate_flow.lint.reading import read_script
from migrate_flow.lint.rules.missing_contract_mapping import check
from migrate_flow.lint.script import Settings
from migrate_flow.services.new import sections

if TYPE_CHECKING:
    from migrate_flow.alembic_adapter.checkout import Checkout
    from migrate_flow.services.ports import NewRevision

_ON_TABLES = (ops.DropTableOp, ops.CreateTableOp, ops.ModifyTableOps, ops.DropIndexOp, ops.CreateIndexOp)


def write_revision(config: Config, checkout: Checkout, request: NewRevision) -> str:
    """The path of the new script. Raises UsageError for what Alembic refuses (several heads, no template, …)."""
    _require_usable_id(checkout, request.revision_id)
    directory = script_directory(config, checkout.graph, (), checkout.root, "")
    arguments: dict[str, Any] = {
        "message": request.message,
        "autogenerate": request.autogenerate,
        "sql": False,
        "head": list(request.heads) or "head",
        "splice": request.splice,
        "branch_label": request.branch_label or None,
        "version_path": request.version_path or None,
        "rev_id": request.revision_id or None,
        "depends_on": list(request.depends_on) or None,
    }
    context = autogenerate.RevisionContext(config, directory, arguments, process_revision_directives=_leave_ours)
    written: list[str] = []
    try:
        with _unloaded(checkout.root, written):
            if request.autogenerate or asbool(config.get_alembic_option("revision_environment")):
                _consult_env(config, directory, context, compare=request.autogenerate, folder=checkout.folder)
            list(context.generate_scripts())
        if not written:
            raise UsageError("Alembic wrote no script", hint="see process_revision_directives in env.py")
        for script in map(Path, written):
            read_header(script.read_bytes(), script.name)
            _complete_docstring(script, request)
            read_header(script.read_bytes(), script.name)
    except BaseException as error:
        # What can't be used is not left behind: it would stop every later command.
        for path in written:
            Path(path).unlink(missing_ok=True)
        if not isinstance(error, CommandError):
            raise
        raise UsageError(f"Alembic: {error}", hint="migrate-flow status; or name the parent with --head") from error
    return written[0]


def _require_usable_id(checkout: Checkout, revision: str) -> None:
    if not revision:
        return
    if problem := id_problem(revision):
        raise UsageError(problem, hint="--rev-id 3f2a91c04d7e, or none", where="--rev-id")
    if not revision.replace("_", "").replace(".", "").isalnum() or revision.startswith("."):
        raise UsageError(f"{revision!r} makes no file name", hint="letters, digits, _ and .", where="--rev-id")
    if revision in checkout.revisions:
        where = checkout.revisions[revision].path
        raise UsageError(f"revision {revision} is there already", hint="another --rev-id", where=where)


def _consult_env(config: Config, directory: SealedDirectory, context: Any, *, compare: bool, folder: Path) -> None:
    def retrieve(heads: Any, migration_context: Any) -> list[Any]:
        if not compare:
            context.run_no_autogenerate(heads, migration_context)
            return []
        if set(directory.get_revisions(heads)) != set(directory.get_revisions("heads")):
            raise UsageError(
                "the database is not at the head of the graph: --autogenerate would compare with an old schema",
                hint="migrate-flow apply --env ENV, for the first environment",
            )
        context.run_autogenerate(heads, migration_context)
        return []

    environment = EnvironmentContext(
        config,
        directory,
        fn=retrieve,
        as_sql=False,
        dont_mutate=True,
        template_args=context.template_args,
        revision_context=context,
    )
    with environment, surroundings(folder), env_errors(os.path.relpath(Path(directory.dir, "env.py"), folder)):
        directory.run_env()


def _leave_ours(context: Any, _revision: Any, directives: list[Any]) -> None:
    """Autogenerate never proposes to drop the tool's own tables, nor Alembic's.

    Before env.py's own hook, which may look whether anything is left.
    """
    # NOTE: Alembic passes its version table over by name, and not where `version_table_schema` names the default one.
    default = context.dialect.default_schema_name
    versions = (context.version_table_schema or default, context.version_table)

    def is_ours(op: Any) -> bool:
        if not isinstance(op, _ON_TABLES):
            return False
        place = (op.schema or default, str(op.table_name))
        return place == versions or op.schema == SCHEMA or place[1].startswith(PREFIX)

    for script in directives:
        for container in (*script.upgrade_ops_list, *script.downgrade_ops_list):
            container.ops[:] = [op for op in container.ops if not is_ours(op)]


@contextmanager
def _unloaded(root: Path, written: list[str]) -> Iterator[None]:
    """While it lasts Alembic reads the script that it has just written by its header, not by importing it."""
    original = script_base.Script._from_path

    def from_path(_directory: Any, path: Any) -> SealedScript:
        relative = Path(path).resolve().relative_to(root.resolve()).as_posix()
        written.append(str(path))
        return SealedScript(read_header(Path(path).read_bytes(), relative), None, root)

    script_base.Script._from_path = from_path  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        script_base.Script._from_path = original  # type: ignore[method-assign]


def _complete_docstring(path: Path, request: NewRevision) -> None:
    content = path.read_bytes()
    wanted = sections(request, promised=_promised(path, content, request))
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    text = with_sections(content.decode(encoding), request.message, list(wanted))
    path.write_bytes(text.encode(encoding, "backslashreplace"))


def _promised(path: Path, content: bytes, request: NewRevision) -> bool | None:
    """Whether the script touches a table of the contract, by the rule that asks for the section."""
    if not request.autogenerate:
        return None
    settings = Settings(contract_tables=request.contract_tables)
    return any(check(read_script(path.name, content, read_header(content, path.name), settings)))


def make_project(folder: Path) -> None:
    """As ``alembic init migrations`` in this folder. Raises UsageError."""
    config = Config(str(folder / "alembic.ini"))
    try:
        command.init(config, str(folder / "migrations"))
    except CommandError as error:
        raise UsageError(f"Alembic: {error}", hint="alembic init DIRECTORY", where=str(folder.name)) from error
