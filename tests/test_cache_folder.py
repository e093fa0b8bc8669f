"""The cache's files: whole and ours, or not there."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from migrate_flow import cache_folder

BODY = b'{"what": "was read"}'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cache" / "part" / "one.json"
    cache_folder.write(path, BODY, most=3)
    assert cache_folder.read(path) == BODY
    return path


def test_nobody_else_may_read_it(file: Path) -> None:
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("at", [0, 70, -1])
def test_a_flipped_bit(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)
    assert cache_folder.read(file) is None


@pytest.mark.parametrize("length", [0, 10, 64, 65, 70])
def test_a_part_of_it(file: Path, length: int) -> None:
    file.write_bytes(file.read_bytes()[:length])
    assert cache_folder.read(file) is None


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_others_may_write_to_it(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert cache_folder.read(file) is None


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a file away")
def test_it_belongs_to_somebody_else(file: Path) -> None:
    os.chown(file, 4242, -1)
    assert cache_folder.read(file) is None
    os.chown(file.parent, 4242, -1)
    cache_folder.write(file, b"mine", most=3)
    assert cache_folder.read(file) is None


def test_others_may_write_to_the_folder(file: Path) -> None:
    file.parent.chmod(0o777)
    cache_folder.write(file, b"another", most=3)
    assert cache_folder.read(file) == BODY


def test_a_link_and_what_is_no_file(file: Path, tmp_path: Path) -> None:
    link = file.with_name("link.json")
    link.symlink_to(file)
    os.mkfifo(tmp_path / "pipe")
    for path in (link, tmp_path / "pipe", tmp_path, tmp_path / "nowhere"):
        assert cache_folder.read(path) is None, path


def test_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file is in the way")
    cache_folder.write(tmp_path / "cache" / "part" / "one.json", BODY, most=3)
    assert cache_folder.read(tmp_path / "cache" / "part" / "one.json") is None


def test_what_was_not_used_longest_goes(tmp_path: Path) -> None:
    days = 86_400
    for number in range(5):
        path = tmp_path / "part" / f"{number}.json"
        cache_folder.write(path, BODY, most=9)
        os.utime(path, (time.time() - (9 - number) * days,) * 2)
    (tmp_path / "part" / "x.json.1-2.part").write_text("killed while it was written")
    os.utime(tmp_path / "part" / "x.json.1-2.part", (1, 1))
    assert cache_folder.read(tmp_path / "part" / "0.json") == BODY  # it is used again
    cache_folder.write(tmp_path / "part" / "new.json", BODY, most=3)
    assert {path.name for path in (tmp_path / "part").iterdir()} == {"new.json", "0.json", "4.json"}


def test_a_write_that_fails_leaves_nothing_behind(file: Path) -> None:
    file.unlink()
    file.mkdir()  # where nothing can be put in place
    (file / "something").touch()
    cache_folder.write(file, BODY, most=3)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
