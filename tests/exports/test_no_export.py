"""What is no export, or a broken one, is one error that says why."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from migrate_flow.errors import UsageError
from migrate_flow.exports.reader import LONGEST_LINE, opened
from migrate_flow.services.verify_file import parse_genesis, parse_since
from tests.exports.bundles import (
    Sample,
    bundled,
    check,
    lines,
)
from tests.exports.tampering import edited_line


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"{}")
    return out.getvalue()


def saying(size: int) -> bytes:
    """A packed mebibyte, of which the directory says that it is as large as this."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", bytes(1 << 20))
    changed = bytearray(out.getvalue())
    struct.pack_into("<I", changed, changed.find(b"PK\1\2") + 24, size)
    return bytes(changed)


def kind_of_file(mode: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("changes.csv")
        info.create_system, info.external_attr = 3, mode << 16
        archive.writestr(info, b"/etc/passwd")
    return out.getvalue()


def no_export(whole: bytes) -> dict[str, tuple[bytes, str]]:
    return {
        "empty": (b"", "it is empty"),
        "text": (b"hello", "neither a zip nor a jsonl"),
        "a pdf": (b"%PDF-1.7\n", "neither a zip nor a jsonl"),
        "cut": (whole[: len(whole) // 2], "no zip, or was cut short"),
        "cut at the end": (whole[:-1], "no zip, or was cut short"),
        "only a beginning": (b"PK\3\4", "no zip, or was cut short"),
        "something behind": (whole + b"x", "no zip, or was cut short"),
        "something before": (b"PK\3\4" + whole, "something stands before it"),
        "no header": (zipped("README.md"), "holds no header.json"),
        "a path upward": (zipped("header.json", "../evil"), "would land elsewhere"),
        "an absolute path": (zipped("/etc/passwd"), "would land elsewhere"),
        "another separator": (zipped("..\\evil"), "would land elsewhere"),
        "a name twice": (
            zipped("header.json", "x" * 11).replace(b"x" * 11, b"header.json"),
            "two files named header.json",
        ),
        "an entry twice": (
            zipped("entries/0000001.sig", "entries/0000002.sig").replace(b"0000002", b"0000001"),
            "two files named entries/0000001.sig",
        ),
        "a link": (kind_of_file(0o120777), "'changes.csv' is a link or a device"),
        "a pipe": (kind_of_file(0o010644), "'changes.csv' is a link or a device"),
        "a bomb": (saying(2 << 30), "unpacks to far more"),
        "a lie about sizes": (saying(1), "header.json is no JSON"),
        "another schema": (
            b'{"schema": "migrate-flow/export/2", "header": {}}\n',
            "its schema is 'migrate-flow/export/2'",
        ),
        "no schema": (b'{"a": 1}\n', "its schema is 'None'"),
        "an empty header": (b'{"schema": "migrate-flow/export/1", "header": {}}\n', "its header is not one of ours"),
        "a list as header": (b'{"schema": "migrate-flow/export/1", "header": []}\n', "its header is not one of ours"),
        "a broken first line": (b"{\n", "line 1 can't be read: it is no JSON"),
        "a deep first line": (b'{"a":' * 90_000, "line 1 can't be read"),
        "a huge line": (b"{" + b" " * LONGEST_LINE, "line 1 can't be read: it is longer than 16 MiB"),
    }


NO_EXPORT = tuple(no_export(b""))


@pytest.mark.parametrize("name", NO_EXPORT)
def test_what_is_no_export_is_one_error_that_says_why(name: str, whole: Sample, file: Path) -> None:
    data, words = no_export(bundled(whole))[name]
    with pytest.raises(UsageError) as caught:
        check(file, data)
    assert words in caught.value.message
    assert caught.value.hint
    assert str(file) in caught.value.where


BROKEN_LINES: dict[str, tuple[bytes, str]] = {
    "cut": (b'{"seq": 3, "prev', "it is no JSON"),
    "list": (b"[]", "it is no JSON object"),
    "empty": (b"", "it is no JSON"),
    "key missing": (b'{"seq": 3}', "not right"),
    "not UTF-8": (b'{"seq": "\xff"}', "it is no JSON"),
    "twice": (b'{"seq": 3, "seq": 4}', "it is no JSON (duplicate key)"),
}


@pytest.mark.parametrize("name", BROKEN_LINES)
def test_a_broken_line_is_named_by_its_number(name: str, whole: Sample, file: Path) -> None:
    line, words = BROKEN_LINES[name]
    found = lines(whole).splitlines(keepends=True)
    with pytest.raises(UsageError) as caught:
        check(file, b"".join([*found[:3], line + b"\n", *found[4:]]))
    assert caught.value.message.startswith("line 4 can't be read")
    assert words in caught.value.message
    assert caught.value.where == f"{file}:4"


@pytest.mark.parametrize("values", [{"seq": "3"}, {"seq": True}, {"seq": 0}, {"hash": None}, {"statement": "\ud800"}])
def test_a_value_of_another_type_is_named_by_its_line(values: dict[str, Any], whole: Sample, file: Path) -> None:
    found = edited_line(3, lambda line: line.update(values))(lines(whole).splitlines(keepends=True))
    with pytest.raises(UsageError, match=r"^line 4 can't be read"):
        check(file, b"".join(found))


def test_a_member_with_a_flipped_bit_is_named(whole: Sample, file: Path) -> None:
    data = bytearray(bundled(whole))
    at = data.find(b"which lock?")
    data[at] ^= 1
    report = check(file, bytes(data))
    assert any("zip's own checksum" in problem.problem and problem.seq == 4 for problem in report.problems)


def test_a_folder_and_a_file_that_is_not_there_are_said_to_be_so(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "is no file"), (tmp_path / "none", "No such file")):
        with pytest.raises(UsageError, match=words), opened(path):
            pass


def test_options_are_checked() -> None:
    assert parse_genesis("sha256:" + "a" * 64) == parse_genesis("a" * 64) == "a" * 64
    for wrong in ("", "a" * 63, "md5:" + "a" * 64):
        with pytest.raises(UsageError):
            parse_genesis(wrong)
    with pytest.raises(UsageError) as caught:
        parse_since("7")
    assert "verify FILE --since" in caught.value.hint
