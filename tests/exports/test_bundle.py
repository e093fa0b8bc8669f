"""The bundle: exact bytes, the same each time, and proved by programs that are not ours."""

from __future__ import annotations

import ast
import hashlib
import io
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from migrate_flow.core.audit import Header, Selection
from migrate_flow.exports import bundle_names, bundle_verify
from migrate_flow.exports.archive import Archive, ArchiveWriter
from tests.exports.bundles import SCRIPT, SQL, Sample, bundled, by_script, check, put, unzipped, written
from tests.support.builders import ADA, DAN, EVE, public_key


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return Sample(written(tmp_path_factory.mktemp("ledger")))


@pytest.fixture(scope="module")
def part(sample: Sample) -> Sample:
    return Sample(sample.scribe, Selection(kind="migration.reviewed"))


def test_the_same_export_gives_the_same_bytes_in_order_and_without_a_time(sample: Sample) -> None:
    data = bundled(sample)
    assert bundled(sample) == data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names == [*sorted(names[:-1]), "SHA256SUMS"]
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_it_holds_what_was_signed_as_it_was_signed(sample: Sample) -> None:
    files = unzipped(bundled(sample))
    for entry in sample.scribe.entries:
        statement, signature = bundle_names.entry(entry.seq)
        assert (files[statement], files[signature]) == (entry.statement, entry.signature.encode())
    contents = {data for name, data in files.items() if name.startswith("artifacts/")}
    assert contents == {SCRIPT, SQL}
    last = files["chain.tsv"].decode().splitlines()[-1].split("\t")
    assert (last[0], last[3]) == ("13", sample.scribe.head.hash)


def test_the_chain_has_every_position_also_of_what_is_left_out(sample: Sample, part: Sample) -> None:
    whole, files = unzipped(bundled(sample)), unzipped(bundled(part))
    assert files["chain.tsv"] == whole["chain.tsv"]
    assert [name for name in files if name.startswith("entries/")] == [
        name for seq in (4, 5, 12) for name in bundle_names.entry(seq)
    ]
    assert "10 are left out" in files["README.md"].decode()


def test_who_may_sign_is_told_with_the_positions(sample: Sample) -> None:
    text = unzipped(bundled(sample))["allowed_signers"].decode()
    assert f'{ADA} namespaces="migrate-flow" {public_key(ADA)}' in text.splitlines()
    assert re.search(rf"# {re.escape(EVE)} SHA256:\S+: valid from entry 11\n", text)
    assert re.search(rf"# {re.escape(DAN)} SHA256:\S+: valid from entry 1, revoked by entry 13\n", text)


class Named(Sample):
    """Whose project has a name that somebody chose for its README."""

    @property
    def header(self) -> Header:
        return replace(super().header, project="<b>shop</b> [x](http://evil)\n\n```bash\nrm\u202e\n")


def test_its_readme_takes_no_markup_from_a_name(sample: Sample) -> None:
    text = unzipped(bundled(Named(sample.scribe)))["README.md"].decode()
    own = unzipped(bundled(sample))["README.md"].decode()
    assert len(text.splitlines()) == len(own.splitlines())
    assert text.count("```") == own.count("```")
    for part in ("<b>", "[x](", "http://", "\u202e"):
        assert part not in text


def test_its_script_is_plain_python_of_any_age(sample: Sample) -> None:
    source = unzipped(bundled(sample))["verify.py"]
    tree = ast.parse(source, feature_version=(3, 8))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in modules} <= sys.stdlib_module_names
    assert "migrate_flow" not in modules


def test_more_members_than_a_plain_zip_counts_are_read_by_others_and_by_us() -> None:
    out = io.BytesIO()
    writer = ArchiveWriter(out)
    for number in range(70_000):
        writer.add(f"entries/{number:07}.json", b"%d" % number)
    writer.close()
    with zipfile.ZipFile(out) as archive:
        assert len(archive.namelist()) == 70_000
        assert archive.read("entries/0069999.json") == b"69999"
    ours = Archive(out, "here")
    members = list(ours.members())
    assert len(members) == 70_000
    assert ours.read(members[-1], 100) == b"69999"


def test_what_is_written_can_be_verified(sample: Sample, part: Sample, tmp_path: Path) -> None:
    for number, one in enumerate((sample, part)):
        assert check(tmp_path / str(number), bundled(one)).ok


# With ssh-keygen


def blocks(files: dict[str, bytes]) -> list[str]:
    return re.findall(r"```bash\n(.*?)```", files["README.md"].decode(), re.DOTALL)


