"""Security keys: signatures that others recorded, and those of a key in software. No hardware was used here.

``vectors/security_keys/README.md`` says where the recorded ones are from.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from migrate_flow.config.keys import normalise
from migrate_flow.signing.public_key import field, normalise_public_key, pack, parse_blob, unpack
from migrate_flow.signing.sshsig import SignatureInvalid, public_key_of, verify
from tests.signing import security_key

VECTORS = Path(__file__).parent / "vectors" / "security_keys"

each_kind = pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
each_key = pytest.mark.parametrize("make", [Ed25519PrivateKey.generate, security_key.make_ecdsa])
Make = Callable[[], security_key.Private]


def recorded(name: str) -> tuple[bytes, bytes, bytes]:
    """The key's blob, the signature's fields after its type, and what was signed, in the recorder's namespace."""
    lines = (VECTORS / f"{name}.sig").read_text().splitlines()
    blob, space, reserved, hash_name, signature = unpack(base64.b64decode("".join(lines[1:-1])), len(b"SSHSIG") + 4)
    message = (VECTORS / f"message-{space.decode()}").read_bytes()
    signed = b"SSHSIG" + pack(space, reserved, hash_name, hashlib.new(hash_name.decode(), message).digest())
    return blob, signature[field(signature)[1] :], signed


@each_kind
@pytest.mark.parametrize("origin", ["device-{}-touched", "device-{}-verified", "software-{}"])
def test_signatures_that_others_recorded_verify(origin: str, kind: str):
    name = origin.format(kind)
    blob, fields, signed = recorded(name)
    key = parse_blob(blob)
    line = (VECTORS / f"{name}.pub").read_text()
    assert key.text == normalise_public_key(line) == normalise(line)
    key.check(fields, signed)
    for place in range(len(fields)):
        # The lengths of the fields, the numbers, the flags and the counter: all of it is checked.
        changed = fields[:place] + bytes([fields[place] ^ 1]) + fields[place + 1 :]
        with pytest.raises((InvalidSignature, ValueError)):
            key.check(changed, signed)
    with pytest.raises(InvalidSignature):
        key.check(fields, signed + b"x")


@each_kind
def test_what_a_device_signed_without_a_touch_is_refused(kind: str):
    blob, fields, signed = recorded(f"device-{kind}-untouched")
    with pytest.raises(ValueError, match="without being touched"):
        parse_blob(blob).check(fields, signed)


@pytest.mark.parametrize("name", sorted(path.stem for path in VECTORS.glob("*.sig")))
def test_recorded_signatures_for_other_uses_are_refused(name: str):
    armoured = (VECTORS / f"{name}.sig").read_text()
    for read in (public_key_of, lambda text: verify(b"", text)):
        with pytest.raises(SignatureInvalid, match="made for another use"):
            read(armoured)


def test_a_browser_s_signature_is_of_another_type_than_its_key():
    """WebAuthn signs what the browser wrote around the statement, for which ssh-keygen has a type of its own."""
    lines = (VECTORS / "browser-ecdsa.sig").read_text().splitlines()
    raw = base64.b64decode("".join(lines[1:-1]))
    ours = raw.replace(pack(b"unittest"), pack(b"migrate-flow"))
    with pytest.raises(SignatureInvalid, match="another type than its key"):
        verify(b"", "\n".join([lines[0], base64.b64encode(ours).decode(), lines[-1]]))


@each_key
def test_a_touched_software_key_verifies(make: Make):
    key = make()
    for _ in range(20):  # the numbers of an ECDSA signature vary in length
        public = verify(b"message", security_key.touch_and_sign(key, b"message"))
        assert public == parse_blob(security_key.blob(key)).text


@each_key
def test_a_software_key_must_be_touched_for_these_bytes(make: Make):
    key = make()
    with pytest.raises(SignatureInvalid, match="without being touched"):
        verify(b"message", security_key.touch_and_sign(key, b"message", flags=b"\0"))
    with pytest.raises(SignatureInvalid, match="does not fit"):
        verify(b"other", security_key.touch_and_sign(key, b"message"))


@each_key
def test_the_touch_itself_is_signed(make: Make):
    untouched = security_key.touch_and_sign(make(), b"message", flags=b"\0", counter=1)
    lines = untouched.splitlines()
    raw = bytearray(base64.b64decode("".join(lines[1:-1])))
    raw[-5] = 1
    forged = "\n".join([lines[0], base64.b64encode(raw).decode(), lines[-1]])
    with pytest.raises(SignatureInvalid, match="does not fit"):
        verify(b"message", forged)


@each_key
def test_a_key_for_another_application_is_another_key(make: Make):
    key = make()
    armoured = security_key.touch_and_sign(key, b"message")
    raw = base64.b64decode("".join(armoured.splitlines()[1:-1]))
    moved = raw.replace(pack(b"ssh:"), pack(b"web:"))
    assert moved != raw
    body = base64.b64encode(moved).decode()
    with pytest.raises(SignatureInvalid, match="does not fit"):
        verify(b"message", f"-----BEGIN SSH SIGNATURE-----\n{body}\n-----END SSH SIGNATURE-----\n")
