"""What is wrong with configuration, ledger, keys and environments, each with the command that mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from migrate_flow.core.checkup import Check
from migrate_flow.core.policy import POLICY_ADMIN
from migrate_flow.errors import MigrateFlowError, UsageError
from migrate_flow.services.entry_times import ahead
from migrate_flow.services.environments import tested
from migrate_flow.services.examine import clock, copies, posts, target
from migrate_flow.services.open_attempts import open_attempts
from migrate_flow.services.policy import another_admin, waiting
from migrate_flow.services.review import ask
from migrate_flow.services.workspace import Workspace

Hints = Callable[[Workspace], Mapping[str, str]]
Machine = Callable[[Workspace], Iterable[Check]]


def doctor(
    open_workspace: Callable[[], Workspace], hints: Hints, machine: Machine, files: Callable[[], Iterable[Check]]
) -> list[Check]:
    """Never raises for what is wrong with the project: it is in the list. hints: by environment, for no answer.
    machine: what is said of this computer and the project's env.py. files: of the project's and the keys' files, which
    may be why nothing else can be looked at."""
    try:
        workspace = open_workspace()
        _ = workspace.history
    except MigrateFlowError as error:
        return [Check(error.code, "problem", _where(error), error.hint), *_alone(files)]
    found = [Check("config", "ok", f"{workspace.config.path.name} of project {workspace.config.project.name}")]
    for part in (_policy, posts, _ledger, clock, copies, _keys, _scripts, _attempts):
        found += _said(part, workspace)
    found += _said(machine, workspace)
    found += _alone(files)
    names = list(workspace.config.environments)
    for test in tested(workspace.config, names, workspace.target, hints(workspace)):
        state = "ok" if test.ok else "problem"
        found.append(Check(f"environment {test.name}", state, test.problem or test.observation.server, test.hint))
        if test.ok:
            found += target(workspace, test.name)
    return found


def mend(checks: Iterable[Check], say: Callable[[str], None]) -> list[str]:
    """Does what can safely be done about them, saying first what that is; what was done, in words. Raises UsageError
    where the system lets us not."""
    done = []
    for check in checks:
        if check.mend is not None:
            say(check.will)
            try:
                check.mend()
            except OSError as error:
                hint = check.hint or "see who owns the file"
                raise UsageError(f"that failed: {error.strerror}", hint=hint, where=str(error.filename)) from error
            done.append(check.will)
    return done


def _alone(files: Callable[[], Iterable[Check]]) -> list[Check]:
    try:
        return list(files())
    except MigrateFlowError:
        return []  # the configuration itself is wrong, which was said


def _said(part: Callable[[Workspace], Iterable[Check]], workspace: Workspace) -> list[Check]:
    """What one part finds; an error in it is found too, and ends only that part."""
    try:
        return list(part(workspace))
    except MigrateFlowError as error:
        return [Check(error.code, "problem", _where(error), error.hint)]


def _where(error: MigrateFlowError) -> str:
    return f"{error.message} ({error.where})" if error.where else error.message


def _policy(workspace: Workspace) -> Iterator[Check]:
    version = workspace.history.policies[-1]
    file = workspace.policy_file()
    if file.in_force:
        yield Check("policy", "ok", f"policy {version.number}, recorded by {version.by}, is in force and in the file")
    elif file.recorded:
        yield Check(
            "policy", "warning", f"the file holds policy {file.recorded}, {version.number} is in force", "git pull"
        )
    else:
        known = "waits for more signatures" if file.waits else "was never recorded"
        yield Check("policy", "problem", f"the file's policy {known}", file.way_out)
    for item in waiting(workspace.history):
        what = f"the policy of entry {item.seq}, signed by {', '.join(item.by)}, waits for {item.missing} more"
        yield Check("policy", "warning", what, ask(item.who, f"policy endorse {item.seq}"))
    yield from _admins(workspace)


def _admins(workspace: Workspace) -> Iterator[Check]:
    """Whether the policy can still be changed, also when one more key is lost."""
    able, needed = workspace.policy.governors(workspace.history.revoked), workspace.policy.admins
    if len(able) < needed:
        what = f"nobody can change the policy any more: {needed} × {POLICY_ADMIN} with a key are asked for"
        yield Check("policy", "problem", what, "migrate-flow init --succeeds OLD_URL --ledger NEW_URL -m WHY")
    elif len(able) == needed:
        what = f"only {' and '.join(able)} can change the policy: a lost key would lock you out"
        yield Check("policy", "warning", what, another_admin(workspace))


def _ledger(workspace: Workspace) -> Iterator[Check]:
    history = workspace.history
    where = workspace.book.ledger.describe()
    yield Check("ledger", "ok", f"{history.head.seq} entries in {where}, the chain holds")
    if not workspace.config.ledger.id or not workspace.config.ledger.genesis:
        hint = f'[ledger] id = "{history.ledger}", genesis = "sha256:{history.genesis}"'
        yield Check("ledger", "warning", "the configuration names no trust anchor", hint)
    own = ".migrate-flow"
    committed = own if where.startswith(f"{own}/") else where
    if "://" not in where and workspace.authors.holds(committed):
        what = f"{committed} is in version control: each checkout would have a ledger of its own"
        hint = f"git rm -r --cached {committed}; a team's ledger is on PostgreSQL: migrate-flow ledger copy env:NAME"
        yield Check("ledger", "problem", what, hint)
    for text in ahead(workspace.book.ledger, history.last_at, workspace.book.clock()):
        hint = "compare the clocks (timedatectl): approvals and waivers run out by the latest time that an entry says"
        yield Check("ledger", "warning", text, hint)
    for said in history.flawed:
        yield Check("ledger", "warning", f"entry {said.seq} does not count: {said.flaw}", "migrate-flow ledger verify")


def _keys(workspace: Workspace) -> Iterator[Check]:
    if not workspace.actor:
        try:
            workspace.signer()
        except MigrateFlowError as error:
            yield Check("keys", "warning", _where(error), error.hint)
        return
    try:
        signer = workspace.signer()
    except MigrateFlowError as error:
        yield Check("keys", "problem", _where(error), error.hint)
        return
    person = workspace.policy.people.get(signer.person)
    if signer.public_key not in workspace.policy.keys_of(signer.person):
        hint = f"migrate-flow people add {signer.person} --role ROLE --key '{signer.public_key}'"
        yield Check("keys", "problem", f"the key of {signer.person} is not in the policy", hint)
    else:
        roles = ", ".join(sorted(person.roles)) if person else "policies and revocations alone"
        yield Check("keys", "ok", f"you sign as {signer.person} ({roles})")


def _scripts(workspace: Workspace) -> Iterator[Check]:
    problems = workspace.scripts.problems
    for problem in problems:
        where = f"{problem.path}:{problem.line}" if problem.line else problem.path
        yield Check("scripts", "problem", f"{where}: {problem.problem}", problem.hint)
    if not problems:
        count = len(workspace.scripts.revisions)
        yield Check("scripts", "ok", f"{count} revision{'' if count == 1 else 's'}, read without running them")


def _attempts(workspace: Workspace) -> Iterator[Check]:
    for item in open_attempts(workspace):
        yield Check("attempts", "problem", str(item), item.command)
