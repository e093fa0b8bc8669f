"""The suite's canaries: every secret that a test puts somewhere, and the proof that it comes out nowhere.

Most are learnt without being told: private keys from the places where the product keeps them, passwords from the
variables of a command. Tests name the others. What is told here is not told by the product: this module spells a secret
in its own ways, not in those of the redactor that it tests.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, quote, quote_plus, unquote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

SHORTEST = 6  # a shorter word would be found where it is none
LONGEST_FILE = 8 << 20
# How every private key in OpenSSH's form begins: found without knowing the key.
KEY_BODY = b"b3BlbnNzaC1rZXktdjEAAAA"
_KEY_FILE = b"-----BEGIN "
_NAMED = re.compile(r"://[^:/@\s]*:([^\s@]+)@")
_SECRET_NAMES = re.compile(r"(?i)passw(or)?d|passphrase|_pwd$")
_VARIABLES = re.compile(r"PGPASSWORD|MYSQL_PWD|MIGRATE_FLOW_SIGNING_KEY|.*_URL")

Spelt = dict[bytes, str]  # a secret as it may be written -> what it is


def spellings(secret: str) -> Iterator[bytes]:
    """As URLs, configurations, drivers, Python and JSON write it; in base64 wherever it begins."""
    raw = secret.encode(errors="surrogateescape")
    quoted = {quote(raw), quote(raw, safe=""), quote(raw, safe=" +"), quote_plus(raw)}
    quoted |= {re.sub("%..", lambda found: found[0].lower(), text) for text in quoted}
    texts = {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    texts |= {secret.replace("'", "''"), secret.replace("\\", "\\\\").replace("'", "\\'"), shlex.quote(secret)}
    texts |= {text.replace("%", "%%") for text in texts | quoted} | quoted
    yield from (text.encode(errors="surrogateescape") for text in texts)
    yield from coded(raw)


def coded(raw: bytes) -> Iterator[bytes]:
    """In hexadecimal digits, and in base64 within a longer text: at each of three places only the middle is its own."""
    yield raw.hex().encode()
    for ahead in range(3):
        text = base64.b64encode(bytes(ahead) + raw)
        yield text[(0, 2, 3)[ahead] : -4]


def of_key(text: str) -> Iterator[bytes]:
    """Of an OpenSSH private key: the lines of its body, and the secret number itself."""
    body = [line for line in text.splitlines() if line and not line.startswith("-----")]
    lines = [line.encode() for line in body[1:] if len(line) >= 40]
    try:
        key = load_ssh_private_key(text.encode(), password=None)
    except (ValueError, TypeError):  # damaged on purpose, or under a passphrase
        yield from lines
        return
    # The private key holds the public one, which of some kinds fills a line.
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    yield from (line for line in lines if line not in public)
    if isinstance(key, Ed25519PrivateKey):
        seed = key.private_bytes_raw()
        yield from (seed, repr(seed)[2:-1].encode(), *coded(seed))


class Canaries:
    """Those of one test; `forget` ends it. Keys and passwords that were read once are not read again."""

    def __init__(self) -> None:
        self.passwords: Spelt = {}  # of the whole session
        self._here: Spelt = {}
        self._inputs: set[Path] = set()
        self._folders: set[Path] = set()
        self._known: set[object] = set()
        self._files: dict[tuple[str, int, int], Spelt] = {}
        self._texts: dict[str, Spelt] = {}

    def add(self, secret: str, what: str) -> None:
        """A password, a passphrase, or the text of a private key."""
        if len(secret) < SHORTEST or (secret, what) in self._known:
            return
        self._known.add((secret, what))
        spelt = self._texts.get(secret)
        if spelt is None:
            key = "PRIVATE KEY" in secret
            found = of_key(secret) if key else spellings(secret)
            spelt = self._texts[secret] = {text: what for text in found if len(text) >= SHORTEST}
            if not key:
                self.passwords |= spelt
        self._here |= spelt

    def own(self, path: Path) -> None:
        """A file, or a folder of them, that the test itself writes secrets into."""
        self._inputs.add(path.resolve())

    def learn(self, folders: Iterable[Path], environ: Mapping[str, str]) -> None:
        """The keys that lie in a project's or a home's own places, and the secrets in variables."""
        for folder in folders:
            self._folders.add(folder.resolve())
            for place in (folder / ".migrate-flow" / "keys", folder / "data" / "migrate-flow" / "keys", folder):
                self._learn_keys(place, everything=place != folder)
        for name, value in environ.items():
            if value and _VARIABLES.fullmatch(name):
                self._learn_value(name, value)

    def _learn_keys(self, place: Path, *, everything: bool) -> None:
        try:
            entries = [entry for entry in os.scandir(place) if everything or "recovery" in entry.name]
        except OSError:
            return
        for entry in entries:
            if entry.name.endswith(".pub") or not entry.is_file():
                continue
            status = entry.stat()
            stamp = (entry.path, status.st_mtime_ns, status.st_size)
            if stamp in self._known:
                continue
            self._known.add(stamp)
            if stamp not in self._files:
                text = Path(entry.path).read_text("ascii", "replace")
                self._files[stamp] = dict.fromkeys(of_key(text), f"the private key in {entry.path}")
            self._here |= self._files[stamp]

    def _learn_value(self, name: str, value: str) -> None:
        if (name, value) in self._known:
            return
        self._known.add((name, value))
        if not name.endswith("_URL"):
            self.add(value, name)
            return
        for secret in url_secrets(value):
            self.add(secret, f"the password in {name}")

    def check(self, output: str | bytes, where: object) -> None:
        """AssertionError where a canary stands in it."""
        data = output.encode(errors="surrogateescape") if isinstance(output, str) else output
        found = self.found(data)
        assert not found, f"{', '.join(found)} in: {where}"

    def found(self, data: bytes) -> list[str]:
        """What was found in it."""
        marks = ["a private key"] if KEY_BODY in data else []
        return sorted({*marks, *(what for text, what in self._here.items() if text in data)})

    def check_files(self, within: Path, *more: Path) -> None:
        """AssertionError where a canary stands in a file of a project or home that was met, or below the folders given;
        but for a key's own file and the test's inputs. within: where tests have their folders."""
        folders = {folder for folder in self._folders if within.resolve() in folder.parents}
        folders |= {folder.resolve() for folder in more}
        tops = [folder for folder in folders if folders.isdisjoint(folder.parents)]
        files = [Path(path, name) for top in tops for path, _below, names in os.walk(top) for name in names]
        # Keys that no command of this test has met: of a copied project.
        for place in {path.parent for path in files if path.parent.name == "keys"}:
            self._learn_keys(place, everything=True)
        for path in files:
            if path.is_file() and self._inputs.isdisjoint((path, *path.parents)):
                self._check_file(path)

    def _check_file(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                data = file.read(LONGEST_FILE)
        except OSError:
            return
        if not data.startswith(_KEY_FILE):
            self.check(data, path)

    def check_log(self, path: Path) -> None:
        """Of a server that many tests used: AssertionError where a password or a key of any of them stands in it,
        but for statements that were to set the password."""
        sets_it = re.compile(rb"(?i)\b(create|alter) (role|user)\b|user mapping")
        with path.open("rb") as file:
            for line in file:
                if sets_it.search(line):
                    continue
                found = {what for text, what in self.passwords.items() if text in line}
                assert not found, f"{', '.join(found)} in the log {path}"
                assert KEY_BODY not in line, f"a private key in the log {path}"

    def forget(self) -> None:
        self._here, self._inputs, self._folders, self._known = {}, set(), set(), set()


def url_secrets(url: str) -> Iterator[str]:
    """The passwords in a URL, as they are written and as they are meant."""
    written = _NAMED.findall(url)
    given = [value for name, value in parse_qsl(url.partition("?")[2]) if _SECRET_NAMES.search(name)]
    yield from dict.fromkeys([*written, *(unquote(text) for text in written), *given])


CANARIES = Canaries()
