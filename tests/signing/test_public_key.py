"""Public keys: one spelling each, with OpenSSH's fingerprint; no other kind passes."""

from __future__ import annotations

import base64
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from migrate_flow.signing.private_key import private_text
from migrate_flow.signing.public_key import fingerprint, normalise_public_key, pack, parse_blob, unpack

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
P256 = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBCh9QJkd55XDAjmwaMntweUopDjHGwX3"
    "RE4XdhuVTPmd54Ag+3O2nxrNwAQy4QjXrwjmyMrI4pNEj/PTniTbjKg="
)
BODY = ED25519.split()[1]


def line(*fields: bytes) -> str:
    return f"{fields[0].decode()} {base64.b64encode(pack(*fields)).decode()}"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (ED25519, ED25519),
        (f"{ED25519} ada@example.com", ED25519),
        (f"  {ED25519}\tAda's laptop, 2nd\n", ED25519),
        (f"{P256} x", P256),
    ],
)
def test_comments_and_blanks_are_dropped(text: str, key: str):
    assert normalise_public_key(text) == key


def test_fingerprints_are_those_of_ssh_keygen():
    assert fingerprint(ED25519) == "SHA256:lbmsoA0yIEcEiVDRnMWuzm+nV+3ZEEpVIURqFoeSspg"
    assert fingerprint(f"{P256} comment") == "SHA256:Bb85GOwQaI8zamq3e08KCP39/ot4YHtDXeeAT/Lvdp0"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "one line"),
        ("ssh-ed25519", "one line"),
        (f"{ED25519}\n{P256}", "one line"),
        (f'namespaces="git" {ED25519}', "without options"),
        (f"ssh-ed25519 {BODY[:-1]}", "not base64"),
        (f"ssh-ed25519 {BODY}=", "not base64"),
        (f"ssh-ed25519 {BODY[:-1]}\u00e9", "not base64"),
        (f"ssh-ed25519 {BODY[:8]}!{BODY[8:]}", "not base64"),
        (f"ssh-rsa {BODY}", "type before the key"),
        (f"SSH-ED25519 {BODY}", "type before the key"),
        ("ssh-ed25519 AAAA", "cut short"),
        (line(b"ssh-ed25519", b"\1" * 31), "32 bytes"),
        (line(b"ssh-ed25519", b"\1" * 32, b""), "damaged"),
        (line(b"ssh-rsa", b"\1\0\1", b"\1" * 256), "not supported: use ssh-ed25519"),
        (line(b"ssh-ed25519-cert-v01@openssh.com", b"\1" * 32), "damaged or of a kind"),
        (line(b"ecdsa-sha2-nistp256", b"nistp384", b"\4" + b"\1" * 96), "damaged"),
        (line(b"sk-ecdsa-sha2-nistp256@openssh.com", b"nistp384", b"\4" + b"\1" * 96, b"ssh:"), "damaged"),
        (line(b"sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", b"\2" + b"\1" * 32, b"ssh:"), "uncompressed"),
        (line(b"sk-ssh-ed25519@openssh.com", b"\1" * 32), "damaged"),
        (line(b"ecdsa-sha2-nistp256", b"nistp256", b"\2" + b"\1" * 32), "uncompressed"),
        (line(b"ecdsa-sha2-nistp256", b"nistp256", b"\4" + b"\1" * 64), "(?i)curve|point|key"),
    ],
)
def test_anything_else_is_refused_with_a_reason(text: str, reason: str):
    with pytest.raises(ValueError, match=reason):
        normalise_public_key(text)


def test_a_private_key_pasted_by_mistake_is_not_quoted():
    text = private_text(Ed25519PrivateKey.generate())
    with pytest.raises(ValueError, match="this is a private key") as caught:
        normalise_public_key(text)
    assert not any(part in str(caught.value) for part in re.findall(r"\S{20,}", text))


@pytest.mark.parametrize("data", [b"\0", b"\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\xff", b"\0\0\0\1ab"])
def test_fields_that_do_not_add_up(data: bytes):
    with pytest.raises(ValueError, match="cut short"):
        unpack(data)


def test_fields_round_trip():
    assert unpack(pack(b"", b"a", b"bc" * 300)) == [b"", b"a", b"bc" * 300]
    assert unpack(b"") == []


def shortest(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def test_ecdsa_numbers_have_one_spelling():
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    check = parse_blob(pack(b"ecdsa-sha2-nistp256", b"nistp256", point)).check
    r, s = decode_dss_signature(key.sign(b"signed", ec.ECDSA(SHA256())))
    check(pack(pack(shortest(r), shortest(s))), b"signed")
    for pair in (
        pack(b"\0" + shortest(r), shortest(s)),
        pack(shortest(r), b""),
        pack(shortest(r), b"\0"),
        pack((r | 1 << 255).to_bytes(32, "big"), shortest(s)),
    ):
        with pytest.raises(ValueError, match="shortest form"):
            check(pack(pair), b"signed")
    for pair in (pack(shortest(r)), pack(shortest(r), shortest(s), shortest(s)), b""):
        with pytest.raises(ValueError, match="two numbers"):
            check(pack(pair), b"signed")
