"""Signing by ``ssh-keygen -Y sign``: for keys in ssh-agent, on security keys, under a passphrase, and ECDSA keys."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from migrate_flow.errors import IdentityError
from migrate_flow.signing import key_files
from migrate_flow.signing.private_key import is_sealed
from migrate_flow.signing.sshsig import NAMESPACE, SignatureInvalid, verify

if TYPE_CHECKING:
    from migrate_flow.signing.agent import Agent
    from migrate_flow.signing.local_key import LocalKey

ASKING = threading.Event()  # ssh-keygen may be asking at the terminal: nobody else writes there meanwhile
LIMIT_SECONDS = 60.0  # a security key waits for a finger, a passphrase for its owner

_PROGRAM = "ssh-keygen"
_GRACE_SECONDS = 2.0
# To find the agent, the security key's library, and the window or terminal that asks. No secret of ours is among them.
_KEPT = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "TERM", "TMPDIR", "TEMP", "SYSTEMROOT", "USERPROFILE",
    "DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS",
)  # fmt: skip
_KEPT_PREFIXES = ("SSH_", "XDG_", "LD_", "DYLD_", "OPENSSL_")


@dataclass(frozen=True, slots=True)
class Terminal:
    """The person in front of this process. asks: whether a passphrase or PIN can be asked for. tell: shows a line."""

    asks: bool
    tell: Callable[[str], None]


def terminal(tell: Callable[[str], None], *, asks: bool = True) -> Terminal:
    """As this process has it. asks: False where nobody may be asked."""
    return Terminal(asks and all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)), tell)


def signer(key: LocalKey, agent: Agent, environ: Mapping[str, str], person: Terminal) -> Callable[[bytes], str]:
    """What signs with this key. Raises IdentityError now for all that can be known now, else when it signs."""
    program = shutil.which(_PROGRAM, path=environ.get("PATH"))
    if program is None:
        raise IdentityError(
            f"the program {_PROGRAM} is not here, and the key {key.fingerprint} needs it",
            hint="apt install openssh-client (elsewhere: OpenSSH)",
            where=key.where,
        )
    if key.public_key not in agent.keys:
        _check_private_half(key, person)
    inherited = {name: value for name, value in environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}

    def sign(message: bytes) -> str:
        if key.public_key.startswith("sk-"):
            person.tell(f"touch your security key ({key.fingerprint})")
        with _key_path(key) as path:
            words = [program, "-Y", "sign", "-n", NAMESPACE, "-f", str(path)]
            return _checked(_run(words, message, inherited, key, asks=person.asks), message, key)

    return sign


def _check_private_half(key: LocalKey, person: Terminal) -> None:
    if key.path is None:
        raise IdentityError(
            f"ssh-agent does not hold the key {key.fingerprint} any more", hint="ssh-add FILE", where=key.where
        )
    private = key.path.with_suffix("") if key.path.suffix == ".pub" else key.path
    if key.path.suffix == ".pub" and not private.exists():
        raise IdentityError(
            f"the private half of {key.path} is neither in ssh-agent nor beside it",
            hint="ssh-add FILE",
            where=key.where,
        )
    if is_sealed(key_files.read_private(private, key.where)) and not person.asks:
        raise IdentityError(
            "the private key has a passphrase, and there is no terminal to ask for it",
            hint=f"load it into ssh-agent first: ssh-add {shlex.quote(str(private))}",
            where=key.where,
        )


@contextlib.contextmanager
def _key_path(key: LocalKey) -> Iterator[Path]:
    """A file that names the key: with a public key, ssh-keygen asks the agent for the private half."""
    if key.path is not None:
        yield key.path
        return
    with tempfile.TemporaryDirectory(prefix="migrate-flow-") as folder:
        path = Path(folder) / "key.pub"
        path.write_text(f"{key.public_key}\n", "ascii")
        yield path


def _run(words: list[str], message: bytes, environ: Mapping[str, str], key: LocalKey, *, asks: bool) -> str:
    # Without a terminal of ours, a terminal of the session's must not be asked either, nor a window open.
    quiet = {} if asks else {"SSH_ASKPASS_REQUIRE": "never"}
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environ, **quiet, "LC_ALL": "C"},
        start_new_session=not asks,
    )
    with process:
        ASKING.set()
        try:
            out, err = process.communicate(message, LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise IdentityError(
                f"{_PROGRAM} did not sign within {LIMIT_SECONDS:g} s",
                hint="run it again, and touch the security key or give the passphrase in time",
                where=key.where,
            ) from None
        finally:
            ASKING.clear()
            _end(process)
    if process.returncode:
        raise IdentityError(
            f"{_PROGRAM} could not sign: {_reason(err)}",
            hint="ssh-add -L lists what ssh-agent can sign with; ssh-add FILE adds a key",
            where=key.where,
        )
    return out.decode("ascii", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """However we leave. First asked: asking for a passphrase it has switched the terminal's echo off."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _reason(err: bytes) -> str:
    lines = [line for line in err.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it does not say why"


def _checked(armoured: str, message: bytes, key: LocalKey) -> str:
    """The signature, if it is what was asked for: an agent may be anybody's program."""
    try:
        made_by = verify(message, armoured)
    except SignatureInvalid as error:
        raise IdentityError(
            f"{_PROGRAM} made a signature that does not count: {error}",
            hint="migrate-flow keys list, then sign with another key",
            where=key.where,
        ) from None
    if made_by != key.public_key:
        raise IdentityError(
            f"{_PROGRAM} signed with another key than {key.fingerprint}",
            hint="put the right pair of files back, or ssh-add FILE",
            where=key.where,
        )
    return armoured
