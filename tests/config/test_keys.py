from __future__ import annotations

import base64

import pytest

from migrate_flow.config.keys import normalise
from tests.config.samples import ADA, P256, P384, blob

POINT = b"\x04" + b"p" * 64
SK_ED25519 = "sk-ssh-ed25519@openssh.com " + blob(b"sk-ssh-ed25519@openssh.com", b"k" * 32, b"ssh:")
SK_ECDSA = "sk-ecdsa-sha2-nistp256@openssh.com " + blob(
    b"sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", POINT, b"ssh:"
)


@pytest.mark.parametrize("key", [ADA, P256, P384, SK_ED25519, SK_ECDSA], ids=lambda key: key.split()[0])
def test_a_key_loses_its_comment_and_nothing_else(key: str) -> None:
    assert normalise(key) == key
    assert normalise(f"  {key}  ada@laptop and more ") == key


def respelt(key: str) -> str:
    """The same bytes in other base64: the last character's spare bits set."""
    kind, _, text = key.partition(" ")
    body = text.rstrip("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = body[:-1] + alphabet[alphabet.index(body[-1]) + 1] + "=" * (len(text) - len(body))
    assert base64.b64decode(other) == base64.b64decode(text)
    return f"{kind} {other}"


@pytest.mark.parametrize(
    "key",
    [
        "ssh-ed25519 " + blob(b"ssh-ed25519", b"k" * 32, b""),
        "ssh-ed25519 " + base64.b64encode(base64.b64decode(ADA.split()[1]) + b"x").decode(),
        "ssh-ed25519 " + P256.split()[1],
        "ecdsa-sha2-nistp384 " + P256.split()[1],
        "ecdsa-sha2-nistp256 " + blob(b"ecdsa-sha2-nistp256", b"nistp384", POINT),
        "ecdsa-sha2-nistp256 " + blob(b"ecdsa-sha2-nistp256", b"nistp256", b"\x02" + b"p" * 32),
        "ecdsa-sha2-nistp256 " + blob(b"ecdsa-sha2-nistp256", b"nistp256", b"\x03" + b"p" * 64),
        "sk-ssh-ed25519@openssh.com " + blob(b"sk-ssh-ed25519@openssh.com", b"k" * 32),
        "sk-ssh-ed25519@openssh.com " + blob(b"sk-ssh-ed25519@openssh.com", b"k" * 32, b""),
        "ssh-ed25519 " + base64.b64encode(b"\xff\xff\xff\xff").decode(),
        "ssh-ed25519 " + base64.b64encode(b"\x00").decode(),
        respelt(P256),
        f"SSH-ED25519 {ADA.split()[1]}",
        "",
    ],
)
def test_what_is_no_key_or_another_spelling_of_one_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="key") as caught:
        normalise(key)
    assert not key.split()[1:] or key.split()[1] not in str(caught.value)
