"""The canaries themselves: a secret that came out is found, however it is spelt; what is none is left alone."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.support.canary import CANARIES, Canaries
from tests.support.shell import Shell, make_home

SECRET = 'it\'s a "test" of 100%/é@#:'
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(100, 132)))
PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
PUBLIC = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

SPELT: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "repr": repr,
    "json": json.dumps,
    "json in UTF-8": lambda secret: json.dumps(secret, ensure_ascii=False),
    "in a URL": lambda secret: f"postgresql://u:{quote(secret, safe='')}@h/d",
    "in a form": quote_plus,
    "in lower case": lambda secret: quote(secret, safe="").lower(),
    "in an ini file": lambda secret: quote(secret, safe="").replace("%", "%%"),
    "in SQL": lambda secret: secret.replace("'", "''"),
    "in hexadecimal digits": lambda secret: secret.encode().hex(),
    **{
        f"in base64, {ahead} bytes in": lambda secret, ahead=ahead: base64.b64encode(
            b"xyz"[:ahead] + secret.encode() + b"more"
        ).decode()
        for ahead in range(3)
    },
}


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.mark.parametrize("spell", SPELT.values(), ids=list(SPELT))
def test_a_password_is_found_in_every_spelling(canaries: Canaries, spell: Callable[[str], str]) -> None:
    secret = SECRET.lower()
    text = f"<{spell(secret)}>"
    canaries.check(text, "before")
    canaries.add(secret, "the password")
    assert canaries.found(text.encode()) == ["the password"]
    canaries.forget()
    canaries.check(text, "after")


@pytest.mark.parametrize(
    "leak",
    [
        PRIVATE,
        repr(PRIVATE),
        " ".join(PRIVATE.split()),
        PRIVATE.splitlines()[3],
        KEY.private_bytes_raw().hex(),
        repr(KEY.private_bytes_raw()),
        base64.b64encode(KEY.private_bytes_raw()).decode(),
    ],
    ids=["file", "repr", "one line", "a line", "hex", "number", "base64"],
)
def test_a_private_key_is_found_in_parts_and_its_public_half_is_none(canaries: Canaries, leak: str) -> None:
    canaries.add(PRIVATE, "the key")
    assert "the key" in canaries.found(leak.encode())
    canaries.check(PUBLIC, "the public half")
    canaries.check(PUBLIC.split()[1], "the public half")


def test_a_private_key_that_nobody_told_of_is_found(canaries: Canaries) -> None:
    assert canaries.found(repr(PRIVATE).encode()) == ["a private key"]


def test_the_public_half_of_another_kind_of_key_is_none(canaries: Canaries) -> None:
    key = generate_private_key(SECP256R1())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    canaries.add(text, "the key")
    assert "the key" in canaries.found(text.encode())
    canaries.check(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH), "the public half")


def test_keys_and_passwords_are_learnt_from_where_the_product_has_them(canaries: Canaries, tmp_path: Path) -> None:
    keys = tmp_path / ".migrate-flow" / "keys"
    keys.mkdir(parents=True)
    (keys / "ada@example.com").write_text(PRIVATE)
    (keys / "ada@example.com.pub").write_text(PUBLIC)
    environ = {
        "DEV_DATABASE_URL": "postgresql://u:from%20a%2FURL@h/d?sslpassword=of-the-key",
        "PGPASSWORD": "of-libpq",
        "PATH": "/usr/bin",
    }
    canaries.learn([tmp_path], environ)
    told = f"{KEY.private_bytes_raw().hex()} from a/URL of-the-key of-libpq /usr/bin {PUBLIC}"
    assert canaries.found(told.encode()) == sorted(
        ["PGPASSWORD", "the password in DEV_DATABASE_URL", f"the private key in {keys / 'ada@example.com'}"]
    )


def test_files_are_looked_through_but_for_keys_and_what_the_test_wrote(canaries: Canaries, tmp_path: Path) -> None:
    canaries.add("canary-in-a-file", "the password")
    (tmp_path / "alembic.ini").write_text("canary-in-a-file")
    (tmp_path / "key").write_text(PRIVATE)
    canaries.own(tmp_path / "alembic.ini")
    canaries.check_files(tmp_path.parent, tmp_path)
    with closing(sqlite3.connect(tmp_path / "target.db")) as connection:
        connection.execute("CREATE TABLE t (text)")
        connection.execute("INSERT INTO t VALUES ('the canary-in-a-file')")
        connection.commit()
    with pytest.raises(AssertionError, match=r"the password in: .*target\.db"):
        canaries.check_files(tmp_path.parent, tmp_path)


def test_a_server_log_may_have_what_sets_a_password_and_nothing_else(canaries: Canaries, tmp_path: Path) -> None:
    canaries.add("canary-in-a-log", "the password")
    canaries.forget()  # the test is over, the server is not
    log = tmp_path / "log"
    log.write_text("LOG:  statement: CREATE ROLE ada LOGIN PASSWORD 'canary-in-a-log'\n")
    canaries.check_log(log)
    log.write_text("LOG:  statement: CREATE TABLE t AS SELECT 'canary-in-a-log'\n")
    with pytest.raises(AssertionError, match="the password in the log"):
        canaries.check_log(log)


def test_a_command_of_any_test_that_shows_a_secret_fails_it(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "alembic.py").write_text("import os; print(os.environ.get('DEV_DATABASE_URL', ''))\n")
    shell = Shell(folder, make_home(tmp_path / "home"), tmp_path / "pycache")
    assert shell.alembic().out == "\n"
    with pytest.raises(AssertionError, match="the password in DEV_DATABASE_URL"):
        shell.under(DEV_DATABASE_URL="postgresql://u:canary-in-an-output@h/d").alembic()
    CANARIES.forget()
