"""Attacks on the gates with files, names and SQL: what is refused, and what runs instead. Entries made by hand:
test_forged_entries.py."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance import databases
from tests.faults.siege import ADA, BOB, CAUGHT, CY, DAN, EVE, HELPER, REV, RIGHT, Siege
from tests.support.alembic_projects import edit, write_script
from tests.support.repository import Repository
from tests.support.shell import Shell

# -- byte code

EVIL = HELPER.replace("approved", "attacked")
WRONG = {"t_aaaa01": ["{'id': 1, 'text': 'attacked'}"]}
MODES = {
    "as old and long as the source": py_compile.PycInvalidationMode.TIMESTAMP,
    "never to be checked": py_compile.PycInvalidationMode.UNCHECKED_HASH,
}


def _plant(siege: Siege, source: Path, evil: str, mode: py_compile.PycInvalidationMode) -> None:
    """Byte code of something else, beside the source and wherever this terminal keeps it."""
    other, told = siege.folder.parent / "other.py", source.stat()
    other.write_text(evil.ljust(told.st_size))
    assert other.stat().st_size == told.st_size
    os.utime(other, ns=(told.st_atime_ns, told.st_mtime_ns))
    with pytest.MonkeyPatch.context() as patch:
        for prefix in (None, str(siege.shell.pycache)):
            patch.setattr(sys, "pycache_prefix", prefix)
            cached = importlib.util.cache_from_source(str(source))
            py_compile.compile(str(other), cached, str(source), doraise=True, invalidation_mode=mode)


def _by_alembic(siege: Siege) -> dict[str, list[str]]:
    """What plain Alembic makes of the same files, in a database of its own."""
    file = siege.folder / "plain.db"
    edit(siege.folder / "alembic.ini", r"(?m)^sqlalchemy.url = .*$", f"sqlalchemy.url = sqlite:///{file}")
    siege.shell.alembic("upgrade", "head")
    return databases.contents(f"sqlite:///{file}")


@pytest.mark.fault("A01")
@pytest.mark.parametrize("what", ["script", "helper"])
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_planted_byte_code_does_not_run(released: Siege, what: str, mode: py_compile.PycInvalidationMode) -> None:
    source = released.helper if what == "helper" else released.script
    evil = source.read_text().replace("approved", "attacked").replace("{words.WORD}", "attacked")
    _plant(released, source, evil, mode)
    assert _by_alembic(released) == WRONG, "the attack is none: Python itself does not fall for it"
    released.shell.flow("apply", "--env", "staging", actor=DAN)
    assert released.contents("staging") == RIGHT


@pytest.mark.fault("A01")
def test_a_module_that_is_nothing_but_byte_code_is_refused(released: Siege) -> None:
    (released.folder / "evil.py").write_text(EVIL)
    py_compile.compile(str(released.folder / "evil.py"), str(released.folder / "words.pyc"), doraise=True)
    released.helper.unlink()
    _can_not_be_read(released, "compiled module")


# -- files


def _can_not_be_read(siege: Siege, message: str) -> None:
    """Exit 2 for whoever would look at it or apply it, in every environment."""
    before = siege.kinds()
    with siege.untouched("staging"):
        for command in ("plan", "apply"):
            error = siege.shell.error(command, "--env", "staging", actor=DAN, code=2)
            assert message in error["message"], error
    assert siege.kinds() == before


@pytest.mark.fault("A02")
@pytest.mark.parametrize("what", ["script", "helper"])
def test_an_edit_that_keeps_size_and_time(released: Siege, what: str) -> None:
    path: Path = getattr(released, what)
    told, text = path.stat(), path.read_text()
    path.write_text(text.replace("VALUES (1", "VALUES (2").replace("approved", "attacked"))
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert path.read_text() != text
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (told.st_size, told.st_mtime_ns)
    named = "words.py" if what == "helper" else f"{REV}_script.py"
    reasons = {"self-reviewed": f"changed since the approval by {CY} .*{named}", "upstream-applied": "other bytes"}
    released.held("staging", {**dict.fromkeys(CAUGHT, ""), **reasons})


@pytest.mark.fault("A03")
@pytest.mark.parametrize("what", ["script", "helper"])
def test_a_link_to_outside_the_project(released: Siege, what: str) -> None:
    """Also while the bytes there are the approved ones: nobody here sees when they change."""
    path: Path = getattr(released, what)
    outside = released.folder.parent / "outside.py"
    path.rename(outside)
    path.symlink_to(outside)
    _can_not_be_read(released, "is a link to a file outside the project")


@pytest.mark.fault("A04")
@pytest.mark.parametrize("name", ["0000_first.py", "zzzz_last.py"])
def test_the_id_of_an_approved_revision_a_second_time(released: Siege, name: str) -> None:
    """Whichever of the two files Alembic would happen to take."""
    released.script.with_name(name).write_text(released.script.read_text().replace("words.WORD", "'attacked'"))
    _can_not_be_read(released, f"revision {REV} is declared here and in")


COMPUTED = {
    "an expression": ('revision = "aaaa01"', 'revision = "aaaa" + "01"'),
    "assigned again": ('revision = "aaaa01"', 'revision = "bbbb01"\nrevision = "aaaa" + "01"'),
    "by its parent": ("down_revision = None", "down_revision = None or None"),
}


@pytest.mark.fault("A05")
@pytest.mark.parametrize(("literal", "computed"), COMPUTED.values(), ids=COMPUTED)
def test_an_id_that_is_computed(released: Siege, literal: str, computed: str) -> None:
    """It could be another one each time that it is asked for."""
    text = released.script.read_text()
    assert literal in text
    released.script.write_text(text.replace(literal, computed))
    _can_not_be_read(released, "is an expression, not ")


@pytest.mark.fault("A05")
def test_an_id_that_changes_while_the_script_is_loaded(siege: Siege) -> None:
    """The text says one thing, the module another: it does not even come to the first database."""
    path = write_script(siege.script.parent, "aaaa02", REV)
    path.write_text(path.read_text() + '\nglobals()["revi" + "sion"] = "bbbb02"\n')
    siege.shell.flow("track", actor=ADA)
    before = siege.contents("dev")
    report = siege.shell.json("apply", "--env", "dev", actor=ADA, code=3)
    assert "changes it while it is loaded" in report["steps"][0]["error"]
    assert siege.contents("dev") == before


READING = (
    ("status",), ("show", "aaaa02"), ("show", REV), ("log",), ("inbox",), ("doctor",), ("keys", "list"),
    ("policy", "show"), ("policy", "diff"), ("env", "list"), ("env", "test"), ("ledger", "info"), ("ledger", "verify"),
    ("plan", "--env", "dev"), ("plan", "--env", "staging"), ("plan", "--env", "production"),
    ("apply", "--env", "dev", "--dry-run"),
)  # fmt: skip


@pytest.mark.fault("A06")
def test_code_at_import_time_does_not_run_in_a_command_that_reads(siege: Siege) -> None:
    ran = siege.folder.parent / "ran"
    note = f"\nopen({str(ran)!r}, 'a').close()\n"
    write_script(siege.script.parent, "aaaa02", REV, imports=f"import extra{note}")
    (siege.folder / "extra.py").write_text(note)
    (siege.folder / "conftest.py").write_text(note)
    env_py = siege.folder / "migrations" / "env.py"
    env_py.write_text(note + env_py.read_text())
    for words in (*READING, ("track", "aaaa02"), *READING):
        done = siege.shell.flow(*words, actor=ADA, code=None)
        assert done.code in (0, 1), done
        assert not ran.exists(), words
    siege.shell.flow("apply", "--env", "dev", actor=ADA)
    assert ran.exists(), "nothing shows that the code would have run"


# -- people


def _bobs_key_in_the_environment(siege: Siege) -> Shell:
    key = (siege.folder / ".migrate-flow" / "keys" / BOB).read_text()
    return siege.shell.under(MIGRATE_FLOW_SIGNING_KEY=key)


def _bobs_key_in_the_file_of_cy(siege: Siege) -> Shell:
    keys = siege.folder / ".migrate-flow" / "keys"
    for suffix in ("", ".pub"):
        shutil.copy(keys / f"{BOB}{suffix}", keys / f"{CY}{suffix}")
    return siege.shell


def _git_says_cy(siege: Siege) -> Shell:
    """Who has Bob's key, and calls himself Cy wherever a name is asked for."""
    keys = siege.folder / ".migrate-flow" / "keys"
    for suffix in ("", ".pub"):
        (keys / f"{CY}{suffix}").unlink()
    (siege.shell.home / "gitconfig").write_text(f"[user]\n\tname = Cy\n\temail = {CY}\n")
    return siege.shell.under(USER="cy", LOGNAME="cy", EMAIL=CY)


