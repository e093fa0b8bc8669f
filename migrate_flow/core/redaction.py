"""The one redactor: what was learned as a secret never leaves the program as text.

The set of secrets belongs to the process, not to an object that somebody could forget to hand on: a driver's error
text passes through many hands before it is printed or recorded.
"""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus

MASK = "***"
_SECRETS: set[str] = set()
_CREDENTIALS = re.compile(r"(?<=://)([^\s:/@]*):([^\s@/]+)@")
_PARAMETERS = re.compile(r"(?i)\b((?:ssl)?password|passwd|pwd)(\s*[=:]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s&;,)]+)")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def remember(secret: str | None) -> None:
    """Mask this value, and its URL-quoted spellings, in every text from now on. Very short values are not masked."""
    if secret and len(secret) >= 4:
        _SECRETS.update({secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]})


def redact(text: str) -> str:
    """The text with every known secret, password in a URL and private key masked."""
    text = _PRIVATE_KEY.sub(MASK, text)
    for secret in sorted(_SECRETS, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _CREDENTIALS.sub(rf"\1:{MASK}@", text)
    return _PARAMETERS.sub(rf"\1\2{MASK}", text)
