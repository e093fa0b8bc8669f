"""Three people, or two, and never one: whoever contributed neither reviews nor approves, however they come along."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Terminal
from tests.support.alembic_projects import edit, make_project, table, write_script
from tests.support.repository import Repository
from tests.support.shell import Shell

ADA, BOB, CY, DAN = (f"{name}@example.com" for name in ("ada", "bob", "cy", "dan"))
PEOPLE = (
    f"{CY}=backend-lead,policy-admin",
    f"{ADA}=developer,backend-lead",
    f"{BOB}=developer,backend-lead",
    f"{DAN}=developer,backend-lead,product-owner",
)
REV = "aaaa01"
PATH = f"migrations/versions/{REV}_script.py"
REVIEWS, APPROVES = "nobody reviews their own work", "nobody approves their own work"
THREE = "author, reviewer and approver are three people"
DROPS = 'op.drop_table("orders")'


@pytest.fixture(scope="module")
def prepared(terminal: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A project in git, whose staging asks for approval."""
    shell = terminal(tmp_path_factory.mktemp("prepared"))
    make_project(shell)
    people = tuple(word for person in PEOPLE for word in ("--person", person))
    words = ("dev=sqlite:///dev.db", "staging=sqlite:///staging.db")
    shell.flow("init", "--key-store", "project", *(w for text in words for w in ("--env", text)), *people)
    Repository(shell.folder).commit(CY, "the project")
    return shell


@pytest.fixture
def shell(prepared: Shell, tmp_path: Path) -> Shell:
    shutil.copytree(prepared.folder, tmp_path / "shop")
    return prepared.at(tmp_path / "shop")


def write(shell: Shell, by: str = ADA, message: str = "a migration", upgrade: str = "") -> Repository:
    """The migration, committed."""
    write_script(shell.folder / "migrations" / "versions", REV, upgrade=upgrade)
    repository = Repository(shell.folder)
    repository.commit(by, message)
    return repository


def policy(shell: Shell, *edits: tuple[str, str]) -> None:
    """(pattern, replacement): recorded by the admin."""
    for pattern, new in edits:
        edit(shell.folder / "migrate-flow.toml", pattern, new)
    shell.flow("policy", "record", actor=CY)


def aliased(person: str, *aliases: str) -> tuple[str, str]:
    return rf'\[people\."{person}"\]\n', f'[people."{person}"]\naliases = {list(aliases)}\n'.replace("'", '"')


def two_person(shell: Shell) -> None:
    policy(shell, (r'separation = "strict"', 'separation = "two-person"'))


def standing(shell: Shell) -> dict[str, Any]:
    return dict(shell.json("status", REV)["migrations"][0])


def refused(shell: Shell, *words: str, actor: str) -> str:
    """The reason; nothing was recorded."""
    before = len(shell.json("log")["entries"])
    error = shell.error(*words, actor=actor, code=1)
    assert len(shell.json("log")["entries"]) == before
    assert error["code"] == "refused"
    return error["message"]


def both(shell: Shell, person: str, why: str) -> None:
    """Neither a review nor an approval by this person."""
    assert refused(shell, "review", REV, "--approve", actor=person) == f"{why}: {REVIEWS}"
    peer = next(name for name in (DAN, ADA, BOB) if name not in (person, *standing(shell)["contributors"]))
    shell.flow("review", REV, "--approve", actor=peer)
    assert refused(shell, "approve", REV, actor=person) == f"{why}: {APPROVES}"


def ready(shell: Shell) -> bool:
    """Whether nothing but the order of environments keeps it from staging."""
    planned = shell.json("plan", "--env", "staging", actor=ADA, code=1)
    failed = {verdict["gate"] for step in planned["steps"] for verdict in step["gates"] if not verdict["passed"]}
    return failed <= {"upstream-applied"}


@pytest.mark.fault("A16")
@pytest.mark.parametrize("separation", ["strict", "two-person"])
def test_nobody_approves_their_own_work_under_an_alias(shell: Shell, separation: str) -> None:
    policy(shell, aliased(BOB, "Bob@Users.example.net"), (r'separation = "\S+"', f'separation = "{separation}"'))
    write(shell, "bob@users.EXAMPLE.net")
    shell.flow("track", actor=ADA)
    shell.flow("self-review", REV, actor=ADA)
    both(shell, BOB, f"{BOB} is the git author of {PATH} (as bob@users.example.net)")


@pytest.mark.fault("A16")
@pytest.mark.parametrize("separation", ["strict", "two-person"])
@pytest.mark.parametrize("trailer", ["Co-authored-by", "CO-AUTHORED-BY"])
def test_nobody_approves_their_own_work_as_git_s_co_author(shell: Shell, separation: str, trailer: str) -> None:
    if separation == "two-person":
        two_person(shell)
    write(shell, message=f"a migration\n\n{trailer}: Bob <{BOB}>")
    shell.flow("track", actor=ADA)
    shell.flow("self-review", REV, actor=ADA)
    both(shell, BOB, f"{BOB} is the git co-author of {PATH}")