NAMES = {
    "the environment": (_bobs_key_in_the_environment, f"the key in the environment is {BOB}'s, not {CY}'s"),
    "a file": (_bobs_key_in_the_file_of_cy, f"the key found for {CY} is not one that the policy knows"),
    "git": (_git_says_cy, f"no key of {CY} "),
}


@pytest.mark.fault("A07")
@pytest.mark.parametrize(("put", "message"), NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("how", ["--as", "MIGRATE_FLOW_ACTOR"])
def test_another_person_s_name_with_one_s_own_key(
    siege: Siege, put: Callable[[Siege], Shell], message: str, how: str
) -> None:
    shell, before = put(siege), siege.kinds()
    actor = CY if how == "--as" else ""
    error = (shell if actor else shell.under(MIGRATE_FLOW_ACTOR=CY)).error("approve", REV, actor=actor, code=2)
    assert message in error["message"], error
    assert siege.kinds() == before
    siege.held("staging", {"approved": "approval missing: 1 × backend-lead$"})


@pytest.mark.fault("A09")
def test_one_key_for_two_people_in_the_file(siege: Siege) -> None:
    """Bob's key under Cy's name too: he would review as one, and approve as the other."""
    edit(
        siege.config,
        rf'(?m)(?<=^\[people\."{CY}"\]\nroles = \["backend-lead"\]\nkeys = \[)',
        f'"{siege.forger.public(BOB)}", ',
    )
    before = siege.kinds()
    with siege.untouched("staging"):
        for actor, words in (
            (BOB, ("approve", REV)),
            (EVE, ("policy", "record")),
            (DAN, ("plan", "--env", "staging")),
            (DAN, ("apply", "--env", "staging")),
        ):
            error = siege.shell.error(*words, actor=actor, code=2)
            assert "a key is one person" in error["message"], error
    assert siege.kinds() == before


def _two(siege: Siege) -> None:
    """A second migration on its way, to be approved by Cy."""
    siege.shell.flow("track", actor=ADA)
    siege.shell.flow("apply", "--env", "dev", actor=ADA)
    siege.shell.flow("self-review", "aaaa02", actor=ADA)
    siege.shell.flow("review", "aaaa02", "--approve", actor=BOB)


@pytest.mark.fault("A16")
@pytest.mark.parametrize("how", ["alias", "co-author"])
def test_nobody_approves_what_git_says_is_theirs(released: Siege, how: str) -> None:
    """Not by the command, and not by an entry made by hand."""
    released.policy(rf'(?m)^\[people\."{CY}"\]\n', f'[people."{CY}"]\naliases = ["cy@users.example.net"]\n')
    repository = Repository(released.folder)
    repository.commit(EVE, "the project")
    write_script(released.script.parent, "aaaa02", REV)
    trailer = f"a migration\n\nCo-authored-by: Cy <{CY}>" if how == "co-author" else "a migration"
    repository.commit("Cy@Users.example.NET" if how == "alias" else ADA, trailer)
    _two(released)
    before = released.kinds()
    message = released.shell.error("approve", "aaaa02", actor=CY, code=1)["message"]
    assert "nobody approves their own work" in message
    assert released.kinds() == before
    released.forger.attests(CY, "migration.approved", "aaaa02", role="backend-lead")
    released.held("staging", {"approved": f"{CY} contributed to this migration"})


def _hers(siege: Siege) -> Repository:
    """A second migration on its way: tracked, vouched for and reviewed before anything was committed."""
    repository = Repository(siege.folder)
    repository.commit(EVE, "the project")
    write_script(siege.script.parent, "aaaa02", REV)
    return repository


@pytest.mark.fault("A16")
@pytest.mark.parametrize("how", ["author", "co-author"])
def test_who_is_an_author_by_git_only_approves_nothing_by_hand(released: Siege, how: str) -> None:
    """No entry names Cy: the gate asks git, as `approve` does."""
    repository = _hers(released)
    _two(released)
    repository.commit(CY if how == "author" else ADA, f"it was mine\n\nCo-authored-by: <{CY}>")
    message = released.shell.error("approve", "aaaa02", actor=CY, code=1)["message"]
    assert "nobody approves their own work" in message
    released.forger.attests(CY, "migration.approved", "aaaa02", role="backend-lead")
    path = "migrations/versions/aaaa02_script.py"
    released.held("staging", {"approved": f"1 × backend-lead \\({CY} is the git {how} of {path}\\)"})
    released.held("production", {"approved": CY, "upstream-applied": "not applied"})


@pytest.mark.fault("A16")
def test_who_is_an_author_by_git_only_reviews_nothing_by_hand(released: Siege) -> None:
    """And git is asked about all that is planned at once: the first migration is Ada's, and stays ready."""
    repository = _hers(released)
    for words in (("track",), ("apply", "--env", "dev"), ("self-review", "aaaa02")):
        released.shell.flow(*words, actor=ADA)
    repository.commit(BOB, "it was mine")
    released.forger.attests(BOB, "migration.reviewed", "aaaa02", verdict="approve")
    why = {"peer-reviewed": "1 peer review missing", "approved": "1 × backend-lead"}
    released.held("staging", why)
    ready = released.shell.json("plan", "--env", "staging", "--to", REV, actor=DAN)
    assert ready["allowed"]
    assert ready["notices"] == []


@pytest.mark.fault("A16")
def test_an_address_that_only_git_names_is_nobody_s(released: Siege) -> None:
    """The self-review was made by hand, and keeps silent about who wrote it."""
    released.policy(r"(?m)^separation = .*$", 'separation = "strict"\nunknown_authors = "refuse"')
    repository = _hers(released)
    released.shell.flow("track", actor=ADA)
    released.shell.flow("apply", "--env", "dev", actor=ADA)
    repository.commit("stranger@example.org", "from far away")
    released.shell.flow("check", "aaaa02", "--record", actor=DAN)
    released.forger.attests(ADA, "migration.self-reviewed", "aaaa02", sql={})
    released.forger.attests(BOB, "migration.reviewed", "aaaa02", verdict="approve")
    released.forger.attests(CY, "migration.approved", "aaaa02", role="backend-lead")
    released.held("staging", {"peer-reviewed": "nobody in the policy claims: stranger@example.org"})


@pytest.mark.fault("A16")
@pytest.mark.parametrize("how", ["none", "shallow"])
def test_where_git_does_not_tell_the_plan_says_so(released: Siege, tmp_path: Path, how: str) -> None:
    """A release runner's checkout: the entries alone tell whose work it is."""
    notice = "this is no git repository: only recorded contributors count"
    if how == "shallow":
        repository = Repository(released.folder)
        repository.commit(ADA, "the project")
        repository.git("commit", "--quiet", "--allow-empty", "-m", "more")
        clone = tmp_path / "clone"
        repository.git("clone", "--quiet", "--depth", "1", f"file://{released.folder}", str(clone))
        shutil.move(clone / ".git", tmp_path / "shallow.git")
        shutil.rmtree(released.folder / ".git")
        shutil.move(tmp_path / "shallow.git", released.folder / ".git")
        notice = "this is a shallow clone, which names the last committer for every file: only recorded contributors"
    plan = released.shell.json("plan", "--env", "staging", actor=DAN)
    assert plan["allowed"]
    assert any(said.startswith(notice) for said in plan["notices"]), plan["notices"]
    assert released.shell.json("plan", "--env", "dev", actor=DAN)["notices"] == []


# -- the policy in the file


WEAKER = {
    "another role": (r"approvals = \{ backend-lead = 1 \}", "approvals = { developer = 1 }"),
    "one's own role": (rf'(?<=\[people\."{BOB}"\]\n)roles = .*\n', 'roles = ["developer", "backend-lead"]\n'),
    "who applies": (r'(?m)^apply_roles = \["release-manager"\]', 'apply_roles = ["developer", "release-manager"]'),
    "two people": ('separation = "strict"', 'separation = "two-person"'),
}


@pytest.mark.fault("A15")
@pytest.mark.parametrize(("pattern", "new"), WEAKER.values(), ids=WEAKER)
def test_a_policy_weakened_in_the_file_only(siege: Siege, pattern: str, new: str) -> None:
    edit(siege.config, pattern, new)
    before = siege.kinds()
    refused = {
        "approve": (("approve", REV), "the policy in the file differs from the policy in force"),
        "record": (("policy", "record"), f"{BOB} may not change the policy: the role policy-admin is needed"),
    }
    for words, why in refused.values():
        assert why in siege.shell.error(*words, actor=BOB, code=1)["message"]
    assert siege.kinds() == before
    reasons = {"policy-current": "the file's policy was never recorded; policy 2 is in force"}
    siege.held("staging", {**reasons, "approved": "1 × backend-lead"})


BELOW = {
    "staging asks for less": (
        r'(?m)^upstream = \["dev"\]\n',
        'upstream = ["dev"]\nrequires = "peer-reviewed"\n',
        'behind an upstream it is "approved", never less',
    ),
    "production without upstream": (r'(?m)^upstream = \["staging"\]\n', "", "production"),
    "no approvals": (r"approvals = \{ backend-lead = 1 \}", "approvals = {}", "approvals"),
    "no reviews": (r"peer_reviews = 1", "peer_reviews = 0", "peer_reviews"),
}


@pytest.mark.fault("A15")
@pytest.mark.parametrize(("pattern", "new", "message"), BELOW.values(), ids=BELOW)
def test_no_file_goes_below_the_founding_rule(siege: Siege, pattern: str, new: str, message: str) -> None:
    edit(siege.config, pattern, new)
    with siege.untouched("staging"), siege.untouched("production"):
        for environment in ("staging", "production"):
            for words in (("apply", "--env", environment), ("policy", "record")):
                assert message in siege.shell.error(*words, actor=EVE, code=2)["message"]
