"""A file that was found good is not checked again, and nothing of it is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from migrate_flow import cache_folder
from migrate_flow.config import checked, load
from migrate_flow.errors import ConfigError

from .samples import GOOD

PROBE = """
import sys
from pathlib import Path
from migrate_flow.config.load import load
print(load(Path(sys.argv[1])).project.name)
print("pydantic" in sys.modules)
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "migrate-flow.toml"
    path.write_text(GOOD, "utf-8")
    return path


def _asked_pydantic(file: Path) -> bool:
    """Whether a new process that loads the file does."""
    done = subprocess.run([sys.executable, "-c", PROBE, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "shop"
    return done.stdout.split()[1] == "True"


def test_a_good_file_is_checked_once(file: Path) -> None:
    assert _asked_pydantic(file)
    assert not _asked_pydantic(file)
    file.write_text(GOOD + "\n# a comment\n", "utf-8")
    assert _asked_pydantic(file)


def test_the_values_are_the_same(file: Path) -> None:
    first = load.load(file)
    assert checked.known(file.read_bytes())
    assert load.load(file) == first


def test_a_bad_file_is_refused_each_time(file: Path) -> None:
    load.load(file)
    file.write_text(GOOD.replace("peer_reviews", "peer_review"), "utf-8")
    for _ in range(2):
        with pytest.raises(ConfigError, match="unknown key"):
            load.load(file)


def test_nothing_of_the_file_is_kept(file: Path) -> None:
    file.write_text(
        GOOD + '\n[hooks.chat]\non = ["apply."]\ncommand = ["tell", "https://token@example.com"]\n', "utf-8"
    )
    load.load(file)
    kept = list(cache_folder.path("config").iterdir())
    assert [path.read_bytes() for path in kept] == [b""]
    assert cache_folder.path("config").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.name != "posix", reason="the bits of a folder")
def test_a_folder_that_others_may_write_to_is_not_used(file: Path) -> None:
    load.load(file)
    cache_folder.path("config").chmod(0o770)
    assert not checked.known(file.read_bytes())
    assert _asked_pydantic(file)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="gives a folder away")
def test_another_users_folder_is_not_used(file: Path) -> None:
    load.load(file)
    os.chown(cache_folder.path("config"), 65534, 65534)
    assert not checked.known(file.read_bytes())


def test_without_a_cache_folder_each_file_is_checked(file: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be", "utf-8")
    assert load.load(file).project.name == "shop"
    assert _asked_pydantic(file)


def test_what_was_remembered_longest_ago_goes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked, "MOST", 3)
    for number in range(5):
        checked.remember(b"%d" % number)
        os.utime(cache_folder.path("config") / checked._name(b"%d" % number), (number, number))
    kept = [number for number in range(5) if checked.known(b"%d" % number)]
    assert len(kept) == 3
    assert kept[-1] == 4


def test_another_versions_word_does_not_count(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load.load(file)
    monkeypatch.setattr(checked, "_rules", lambda: "another")
    assert not checked.known(file.read_bytes())
