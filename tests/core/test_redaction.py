"""No secret in any text, however it is spelt there."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL

from migrate_flow.core import redaction
from migrate_flow.core.redaction import MASK, redact, remember
from migrate_flow.signing.private_key import private_text
from tests.support.builders import ADA, private_key

SECRETS = [
    "correct-horse",
    "p@ss/w#rd?",
    "50%25 off",
    "two  spaces and\ttab",
    'it\'s "quoted"',
    "back\\slash'quote",
    "ends with backslash\\",
    "pässwörd",
    "пароль",
    "a+b c&d=e;f",
    "***secret***",
    "line\nbreak",
    "[regex].*(a|b)+$^",
    "\\1\\g<0>",
    "bytes \udcff\udc80",
]


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_SECRETS", set())


def spellings(secret: str) -> Iterator[str]:
    """How drivers, libraries and configuration files write it."""
    yield secret
    yield repr(secret)[1:-1]
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield secret.replace("'", "''")  # SQL
    yield secret.replace("\\", "\\\\").replace("'", "\\'")  # libpq
    yield secret.replace("%", "%%")  # ini
    yield " ".join(secret.split())  # an error put on one line
    if not any("\ud800" <= char <= "\udfff" for char in secret):
        yield quote(secret)
        yield quote(secret, safe="")
        yield quote_plus(secret)
        yield quote(secret, safe="").replace("%", "%%")
        yield urlencode({"x": secret})[2:]
        yield URL.create("x", "u", secret, "h").render_as_string(hide_password=False)[6:-2]
        yield re.sub("%..", lambda found: found[0].lower(), quote(secret, safe=""))


@pytest.mark.parametrize("secret", SECRETS, ids=ascii)
def test_a_known_secret_is_masked_in_every_spelling(secret: str) -> None:
    remember(secret)
    for spelt in spellings(secret):
        assert redact(f"before {spelt} after") == f"before {MASK} after"
        assert redact(f"<{spelt}{spelt}>") == f"<{MASK}{MASK}>"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=20), st.text("ab \n", max_size=20))
def test_nothing_of_a_secret_stays(secret: str, around: str) -> None:
    redaction._SECRETS.clear()
    remember(secret)
    assert secret not in redact(f"{around}{secret}{around}").replace(MASK, "")


def test_a_longer_secret_is_masked_before_its_own_part() -> None:
    remember("horse")
    remember("horse-battery")
    assert redact("horse-battery, horse") == f"{MASK}, {MASK}"


@pytest.mark.parametrize("short", [None, "", "a", "abc"])
def test_short_secrets_are_not_masked_everywhere(short: str | None) -> None:
    remember(short)
    text = "a database called abc, about aa"
    assert redact(text) == text


@pytest.mark.parametrize("short", ["x y", "é é", "%%%"])
def test_nor_is_a_short_spelling_of_a_longer_secret(short: str) -> None:
    remember(short)
    remember("a  b")
    assert redact("a b, x y") == "a b, x y"


def test_four_characters_are_masked() -> None:
    remember("abcd")
    assert redact("abcd abcde") == f"{MASK} {MASK}e"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql://ada:s3cret@db/shop", "postgresql://ada:***@db/shop"),
        (
            "could not connect to 'mysql+pymysql://u:abc@h:3306/d'",
            "could not connect to 'mysql+pymysql://u:***@h:3306/d'",
        ),
        ("redis://:s3cret@cache", "redis://:***@cache"),
        ("postgresql://u:a/b#c@db/shop", "postgresql://u:***@db/shop"),
        ("postgresql://u:p@ss@db/shop", "postgresql://u:***@db/shop"),
        ("postgresql://u:p@ss/w@rd@db/shop", "postgresql://u:***@db/shop"),
        ("two: a://u:x@h/d and b://v:y@i/e", "two: a://u:***@h/d and b://v:***@i/e"),
        ("postgresql://ada@db/shop", "postgresql://ada@db/shop"),
        ("http://localhost:8080/ is up", "http://localhost:8080/ is up"),
    ],
)
def test_an_unknown_password_in_a_url_is_masked_whole(text: str, clean: str) -> None:
    assert redact(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "host=db password=s3cret user=ada",
        "host=db password = s3cret user=ada",
        "host=db password='s3cret' user=ada",
        r"host=db password='it\'s s3cret' user=ada",
        'host=db password="s3cret one" user=ada',
        "postgresql://db/shop?user=ada&password=s3cret&sslmode=require",
        "postgresql://db/shop?sslpassword=s3cret",
        "PGPASSWORD=s3cret psql",
        "MYSQL_PWD=s3cret mysql",
        "{'user': 'ada', 'password': 's3cret'}",
        '{"user": "ada", "password": "s3cret"}',
        '{"password":"it\'s \\"s3cret\\""}',
        "connect(user='ada', passwd='s3cret', db='shop')",
        "pwd: s3cret",
        "CREATE ROLE ada LOGIN PASSWORD 's3cret'",
        "ALTER USER ada WITH ENCRYPTED PASSWORD 'it''s s3cret'",
        "CREATE USER ada IDENTIFIED BY 's3cret'",
        "Password=s3cret;Server=db",
    ],
)
def test_an_unknown_password_is_masked_where_it_is_called_one(text: str) -> None:
    clean = redact(text)
    assert "s3cret" not in clean
    assert MASK in clean
    assert "ada" in clean or "ada" not in text
    assert "it'" not in clean


@pytest.mark.parametrize(
    "text",
    [
        'FATAL: password authentication failed for user "ada"',
        "fe_sendauth: no password supplied",
        "the column password_hash is gone",
        "",
    ],
)
def test_talk_about_passwords_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


PEM = private_text(private_key(ADA))
BODY = PEM.splitlines()[1]


@pytest.mark.parametrize(
    "text",
    [
        PEM,
        f"before {PEM} between {PEM} after",
        repr(PEM),
        json.dumps({"key": PEM}),
        " ".join(PEM.split()),
        shlex.quote(PEM),
        PEM[: len(PEM) // 2],
        PEM.replace("OPENSSH ", ""),
        PEM.replace("OPENSSH ", "EC "),
        PEM.replace("OPENSSH ", "ENCRYPTED "),
        PEM.replace("\n", "\r\n"),
    ],
    ids=range(11),
)
def test_a_private_key_is_masked_whole_even_cut_off(text: str) -> None:
    clean = redact(text)
    assert BODY[:20] not in clean
    assert "PRIVATE KEY" not in clean
    assert clean.startswith("before") == text.startswith("before")
    assert ("between" in clean, "after" in clean) == ("between" in text, "after" in text)


def test_a_public_key_is_no_secret() -> None:
    text = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----"
    assert redact(text) == text


def test_the_spellings_are_those_that_are_really_used() -> None:
    """The ini spelling, read back by the library that Alembic reads it with."""
    parser = configparser.ConfigParser()
    parser.read_string("[alembic]\nurl = " + "50%25 off".replace("%", "%%"))
    assert parser["alembic"]["url"] == "50%25 off"


@pytest.mark.parametrize("text", ["password=s3cret", "a://u:p@ss@h", PEM, "host=db password='x y' user=ada"])
def test_redacting_again_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_a_revision_is_no_password() -> None:
    assert redact("Can't locate revision identified by 'aaaa02'") == "Can't locate revision identified by 'aaaa02'"
    assert "hunter2" not in redact("CREATE USER u IDENTIFIED BY 'hunter2'")
