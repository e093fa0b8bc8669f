"""Signatures: the same bytes as OpenSSH's, and nothing accepted that is not exactly one.

``vectors/`` was written once by ``ssh-keygen -Y sign``; test_ssh_keygen.py asks the program itself.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
import sshsig as third_verifier
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from migrate_flow.errors import MigrateFlowError
from migrate_flow.signing.public_key import pack, parse_blob
from migrate_flow.signing.sshsig import NAMESPACE, SignatureInvalid, public_key_of, sign, verify

VECTORS = Path(__file__).parent / "vectors"
MESSAGE = (VECTORS / "message").read_bytes()
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
KIND = b"ssh-ed25519"
BLOB = pack(KIND, KEY.public_key().public_bytes_raw())


def vector(name: str) -> str:
    return (VECTORS / f"{name}.sig").read_text()


def armour(raw: bytes, width: int = 70) -> str:
    text = base64.b64encode(raw).decode()
    lines = [text[i : i + width] for i in range(0, len(text), width)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


def raw_of(armoured: str) -> bytes:
    return base64.b64decode("".join(armoured.splitlines()[1:-1]))


def assemble(
    *,
    version: bytes = b"\0\0\0\1",
    blob: bytes = BLOB,
    space: bytes = NAMESPACE.encode(),
    reserved: bytes = b"",
    hash_name: bytes = b"sha512",
    kind: bytes = KIND,
    after_signature: bytes = b"",
    after: bytes = b"",
) -> str:
    """A signature over MESSAGE whose cryptography is right, whatever else is wrong with it."""
    signed = b"SSHSIG" + pack(space, reserved, hash_name, hashlib.new(hash_name.decode().strip(), MESSAGE).digest())
    signature = pack(kind, KEY.sign(signed)) + after_signature
    return armour(b"SSHSIG" + version + pack(blob, space, reserved, hash_name, signature) + after)


def test_signs_the_bytes_that_ssh_keygen_wrote():
    assert sign(KEY, MESSAGE) == vector("ed25519-sha512") == assemble()


@pytest.mark.parametrize("name", ["ed25519-sha512", "ed25519-sha256"])
def test_verifies_what_ssh_keygen_signed(name: str):
    assert verify(MESSAGE, vector(name)) == public_key_of(vector(name)) == PUBLIC


@pytest.mark.parametrize("curve", ["nistp256", "nistp384", "nistp521"])
def test_verifies_ecdsa_and_refuses_it_for_other_bytes(curve: str):
    armoured = vector(f"ecdsa-{curve}")
    assert verify(MESSAGE, armoured).startswith(f"ecdsa-sha2-{curve} AAAA")
    with pytest.raises(SignatureInvalid, match="does not fit"):
        verify(MESSAGE + b" ", armoured)


def test_an_independent_library_verifies_ours():
    key = third_verifier.check_signature(MESSAGE, sign(KEY, MESSAGE), NAMESPACE)
    assert key == third_verifier.PublicKey.from_openssh_str(PUBLIC)
    with pytest.raises(third_verifier.InvalidSignature):
        third_verifier.check_signature(MESSAGE + b" ", sign(KEY, MESSAGE), NAMESPACE)


@pytest.mark.parametrize("message", [b"", b"\0" * 70, b"x" * 100_000])
def test_any_message_round_trips(message: bytes):
    assert verify(message, sign(KEY, message)) == PUBLIC


@pytest.mark.parametrize(
    ("armoured", "reason"),
    [
        (vector("ed25519-other-namespace"), "namespace is not migrate-flow"),
        (assemble(space=b"migrate-flow\0"), "namespace is not migrate-flow"),
        (assemble(space=b""), "namespace is not migrate-flow"),
        (assemble(reserved=b"x"), "reserved"),
        (assemble(hash_name=b"sha1"), "neither sha512 nor sha256"),
        (assemble(hash_name=b"sha384"), "neither sha512 nor sha256"),
        (assemble(hash_name=b"sha512 "), "neither sha512 nor sha256"),
        (assemble(version=b"\0\0\0\2"), "version 1"),
        (assemble(after=b"\0"), "cut short, or bytes follow"),
        (assemble(after=b"\0\0\0\0"), "five fields"),
        (assemble(after_signature=b"\0"), "cut short, or bytes follow"),
        (assemble(after_signature=b"\0\0\0\0"), "one field"),
        (assemble(blob=BLOB + b"\0"), "cut short, or bytes follow"),
        (assemble(blob=BLOB + b"\0\0\0\0"), "damaged or of a kind"),
        (assemble(blob=b""), "not supported"),
        (assemble(kind=b"ssh-ed448"), "another type than its key"),
        (vector("rsa"), "not supported: use ssh-ed25519"),
        (raw_of(assemble()).hex(), "BEGIN and END"),
        ("", "BEGIN and END"),
        ("-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n", "version 1"),
        (" " + assemble(), "BEGIN and END"),
        (assemble() + "\n", "BEGIN and END"),
        (assemble() + assemble(), "base64"),
        (assemble().replace("\n", "\r\n"), "BEGIN and END"),
        (assemble().replace("U1NI", "U1NI "), "strict base64"),
        (assemble().replace("U1NI", "U1N\u00cd"), "not base64"),
        (assemble().replace("=\n-", "\n-"), "not base64"),
        (assemble().replace("=\n-", "==\n-"), "strict base64"),
    ],
    ids=lambda text: "text" if "\n" in text else text[:40],
)
def test_refuses_everything_but_one_exact_signature(armoured: str, reason: str):
    with pytest.raises(SignatureInvalid, match=reason):
        verify(MESSAGE, armoured)


def test_unused_bits_of_the_last_character_have_one_spelling():
    last = assemble().split("=")[0][-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(last) ^ 1]
    respelt = assemble().replace(f"{last}=\n", f"{other}=\n")
    assert raw_of(respelt) == raw_of(assemble())
    with pytest.raises(SignatureInvalid, match="strict base64"):
        verify(MESSAGE, respelt)


@pytest.mark.parametrize("width", [76, 64, 10_000])
def test_other_programs_may_wrap_elsewhere(width: int):
    assert verify(MESSAGE, armour(raw_of(assemble()), width)) == PUBLIC
    assert verify(MESSAGE, armour(raw_of(assemble()), width).rstrip("\n")) == PUBLIC


def test_every_flipped_bit_is_found_in_text_and_bytes():
    text = sign(KEY, MESSAGE)
    raw = raw_of(text)
    changed = [text[:i] + chr(ord(text[i]) ^ (1 << bit)) + text[i + 1 :] for i in range(len(text)) for bit in range(8)]
    changed += [armour(flip(raw, i, bit)) for i in range(len(raw)) for bit in range(8)]
    for armoured in changed:
        with pytest.raises(SignatureInvalid):
            verify(MESSAGE, armoured)
    for i in range(len(MESSAGE)):
        with pytest.raises(SignatureInvalid, match="does not fit the signed bytes"):
            verify(flip(MESSAGE, i, 0), text)


def flip(data: bytes, index: int, bit: int) -> bytes:
    return data[:index] + bytes([data[index] ^ (1 << bit)]) + data[index + 1 :]


def test_every_truncation_is_refused():
    text = sign(KEY, MESSAGE)
    raw = raw_of(text)
    for cut in [*(text[:i] for i in range(len(text) - 1)), *(armour(raw[:i]) for i in range(len(raw)))]:
        with pytest.raises(SignatureInvalid):
            verify(MESSAGE, cut)
        with pytest.raises(SignatureInvalid):
            public_key_of(cut)


def test_the_named_key_is_read_without_verifying():
    other = Ed25519PrivateKey.generate()
    blob = pack(KIND, other.public_key().public_bytes_raw())
    forged = assemble(blob=blob)
    assert public_key_of(forged) == parse_blob(blob).text
    with pytest.raises(SignatureInvalid, match="does not fit the signed bytes"):
        verify(MESSAGE, forged)


def test_a_bad_signature_is_an_answer_and_no_failure_of_the_program():
    assert issubclass(SignatureInvalid, ValueError)
    assert not issubclass(SignatureInvalid, MigrateFlowError)


def test_parsed_keys_are_kept_within_bounds():
    assert parse_blob(BLOB) is parse_blob(BLOB)
    assert parse_blob.cache_parameters()["maxsize"] == 1024
