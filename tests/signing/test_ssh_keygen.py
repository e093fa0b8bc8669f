"""OpenSSH itself as the second verifier, in both directions, and as the judge of our key files."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from migrate_flow.signing.keys import available, create, load_private
from migrate_flow.signing.local_key import FILE_VARIABLE
from migrate_flow.signing.private_key import private_text, public_text
from migrate_flow.signing.public_key import fingerprint, normalise_public_key
from migrate_flow.signing.sshsig import SignatureInvalid, public_key_of, sign, verify
from tests.signing import security_key

pytestmark = pytest.mark.system

MESSAGES = [b"", b'{"a":1}', b"\0\xff" * 500]


def keygen(*arguments: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["ssh-keygen", *arguments], input=given, capture_output=True, timeout=30)


def signed_by_keygen(key: Path, message: bytes, *options: str, space: str = "migrate-flow") -> str:
    done = keygen("-Y", "sign", *options, "-f", key, "-n", space, given=message)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


@pytest.fixture
def key(tmp_path: Path) -> tuple[Path, Ed25519PrivateKey]:
    private = Ed25519PrivateKey.generate()
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(private_text(private))
    return path, private


@pytest.mark.parametrize("message", MESSAGES)
def test_both_write_the_same_bytes(key: tuple[Path, Ed25519PrivateKey], message: bytes):
    path, private = key
    assert signed_by_keygen(path, message) == sign(private, message)
    assert verify(message, signed_by_keygen(path, message, "-O", "hashalg=sha256")) == public_text(private)


@pytest.mark.parametrize("message", MESSAGES)
def test_it_verifies_ours_for_the_named_person_only(
    key: tuple[Path, Ed25519PrivateKey], message: bytes, tmp_path: Path
):
    allowed, signature = tmp_path / "allowed_signers", tmp_path / "1.sig"
    allowed.write_text(f'ada@example.com namespaces="migrate-flow" {public_text(key[1])}\n')
    signature.write_text(sign(key[1], message))

    def answer(person: str, given: bytes, space: str = "migrate-flow") -> int:
        return keygen("-Y", "verify", "-f", allowed, "-I", person, "-n", space, "-s", signature, given=given).returncode

    assert answer("ada@example.com", message) == 0
    assert answer("ada@example.com", message + b"x") != 0
    assert answer("grace@example.com", message) != 0
    assert answer("ada@example.com", message, "git") != 0


def test_its_signatures_for_other_uses_are_refused(key: tuple[Path, Ed25519PrivateKey]):
    for space in ("git", "file", "migrate-flow2"):
        with pytest.raises(SignatureInvalid, match="made for another use"):
            verify(b"message", signed_by_keygen(key[0], b"message", space=space))


@pytest.mark.parametrize(("kind", "bits"), [("ed25519", "256"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521")])
def test_every_kind_of_key_that_it_makes(kind: str, bits: str, tmp_path: Path):
    path = tmp_path / "made"
    assert keygen("-q", "-t", kind, "-b", bits, "-N", "", "-C", "a comment", "-f", path).returncode == 0
    line = (tmp_path / "made.pub").read_text()
    for _ in range(20):  # the numbers of an ECDSA signature vary in length
        armoured = signed_by_keygen(path, b"message")
        assert verify(b"message", armoured) == public_key_of(armoured) == normalise_public_key(line)
        with pytest.raises(SignatureInvalid, match="does not fit"):
            verify(b"other", armoured)
    assert keygen("-lf", path).stdout.split()[1].decode() == fingerprint(line)


@pytest.mark.parametrize("make", [Ed25519PrivateKey.generate, security_key.make_ecdsa])
def test_it_accepts_our_reading_of_a_security_key(make: Callable[[], security_key.Private], tmp_path: Path):
    signature = tmp_path / "1.sig"
    signature.write_text(security_key.touch_and_sign(make(), b"message"))
    arguments = ("-Y", "check-novalidate", "-n", "migrate-flow", "-s", signature)
    assert keygen(*arguments, given=b"message").returncode == 0
    assert keygen(*arguments, given=b"other").returncode != 0


def test_it_can_use_the_key_files_that_we_make(tmp_path: Path):
    local = create("ada@example.com", "project", project_root=tmp_path, keyring=None)
    path = tmp_path / ".migrate-flow" / "keys" / "ada@example.com"
    private = load_private(local, project_root=tmp_path, environ={}, keyring=None)
    assert normalise_public_key(keygen("-y", "-f", path).stdout.decode()) == local.public_key
    assert signed_by_keygen(path, b"message") == sign(private, b"message")
    assert keygen("-lf", f"{path}.pub").stdout.split()[1].decode() == local.fingerprint


def test_we_can_use_the_key_files_that_it_makes(tmp_path: Path):
    path = tmp_path / "made"
    assert keygen("-q", "-t", "ed25519", "-N", "", "-f", path).returncode == 0
    (local,), _ = available(project_root=None, environ={FILE_VARIABLE: str(path)}, keyring=None)
    assert local.public_key == normalise_public_key((tmp_path / "made.pub").read_text())


def test_both_refuse_a_file_open_to_others(key: tuple[Path, Ed25519PrivateKey]):
    key[0].chmod(0o640)
    assert b"too open" in keygen("-Y", "sign", "-f", key[0], "-n", "migrate-flow", given=b"message").stderr