def by_hand(command: str, folder: Path) -> str:
    """In a shell with nothing of ours: neither variables nor a home."""
    done = subprocess.run(
        ["bash", "-c", command.replace("python3 ", f"{sys.executable} -I -S ")],
        cwd=folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.system
def test_each_command_of_the_readme_works_by_hand(sample: Sample, tmp_path: Path) -> None:
    files = unzipped(bundled(sample))
    commands = blocks(files)
    said = [by_hand(command, put(files, tmp_path)) for command in commands]
    head, genesis = sample.scribe.head.hash, sample.scribe.entries[0].hash
    assert len(said) == 8
    assert "proved: 13 entries stand unchanged" in said[0]
    assert said[1] == "all files are as SHA256SUMS says\n"
    assert said[2].splitlines() == [
        f"entries/{entry.seq:07}.json: signed by {entry.actor}" for entry in sample.scribe.entries
    ]
    assert said[3] == f"the chain holds up to position 13, whose hash is {head}\n"
    assert said[4] == "done\n"
    assert said[5].split() == [genesis, head]
    assert said[6] == "done\n"
    assert said[7].count("named by signed statements") == 2


@pytest.mark.system
def test_the_commands_of_the_readme_find_what_was_done(sample: Sample, tmp_path: Path) -> None:
    files = unzipped(bundled(sample))
    one, other = bundle_names.entry(5), bundle_names.entry(6)
    artifact = min(name for name in files if name.startswith("artifacts/"))
    policy = min(name for name in files if name.startswith("policies/"))
    changed = files | {one[1]: files[other[1]], artifact: b"x", policy: files[policy] + b" "}
    changed["chain.tsv"] = files["chain.tsv"].replace(sample.scribe.entries[6].hash.encode(), b"0" * 64)
    said = [by_hand(command, put(changed, tmp_path)) for command in blocks(files)]
    assert f"{one[0]}: NOT SIGNED WITH A KNOWN KEY" in said[2]
    assert "position 7: THE CHAIN IS BROKEN" in said[3]
    assert f"{one[0]}: NOT AT ITS POSITION" in said[4]
    assert f"{artifact}: OTHER BYTES" in said[6]
    assert f"{policy}: OTHER BYTES" in said[7]
    assert "FAILED" in said[1]


@pytest.mark.system
def test_its_script_proves_it_and_says_what_it_does_not(sample: Sample, part: Sample, tmp_path: Path) -> None:
    head, genesis = sample.scribe.head, sample.scribe.entries[0].hash
    done = by_script(unzipped(bundled(sample)), tmp_path / "whole", "--genesis", genesis, "--since", str(head))
    assert (done.returncode, done.stderr) == (0, ""), done
    assert f"its head is {head}" in done.stdout
    assert "NOT proved: roles and the order of the flow" in done.stdout
    assert "the ledger you mean" not in done.stdout
    done = by_script(unzipped(bundled(part)), tmp_path / "part")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "the 10 entries said that the selection left out" in done.stdout
    for words in (("--genesis", "0" * 64), ("--since", "7:" + "0" * 64)):
        done = by_script(unzipped(bundled(part)), tmp_path / "part", *words)
        assert done.returncode == 4, done


@pytest.mark.system
@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"schema": "migrate-flow/export/1", "header": 7}'])
def test_its_script_says_where_it_can_not_read(data: bytes, sample: Sample, tmp_path: Path) -> None:
    done = by_script({**unzipped(bundled(sample)), "header.json": data}, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: header.json can't be read")


@pytest.mark.system
@pytest.mark.parametrize("name", ["changes.csv", "header.json", "entries/0000003.json"])
def test_its_script_follows_no_link_out_of_the_folder(name: str, sample: Sample, tmp_path: Path) -> None:
    files, folder = unzipped(bundled(sample)), tmp_path / "bundle"
    outside = tmp_path / "outside"
    outside.write_bytes(files.pop(name))
    put(files, folder)
    (folder / name).symlink_to(outside)
    done = by_script(files, folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {name} is a link")


def test_its_script_takes_policies_by_position_and_not_by_name(sample: Sample, tmp_path: Path) -> None:
    files = unzipped(bundled(sample))
    old = [name for name in files if name.startswith("policies/")]
    for seq, name in zip((9_999_999, 10_000_000), old, strict=True):
        files[f"policies/{seq:07}{name[-18:]}"] = files.pop(name)
    bundle = bundle_verify.Bundle(put(files, tmp_path))
    bundle.check_policies()
    assert [seq for seq, _digest, _document in bundle.policies] == [9_999_999, 10_000_000]


def test_the_sums_name_every_other_file(sample: Sample) -> None:
    files = unzipped(bundled(sample))
    named = dict(line.split("  ")[::-1] for line in files["SHA256SUMS"].decode().splitlines())
    assert named == {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "SHA256SUMS"}
