"""What ssh-agent holds, asked over its socket: this is on the path of commands, where no process should start.

Source: the IETF's draft-ietf-sshm-ssh-agent, sections 3 and 3.5.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrate_flow.signing.public_key import key_text, unpack

if TYPE_CHECKING:
    import socket

VARIABLE = "SSH_AUTH_SOCK"
LIMIT_SECONDS = 1.0

_REQUEST_IDENTITIES = b"\0\0\0\1\x0b"
_IDENTITIES_ANSWER = 12
_MOST_BYTES = 1 << 18  # OpenSSH's own limit of a message


@dataclass(frozen=True, slots=True)
class Agent:
    """keys: ``type base64``, in the agent's order. problem: why there are none, empty where it answered."""

    keys: tuple[str, ...] = ()
    problem: str = ""


def ask(environ: Mapping[str, str]) -> Agent:
    """The public keys of the agent that SSH_AUTH_SOCK names, within a second; never raises."""
    path = environ.get(VARIABLE, "")
    if not path:
        return Agent(problem=f"{VARIABLE} not set")
    try:
        return Agent(_public_keys(_answer(path)))
    except TimeoutError:
        return Agent(problem=f"{VARIABLE}={path} did not answer within {LIMIT_SECONDS:g} s")
    except OSError as error:
        return Agent(problem=f"{VARIABLE}={path}: {error.strerror or error}")
    except ValueError:
        return Agent(problem=f"{VARIABLE}={path} does not answer as an agent")
    except AttributeError:  # Python on Windows has no such sockets
        return Agent(problem=f"{VARIABLE} can't be used here")


def _answer(path: str) -> bytes:
    """The answer's bytes after its length; OSError, ValueError."""
    import socket

    deadline = time.monotonic() + LIMIT_SECONDS
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(LIMIT_SECONDS)
        connection.connect(path)
        connection.sendall(_REQUEST_IDENTITIES)
        size = int.from_bytes(_read(connection, 4, deadline), "big")
        if size > _MOST_BYTES:
            raise ValueError("longer than an agent's answer may be")
        return _read(connection, size, deadline)


def _read(connection: socket.socket, size: int, deadline: float) -> bytes:
    data = b""
    while len(data) < size:
        # A limit for all of it: an agent that sends byte by byte would else never be too late.
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        part = connection.recv(size - len(data))
        if not part:
            raise ValueError("the answer is cut short")
        data += part
    return data


def _public_keys(answer: bytes) -> tuple[str, ...]:
    """ValueError where it is no list of keys."""
    if answer[:1] != bytes([_IDENTITIES_ANSWER]):
        raise ValueError("not a list of keys")
    fields = unpack(answer, 5)
    if len(fields) != 2 * int.from_bytes(answer[1:5], "big"):
        raise ValueError("another number of keys than announced")
    return tuple(key_text(blob) for blob in fields[::2])
