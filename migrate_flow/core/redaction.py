"""The one redactor: what was learned as a secret never leaves the program as text.

The set of secrets belongs to the process, not to an object that somebody could forget to hand on: a driver's error
text passes through many hands before it is printed or recorded.
"""

from __future__ import annotations

import json
import re

MASK = "***"
# What the flow and the drivers read for themselves, and env.py may repeat.
SECRET_VARIABLES = ("PGPASSWORD", "MYSQL_PWD", "MIGRATE_FLOW_SIGNING_KEY")
SHORTEST = 4
_SECRETS: set[str] = set()
_ESCAPE = re.compile(r"%[0-9A-F]{2}")
_CREDENTIALS = re.compile(r"(?<=://)([^\s:/@]*):(\S+)@")  # to the last @: rather too much than a part of a password
_PARAMETERS = re.compile(
    r"""(?ix) (password|passwd|pwd|(?<!revision\ )identified\s+by) (["']?\s*[=:]\s*|\s+(?=['"]))
    (?: '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | [^\s&;,)]+ )"""
)
_IN_SQL = re.compile(r"""(?ix) (\bpassword\s*\(\s*) (?: '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" )""")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def remember(secret: str | None) -> None:
    """Mask this value in every text from now on, however a URL, a configuration or a driver spells it.

    Values of less than four characters are not masked: too much else would be.
    """
    if secret and len(secret) >= SHORTEST:
        _SECRETS.update(spelling for spelling in _spellings(secret) if len(spelling) >= SHORTEST)


def _spellings(secret: str) -> set[str]:
    from urllib.parse import quote, quote_plus

    # " +" are the characters that SQLAlchemy leaves as they are. surrogateescape: as os.environ reads foreign bytes.
    quoted = {quote(secret, safe=safe, errors="surrogateescape") for safe in ("", "/", " +")}
    quoted.add(quote_plus(secret, errors="surrogateescape"))
    quoted |= {_ESCAPE.sub(lambda found: found[0].lower(), text) for text in quoted}
    escaped = {repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    doubled = {secret.replace("'", "''"), secret.replace("\\", "\\\\").replace("'", "\\'")}
    in_ini = {text.replace("%", "%%") for text in (secret, *quoted)}
    return {secret, " ".join(secret.split()), *quoted, *escaped, *doubled, *in_ini}


def redact(text: str) -> str:
    """The text with every known secret, password in a URL and private key masked."""
    text = _PRIVATE_KEY.sub(MASK, text)
    for secret in sorted(_SECRETS, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _CREDENTIALS.sub(rf"\1:{MASK}@", text)
    return _PARAMETERS.sub(rf"\1\2{MASK}", _IN_SQL.sub(rf"\1{MASK}", text))