def test_nobody_approves_their_own_work_after_renaming_it(shell: Shell) -> None:
    repository = write(shell, BOB)
    repository.git("mv", PATH, PATH.replace("script", "renamed"))
    repository.commit(ADA)
    shell.flow("track", actor=ADA)
    shell.flow("self-review", REV, actor=ADA)
    both(shell, BOB, f"{BOB} is the git author of {PATH.replace('script', 'renamed')}")


def test_nobody_gets_off_by_tracking_it_as_somebody_else_s(shell: Shell) -> None:
    """A commit can bear any name; the self-reviewer is a contributor in any case."""
    write(shell, BOB)
    shell.flow("track", actor=ADA)
    assert standing(shell)["contributors"] == [BOB]
    shell.flow("self-review", REV, actor=ADA)
    both(shell, ADA, f"{ADA} contributed to {REV}")


def test_taking_a_self_review_back_makes_no_peer_of_its_signer(shell: Shell) -> None:
    write(shell)
    shell.flow("track", actor=ADA)
    seq = shell.json("self-review", REV, actor=BOB)["seq"]
    shell.flow("revoke", str(seq), "-m", "it is Ada's", actor=BOB)
    shell.flow("self-review", REV, actor=ADA)
    both(shell, BOB, f"{BOB} contributed to {REV}")


def test_a_leaver_s_work_is_taken_over_by_a_self_review(shell: Shell) -> None:
    write(shell, BOB)
    shell.flow("track", actor=BOB)
    policy(shell, (rf'(?ms)^\[people\."{BOB}"\]\n.*?(?=^\[)', ""))
    shell.flow("self-review", REV, actor=BOB, code=2)
    shell.flow("self-review", REV, actor=ADA)
    assert ADA in standing(shell)["contributors"]
    assert f"{BOB}" in " ".join(shell.json("show", REV)["notices"])  # an address that nobody claims now
    assert refused(shell, "review", REV, "--approve", actor=ADA) == f"{ADA} contributed to {REV}: {REVIEWS}"
    shell.flow("review", REV, "--approve", actor=DAN)
    shell.flow("approve", REV, actor=CY)
    assert standing(shell)["state"] == "approved"


def test_whoever_only_tracked_a_leaver_s_work_may_review_it(shell: Shell) -> None:
    write(shell, BOB)
    shell.flow("track", actor=DAN)
    shell.flow("self-review", REV, actor=ADA)
    shell.flow("review", REV, "--approve", actor=DAN)
    assert standing(shell)["state"] == "peer-reviewed"


def test_strict_separation_needs_three_people(shell: Shell) -> None:
    write(shell)
    shell.flow("track", actor=ADA)
    shell.flow("self-review", REV, actor=ADA)
    shell.flow("review", REV, "--approve", actor=BOB)
    assert refused(shell, "approve", REV, actor=BOB) == f"{BOB} reviewed {REV}: {THREE}"
    assert not ready(shell)
    shell.flow("approve", REV, actor=DAN)
    assert refused(shell, "review", REV, "--approve", actor=DAN) == f"{DAN} approved {REV}: {THREE}"
    assert ready(shell)


def test_two_people_need_two_entries_and_never_one_person(shell: Shell) -> None:
    two_person(shell)
    write(shell)
    shell.flow("track", actor=ADA)
    shell.flow("self-review", REV, actor=ADA)
    shell.flow("review", REV, "--approve", actor=BOB)
    assert (standing(shell)["state"], ready(shell)) == ("peer-reviewed", False)
    shell.flow("approve", REV, actor=BOB)
    assert (standing(shell)["state"], ready(shell)) == ("approved", True)
    assert refused(shell, "approve", REV, actor=ADA) == f"{ADA} is the git author of {PATH}: {APPROVES}"


RISKY = {
    "destructive": DROPS,
    "lossy": 'op.drop_column("orders", "total")',
    "waiver": table("t_a") + "  # migrate-flow: ignore[some-rule] a reason",
    "irreversible": table("t_a"),
    "raw-sql-unknown": 'op.execute("SELECT " + str(1))',
    "table:ord*": 'op.add_column("orders", sa.Column("note", sa.Text))',
}


@pytest.mark.parametrize("risk", RISKY)
def test_a_risk_asks_for_one_more_person(shell: Shell, risk: str) -> None:
    escalation = f'when = ["{risk}"]\napprovals = {{ backend-lead = 1, product-owner = 1 }}\n'
    policy(shell, (r"(?m)^\[people\.", f"[[policy.escalations]]\n{escalation}\n[people."))
    write(shell, upgrade=RISKY[risk])
    if risk == "irreversible":
        edit(shell.folder / PATH, r"    op\.drop_table\(.*\n", "    pass\n")
    shell.flow("track", actor=ADA)
    assert risk in shell.json("self-review", REV, actor=ADA)["risks"]
    shell.flow("review", REV, "--approve", actor=BOB)
    first = shell.json("approve", REV, actor=CY)
    assert (first["state"], first["missing"], ready(shell)) == ("peer-reviewed", {"product-owner": 1}, False)
    assert "already" in refused(shell, "approve", REV, "--role", "backend-lead", actor=CY)
    assert shell.json("approve", REV, actor=DAN)["state"] == "approved"
    assert ready(shell)


