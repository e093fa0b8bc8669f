"""Authors as git tells them, on real repositories: everybody who wrote a file, nobody else, and no program is run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from migrate_flow.core.revision import SealedFile
from migrate_flow.git import NO_ADDRESS, Git
from migrate_flow.services.ports import Authorship
from tests.support.repository import Repository as Plain

ADA, BOB, CY, DAN = (f"{name}@example.com" for name in ("ada", "bob", "cy", "dan"))
SCRIPT = "migrations/versions/aaaa.py"
TEXT = "".join(f"line {n} of a script that is long enough to be known again\n" for n in range(20))


class Repository(Plain):
    """With the file that the tests are about."""

    def wrote(self, by: str, text: str, path: str = SCRIPT, message: str = "a change") -> str:
        self.write(text, path)
        return self.commit(by, message)

    def seen(self, *paths: str) -> Authorship:
        return authorship(self.folder, *paths)

    def authors(self, *paths: str) -> set[str]:
        seen = self.seen(*paths)
        assert seen.problem == "", seen
        return {author.address for author in seen.authors}


def authorship(folder: Path, *paths: str, limit_s: float = 10.0) -> Authorship:
    files = [SealedFile.seal(path, (folder / path).read_bytes()) for path in paths or (SCRIPT,)]
    return Git(folder, limit_s).authorship(files)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


def test_everybody_who_changed_the_file_and_nobody_else(repository: Repository) -> None:
    repository.wrote(ADA, TEXT)
    repository.wrote(BOB, TEXT + "more\n")
    head = repository.wrote(CY, TEXT, "other.py")
    seen = repository.seen()
    assert [(author.address, author.path, author.co_author) for author in seen.authors] == [
        (BOB, SCRIPT, False),
        (ADA, SCRIPT, False),
    ]
    assert (seen.commit, seen.shallow, seen.dirty, seen.problem) == (head, False, False, "")


@pytest.mark.parametrize("key", ["Co-authored-by", "CO-AUTHORED-BY", "co-authored-by", "Co-Authored-By "])
def test_a_co_author_in_any_spelling(repository: Repository, key: str) -> None:
    repository.wrote(ADA, TEXT, message=f"make it\n\n{key}: Bob <Bob@Example.com>")
    assert repository.authors() == {ADA, BOB}
    assert [author.address for author in repository.seen().authors if author.co_author] == [BOB]


def test_a_co_author_who_is_not_in_the_last_paragraph_or_has_no_brackets(repository: Repository) -> None:
    message = f"make it\n\nCo-authored-by: Bob <{BOB}>\n\nCo-authored-by: {CY}\n\nSigned-off-by: Dan <{DAN}>"
    repository.wrote(ADA, TEXT, message=message)
    assert repository.authors() == {ADA, BOB, CY}


def test_upper_case_is_the_same_address(repository: Repository) -> None:
    repository.wrote("ADA@Example.COM", TEXT)
    repository.wrote(ADA, TEXT + "more\n")
    assert repository.authors() == {ADA}


def test_a_mailmap_in_the_tree_changes_nothing(repository: Repository) -> None:
    repository.write(f"Ada <{ADA}> Bob <{BOB}>\n", ".mailmap")
    repository.git("config", "log.mailmap", "true")
    repository.wrote(BOB, TEXT)
    assert repository.authors() == {BOB}


def test_an_author_without_an_address_is_one_all_the_same(repository: Repository) -> None:
    repository.write(TEXT, SCRIPT)
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "-m", "x", "--author", "Somebody <>")
    assert repository.authors() == {NO_ADDRESS}


def test_the_author_of_a_former_name_is_one_and_the_author_of_what_came_there_later_is_not(
    repository: Repository,
) -> None:
    repository.wrote(BOB, TEXT, "old.py")
    (repository.folder / SCRIPT).parent.mkdir(parents=True)
    repository.git("mv", "old.py", "middle.py")
    repository.commit(CY)
    repository.git("mv", "middle.py", SCRIPT)
    repository.write(TEXT + "and one line\n", SCRIPT)
    repository.commit(ADA)
    repository.wrote(DAN, "another file of that name\n", "old.py")
    assert repository.authors() == {ADA, BOB, CY}
    assert {author.path for author in repository.seen().authors} == {SCRIPT}


def test_a_new_script_that_resembles_an_older_one_is_not_its_author_s(repository: Repository) -> None:
    repository.wrote(BOB, TEXT, "migrations/versions/older.py")
    repository.wrote(ADA, TEXT.replace("line 3 ", "line three "))
    assert repository.git("log", "--follow", "--format=%ae", "--", SCRIPT).split() == [ADA, BOB]
    assert repository.authors() == {ADA}


def test_whoever_merges_is_no_author_and_both_branches_count(repository: Repository) -> None:
    repository.wrote(ADA, TEXT)
    for branch, by, line in (("one", BOB, 1), ("two", CY, 18)):
        repository.git("checkout", "--quiet", "-b", branch, "main")
        repository.wrote(by, TEXT.replace(f"line {line} ", f"line {line}, by {by} "))
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "one", "-m", "merge", by=DAN)
    repository.git("merge", "--quiet", "--no-ff", "two", "-m", "merge", by=DAN)
    assert repository.authors() == {ADA, BOB, CY}


def test_an_octopus_of_several_authors(repository: Repository) -> None:
    repository.wrote(ADA, TEXT)
    paths = {BOB: "one.py", CY: "two.py", "eve@example.com": "three.py"}
    for by, path in paths.items():
        repository.git("checkout", "--quiet", "-b", path[:-3], "main")
        repository.write(TEXT, path)
        repository.wrote(by, TEXT.replace("line 5 ", f"line 5 of {path} ") if by == BOB else TEXT)
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "one", "two", "three", "-m", "octopus", by=DAN)
    assert len(repository.git("log", "-1", "--format=%P").split()) == 3  # main itself went to one
    assert repository.authors(*paths.values()) == set(paths)
    assert repository.authors() == {ADA, BOB}


def test_a_branch_that_made_the_same_change_is_not_left_out(repository: Repository) -> None:
    """Plain `git log -- FILE` walks only one side of a merge that changed nothing against it."""
    repository.wrote(CY, "x", "other.py")
    repository.git("checkout", "--quiet", "-b", "side")
    repository.wrote(BOB, TEXT)
    repository.git("checkout", "--quiet", "main")
    repository.wrote(ADA, TEXT)
    repository.git("merge", "--quiet", "--no-ff", "side", "-m", "merge", by=DAN)
    assert repository.git("log", "--format=%ae", "--", SCRIPT).split() == [ADA]
    assert repository.authors() == {ADA, BOB}


def test_several_files_each_with_its_authors(repository: Repository) -> None:
    repository.wrote(ADA, TEXT)
    repository.wrote(BOB, "x = 1\n", "helpers.py")
    seen = repository.seen(SCRIPT, "helpers.py")
    assert {(author.address, author.path) for author in seen.authors} == {(ADA, SCRIPT), (BOB, "helpers.py")}


def test_a_project_below_the_repository_and_a_file_that_came_from_outside_of_it(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "all", project="services/shop")
    (repository.top / "shared.py").write_text(TEXT)
    repository.git("-C", str(repository.top), "add", "--all")
    repository.commit(BOB)
    (repository.folder / SCRIPT).parent.mkdir(parents=True)
    repository.git("mv", str(repository.top / "shared.py"), SCRIPT)
    repository.commit(ADA)
    assert repository.authors() == {ADA, BOB}


@pytest.mark.parametrize("name", ["--help.py", "-p.py", "*.py", ":(top)x.py", "a b.py", "é.py", "[a].py", "a\tb.py"])
def test_no_name_of_a_file_is_read_as_anything_else(repository: Repository, name: str) -> None:
    path = f"migrations/versions/{name}"
    repository.wrote(BOB, TEXT, "migrations/versions/a.py")
    repository.wrote(ADA, TEXT + "x", path)
    assert repository.authors(path) == {ADA}
    (repository.folder / name).write_text(TEXT)  # at the top, where nothing stands before the dash
    repository.commit(CY)
    assert repository.authors(name) == {CY}


def test_a_shallow_clone_names_nobody(repository: Repository, tmp_path: Path) -> None:
    repository.wrote(BOB, TEXT)
    head = repository.wrote(ADA, "x", "other.py")
    clone = tmp_path / "clone"
    repository.git("clone", "--quiet", "--depth", "1", f"file://{repository.top}", str(clone))
    seen = authorship(clone)
    assert (seen.authors, seen.commit, seen.shallow, seen.dirty) == ((), head, True, False)
    assert "shallow clone" in seen.problem
    (clone / SCRIPT).write_text("edited")
    assert authorship(clone).dirty


def test_no_repository(tmp_path: Path) -> None:
    (tmp_path / "aaaa.py").write_text(TEXT)
    assert authorship(tmp_path, "aaaa.py") == Authorship(problem="this is no git repository")


def test_no_git(tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.wrote(ADA, TEXT)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert repository.seen() == Authorship(problem="git is not installed here")


def test_no_commit_yet(repository: Repository) -> None:
    repository.write(TEXT, SCRIPT)
    assert repository.seen() == Authorship(problem="git has no commit yet")


def test_a_file_that_nobody_committed(repository: Repository) -> None:
    head = repository.wrote(BOB, "x = 1\n", "helpers.py")
    repository.write(TEXT, SCRIPT)
    seen = repository.seen(SCRIPT, "helpers.py")
    assert ([author.address for author in seen.authors], seen.commit, seen.dirty) == ([BOB], head, True)
    assert seen.problem == f"git's HEAD does not hold {SCRIPT}"
    repository.git("add", "--all")
    assert repository.seen(SCRIPT).problem == f"git's HEAD does not hold {SCRIPT}"


def test_an_edit_that_is_not_committed_and_windows_line_ends_that_are_none(repository: Repository) -> None:
    repository.wrote(ADA, TEXT)
    (repository.folder / SCRIPT).write_bytes(TEXT.replace("\n", "\r\n").encode())
    assert not repository.seen().dirty
    repository.write(TEXT + "more\n", SCRIPT)
    assert (repository.seen().dirty, repository.seen().problem) == (True, "")


def test_a_git_that_is_too_slow_is_not_waited_for_and_not_asked_again(repository: Repository, tmp_path: Path) -> None:
    repository.wrote(ADA, TEXT)
    git = Git(repository.folder, limit_s=0.0)
    files = [SealedFile.seal(SCRIPT, TEXT.encode())]
    assert git.authorship(files) == Authorship(problem="git did not answer within 0 s")
    git.limit_s = 10.0
    assert git.authorship(files) == Authorship(problem="git did not answer within 0 s")


HOSTILE = {
    "core.fsmonitor": "{trap}",
    "core.pager": "{trap}",
    "pager.log": "{trap}",
    "core.sshCommand": "{trap}",
    "diff.external": "{trap}",
    "diff.trap.command": "{trap}",
    "diff.trap.textconv": "{trap}",
    "filter.trap.clean": "{trap}",
    "filter.trap.smudge": "{trap}",
    "filter.trap.process": "{trap}",
    "log.showSignature": "true",
    "gpg.program": "{trap}",
    "gpg.ssh.program": "{trap}",
    "core.hooksPath": "{folder}",
    "alias.log": "!{trap}",
    "alias.rev-parse": "!{trap}",
    "core.alternateRefsCommand": "{trap}",
    "extensions.partialClone": "origin",
    "remote.origin.url": "ext::{trap}",
    "remote.origin.promisor": "true",
    "protocol.ext.allow": "always",
    "format.pretty": "%h",
    "color.ui": "always",
    "diff.renames": "false",
    "log.follow": "true",
}


def test_a_hostile_repository_runs_nothing_and_changes_nothing(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.wrote(BOB, TEXT, "old.py")
    (repository.folder / SCRIPT).parent.mkdir(parents=True)
    repository.git("mv", "old.py", SCRIPT)
    repository.write("* diff=trap filter=trap\n", ".gitattributes")
    repository.write(TEXT + "more\n", SCRIPT)
    repository.commit(ADA)
    folder, sprung = tmp_path / "traps", tmp_path / "sprung"
    folder.mkdir()
    for name in ("trap", "post-index-change", "reference-transaction", "fsmonitor-watchman"):
        (folder / name).write_text(f"#!/bin/sh\necho {name} >> {sprung}\n")
        (folder / name).chmod(0o755)
    config = "".join(
        f'[{section} "{sub}"]\n\t{key} = "{value}"\n' if sub else f'[{section}]\n\t{key} = "{value}"\n'
        for name, text in HOSTILE.items()
        for section, sub, key in [_split(name)]
        for value in [text.format(trap=folder / "trap", folder=folder)]
    )
    with (repository.folder / ".git" / "config").open("a") as file:
        file.write(config)
    # What it lacks would have to be fetched, through a program that the configuration names.
    blob = subprocess.run(
        ["git", "-c", "core.fsmonitor=", "rev-parse", f"HEAD~1:{'old.py'}"],
        cwd=repository.folder, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    (repository.folder / SCRIPT).touch()
    _plain(repository, "status")  # the traps are real
    _plain(repository, "log", "-p")
    assert {"trap", "fsmonitor-watchman"} & set(sprung.read_text().split())
    sprung.unlink()
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(folder / "trap"))
    monkeypatch.setenv("GIT_PAGER", str(folder / "trap"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_SSH_COMMAND", str(folder / "trap"))
    assert repository.authors() == {ADA, BOB}
    (repository.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    seen = repository.seen()
    assert not sprung.exists(), sprung.read_text()
    assert seen.problem.startswith("git can't be read here")
    monkeypatch.delenv("GIT_DIR")
    _plain(repository, "-c", "core.fsmonitor=false", "diff-tree", "-r", "-M", "HEAD")
    assert sprung.exists()  # this one too


def _plain(repository: Repository, *words: str) -> None:
    """git as anybody runs it; whether it ends well is not asked."""
    subprocess.run(["git", *words], cwd=repository.folder, capture_output=True, timeout=30, check=False)


def _split(name: str) -> tuple[str, str, str]:
    section, _, rest = name.partition(".")
    sub, _, key = rest.rpartition(".")
    return section, sub, key


def test_replaced_and_grafted_history_is_not_believed(repository: Repository) -> None:
    real = repository.wrote(BOB, TEXT)
    fake = repository.git("commit-tree", f"{real}^{{tree}}", "-m", "mine", by=ADA)
    repository.git("replace", real, fake)
    assert repository.git("log", "--format=%ae").split() == [ADA]
    assert repository.authors() == {BOB}


def test_an_address_that_can_t_be_signed_is_made_printable_and_short(repository: Repository) -> None:
    repository.wrote("e\u0301ve\x1b[31m\u202e@" + "x" * 300, TEXT)
    (address,) = repository.authors()
    assert address.startswith("éve?[31m?@xxx")
    assert (len(address), address.isprintable()) == (254, True)
