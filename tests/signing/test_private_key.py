"""Private keys from the environment and from files: read as they come, refused with a reason, never shown."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from migrate_flow.errors import IdentityError
from migrate_flow.signing.keys import available, create, load_private
from migrate_flow.signing.local_key import FILE_VARIABLE, KEY_VARIABLE, LocalKey
from migrate_flow.signing.private_key import private_text, public_text
from migrate_flow.signing.public_key import pack


def found(**environ: str) -> list[LocalKey]:
    return available(project_root=None, environ=environ, keyring=None)[0]


def load(key: LocalKey, **environ: str) -> Ed25519PrivateKey:
    return load_private(key, project_root=None, environ=environ, keyring=None)


def sealed() -> str:
    """A key under a passphrase, by OpenSSH's PROTOCOL.key: what is inside can't be told from noise."""
    options = pack(b"s" * 16) + b"\0\0\0\x10"
    public = pack(b"ssh-ed25519", b"\1" * 32)
    raw = b"openssh-key-v1\0" + pack(b"aes256-ctr", b"bcrypt", options) + b"\0\0\0\1" + pack(public, b"n" * 144)
    body = base64.encodebytes(raw).decode()
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{body}-----END OPENSSH PRIVATE KEY-----\n"


@pytest.mark.parametrize("text", ["\n{}\n\n", "  {}", "{}"], ids=["lines", "blanks", "bare"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_a_key_pasted_into_a_ci_system(text: str, newline: str):
    key = Ed25519PrivateKey.generate()
    value = text.format(private_text(key).strip()).replace("\n", newline)
    (local,) = found(**{KEY_VARIABLE: value})
    assert (local.person, local.public_key, local.where) == ("", public_text(key), KEY_VARIABLE)
    assert public_text(load(local, **{KEY_VARIABLE: value})) == public_text(key)


def test_the_environment_must_still_hold_the_key():
    (local,) = found(**{KEY_VARIABLE: private_text(Ed25519PrivateKey.generate())})
    for environ in ({}, {KEY_VARIABLE: private_text(Ed25519PrivateKey.generate())}):
        with pytest.raises(IdentityError, match="no longer holds the key SHA256:"):
            load(local, **environ)


def openssh(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


ED25519 = private_text(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
UNUSABLE = {
    "sealed-pem": ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII=", "has a passphrase"),
    "sealed-old-pem": ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", "has a passphrase"),
    "rsa": (openssh(rsa.generate_private_key(65537, 2048)), "not an Ed25519 key|not supported: use ssh-ed25519"),
    "cut": (ED25519[:200], "not an OpenSSH private key|damaged or incomplete"),
    "damaged": (ED25519.replace("b3Blbn", "b3BlbQ"), "damaged or incomplete"),
    "text": ("hello", "not an OpenSSH private key"),
    "unicode": ("schlüssel", "not an OpenSSH private key"),
    "public": ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOh", "this is a public key"),
}


@pytest.mark.parametrize(("text", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_key_is_an_error_that_does_not_show_it(text: str, reason: str, tmp_path: Path):
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(0o600)
    for environ in ({KEY_VARIABLE: text}, {FILE_VARIABLE: str(path)}):
        with pytest.raises(IdentityError, match=reason) as caught:
            found(**environ)
        assert caught.value.where.startswith(next(iter(environ)))
        shown = caught.value.message + caught.value.hint + caught.value.where
        assert not any(line in shown for line in text.splitlines() if len(line) > 10)


NOT_IN_PROCESS = {
    "sealed": (sealed(), "has a passphrase, which can't be asked for here"),
    "ecdsa": (openssh(ec.generate_private_key(ec.SECP256R1())), "not an Ed25519 key"),
}


@pytest.mark.parametrize(("text", "reason"), NOT_IN_PROCESS.values(), ids=NOT_IN_PROCESS)
def test_a_variable_can_not_hold_what_ssh_keygen_must_sign_with(text: str, reason: str):
    with pytest.raises(IdentityError, match=reason) as caught:
        found(**{KEY_VARIABLE: text})
    assert FILE_VARIABLE in caught.value.hint


@pytest.mark.parametrize("text", [text for text, _ in NOT_IN_PROCESS.values()], ids=NOT_IN_PROCESS)
def test_the_file_of_such_a_key_tells_whose_it_is(text: str, tmp_path: Path):
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(0o600)
    (local,) = found(**{FILE_VARIABLE: str(path)})
    assert (local.store, local.path, local.needs_ssh_keygen) == ("environment", path, True)
    assert local.public_key.partition(" ")[0] in ("ssh-ed25519", "ecdsa-sha2-nistp256")


def test_a_public_file_tells_whose_the_key_is(tmp_path: Path):
    key = Ed25519PrivateKey.generate()
    path = tmp_path / "key.pub"
    path.write_text(f"{public_text(key)} ada@example.com\n")
    path.chmod(0o644)
    (local,) = found(**{FILE_VARIABLE: str(path)})
    assert (local.public_key, local.path, local.needs_ssh_keygen) == (public_text(key), path, True)


@pytest.mark.parametrize("text", ["ssh-ed25519 AAAA", "", ED25519, "ssh-rsa AAAAB3NzaC1yc2E= x"])
def test_a_public_file_with_anything_else_in_it_is_refused(text: str, tmp_path: Path):
    path = tmp_path / "key.pub"
    path.write_text(text)
    with pytest.raises(IdentityError, match="the key can't be used") as caught:
        found(**{FILE_VARIABLE: str(path)})
    assert "b3Blbn" not in f"{caught.value.message} {caught.value.hint} {caught.value.where}"


@pytest.mark.parametrize("value", [ED25519, ED25519.replace("\n", " "), "".join(ED25519.splitlines()[1:-1])])
def test_a_secret_in_the_variable_for_a_path_is_not_shown(value: str):
    with pytest.raises(IdentityError, match="holds a key, but it is for the path of one") as caught:
        found(**{FILE_VARIABLE: value})
    assert "b3Blbn" not in f"{caught.value.message} {caught.value.hint} {caught.value.where}"


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o644, 0o601])
def test_a_key_file_open_to_others_is_refused(bits: int, home: Path):
    key = create("ada", "file", project_root=None, keyring=None)
    path = home / "data" / "migrate-flow" / "keys" / "ada"
    path.chmod(bits)
    with pytest.raises(IdentityError, match=rf"open to others \(mode 0{bits:o}\)") as caught:
        load(key)
    assert caught.value.hint == f"chmod 600 {path}"
    with pytest.raises(IdentityError, match="open to others"):
        found(**{FILE_VARIABLE: str(path)})


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_key_file_that_can_not_be_read(name: str, tmp_path: Path):
    with pytest.raises(IdentityError, match="can't be read") as caught:
        found(**{FILE_VARIABLE: str(tmp_path / name)})
    assert caught.value.where == f"{FILE_VARIABLE}={tmp_path / name}"


def test_a_home_relative_key_file(home: Path):
    (home / "key").write_text(ED25519)
    (home / "key").chmod(0o600)
    assert [key.store for key in found(**{FILE_VARIABLE: "~/key"})] == ["environment"]