def test_what_bears_no_risk_asks_for_no_more(shell: Shell) -> None:
    every = ", ".join(f'"{risk}"' for risk in RISKY)
    escalation = f"when = [{every}]\napprovals = {{ product-owner = 1 }}\n"
    policy(shell, (r"(?m)^\[people\.", f"[[policy.escalations]]\n{escalation}\n[people."))
    write(shell)
    shell.flow("track", actor=ADA)
    assert shell.json("self-review", REV, actor=ADA)["risks"] == []
    shell.flow("review", REV, "--approve", actor=BOB)
    assert shell.json("approve", REV, actor=CY)["state"] == "approved"


def test_after_a_request_for_changes_new_bytes_begin_again(shell: Shell) -> None:
    repository = write(shell)
    shell.flow("track", actor=ADA)
    shell.flow("self-review", REV, actor=ADA)
    shell.flow("review", REV, "--request-changes", "-m", "the index is missing", actor=BOB)
    assert standing(shell)["state"] == "changes-requested"
    assert "bob@example.com asked for changes" in refused(shell, "approve", REV, actor=CY)
    shell.flow("review", REV, "--approve", actor=DAN)
    assert "bob@example.com asked for changes" in refused(shell, "approve", REV, actor=CY)
    edit(shell.folder / PATH, r"def upgrade\(\) -> None:\n", "def upgrade() -> None:\n    # with an index\n")
    repository.commit(ADA)
    assert "this checkout holds other bytes" in refused(shell, "review", REV, "--approve", actor=BOB)
    shell.flow("self-review", REV, actor=ADA)
    assert (standing(shell)["state"], standing(shell)["reviews"]) == ("self-reviewed", [])
    shell.flow("review", REV, "--approve", actor=BOB)
    shell.flow("approve", REV, actor=CY)
    assert ready(shell)


def test_whoever_mends_what_they_asked_for_is_no_reviewer_any_more(shell: Shell) -> None:
    repository = write(shell)
    shell.flow("track", actor=ADA)
    shell.flow("self-review", REV, actor=ADA)
    shell.flow("review", REV, "--request-changes", "-m", "I mend it myself", actor=BOB)
    edit(shell.folder / PATH, r"def upgrade\(\) -> None:\n", "def upgrade() -> None:\n    # with an index\n")
    repository.commit(BOB)
    shell.flow("self-review", REV, actor=ADA)
    both(shell, BOB, f"{BOB} is the git author of {PATH}")


def test_what_is_taken_back_by_its_position_does_not_count_from_there_on(shell: Shell) -> None:
    write(shell)
    shell.flow("track", actor=ADA)
    shell.flow("self-review", REV, actor=ADA)
    review = shell.json("review", REV, "--approve", actor=BOB)["seq"]
    approval = shell.json("approve", REV, actor=CY)["seq"]
    assert f"entry {approval} was signed by {CY}" in refused(shell, "revoke", str(approval), "-m", "x", actor=DAN)
    shell.flow("revoke", str(review), "-m", "seen too late", actor=BOB)
    after = standing(shell)
    assert (after["state"], after["reviews"], len(after["approvals"])) == ("self-reviewed", [], 1)
    assert not ready(shell)
    shell.flow("review", REV, "--approve", actor=BOB)
    assert ready(shell)
    shell.flow("revoke", str(approval), "-m", "me too", actor=CY)
    assert (standing(shell)["state"], ready(shell)) == ("peer-reviewed", False)
    shell.flow("approve", REV, actor=CY)
    assert ready(shell)
    assert shell.json("ledger", "verify")["ok"] is True


@pytest.mark.system
def test_an_approval_expires(shell: Shell) -> None:
    policy(shell, (r"(?m)^#? ?approval_expires.*$", 'approval_expires = "30d"'))
    write(shell)
    shell.flow("track", actor=ADA)
    shell.flow("self-review", REV, actor=ADA)
    shell.flow("review", REV, "--approve", actor=BOB)
    shell.flow("approve", REV, actor=CY)
    assert ready(later(shell, "+29d"))
    late = later(shell, "+31d")
    assert (standing(late)["state"], ready(late)) == ("peer-reviewed", False)
    assert "expired: older than 30d" in late.flow("plan", "--env", "staging", actor=ADA, code=1).out
    late.flow("approve", REV, actor=CY)
    assert ready(late)


def later(shell: Shell, offset: str) -> Shell:
    """The same terminal at another time, by libfaketime; each command in an interpreter of its own."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    assert found, "libfaketime is missing: apt-get install faketime"
    fresh = Shell(shell.folder, shell.home, shell.pycache, None, shell.environ)
    return fresh.under(LD_PRELOAD=str(found[0]), FAKETIME=offset, FAKETIME_DONT_FAKE_MONOTONIC="1")
