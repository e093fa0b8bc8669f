"""What an agent answers: keys, nothing, nonsense, too much, too late. The agents here are sockets with a script."""

from __future__ import annotations

import base64
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from migrate_flow.signing import agent, ssh_keys
from migrate_flow.signing.private_key import public_text
from migrate_flow.signing.public_key import pack

ADA = "ada@example.com"
Serve = Callable[..., dict[str, str]]


def answer(*blobs: bytes, number: int | None = None, kind: int = 12) -> bytes:
    count = len(blobs) if number is None else number
    body = bytes([kind]) + count.to_bytes(4, "big") + b"".join(pack(blob, b"a comment") for blob in blobs)
    return pack(body)


def text(blob: bytes) -> str:
    size = int.from_bytes(blob[:4], "big")
    return f"{blob[4 : 4 + size].decode()} {base64.b64encode(blob).decode()}"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """``serve(*parts, pause=0)``: an agent that answers one question with these bytes; its environment."""
    threads: list[threading.Thread] = []
    stop = threading.Event()
    # The path of a socket has at most a hundred bytes, which a test's own folder may exceed.
    with TemporaryDirectory(prefix="agent-") as folder, closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(f"{folder}/socket")
        listener.listen()
        listener.settimeout(10)

        def start(*parts: bytes, pause: float = 0, hold: bool = False) -> dict[str, str]:
            def run() -> None:
                with listener.accept()[0] as connection:
                    connection.settimeout(10)
                    assert connection.recv(5) == b"\0\0\0\1\x0b"
                    for part in parts:
                        try:
                            connection.sendall(part)
                        except OSError:
                            return
                        stop.wait(pause)
                    if hold:
                        stop.wait(10)

            threads.append(threading.Thread(target=run))
            threads[-1].start()
            return {"SSH_AUTH_SOCK": f"{folder}/socket"}

        yield start
        stop.set()
        for thread in threads:
            thread.join()


ED25519 = pack(b"ssh-ed25519", b"\1" * 32)
RSA = pack(b"ssh-rsa", b"\1\0\1", b"\1" * 256)
# What is inside a certificate is not fields alone: here a number of eight bytes.
CERTIFICATE = pack(b"ssh-ed25519-cert-v01@openssh.com", b"n" * 32, b"\1" * 32) + b"\0\0\0\0\0\0\0\7" + b"\0\0\0\1"


def test_all_kinds_of_keys_are_listed_in_the_agent_s_order(serve: Serve):
    assert agent.ask(serve(answer(RSA, CERTIFICATE, ED25519))) == agent.Agent(
        (text(RSA), text(CERTIFICATE), text(ED25519))
    )


def test_an_agent_without_keys_has_no_problem(serve: Serve):
    assert agent.ask(serve(answer())) == agent.Agent()


def test_an_answer_may_come_in_pieces(serve: Serve):
    whole = answer(ED25519)
    assert agent.ask(serve(*(whole[i : i + 1] for i in range(len(whole))))).keys == (text(ED25519),)


@pytest.mark.parametrize(
    "parts",
    [
        (b"",),
        (b"\0\0",),
        (answer(ED25519)[:-1],),
        (answer(ED25519, number=2),),
        (answer(ED25519, number=0),),
        (answer(ED25519, kind=5),),
        (pack(b""),),
        (pack(b"\x05"),),
        (answer(b""),),
        (answer(pack("schlüssel".encode())),),
        (b"\xff\xff\xff\xff", b"x" * 1000),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n",),
    ],
)
def test_nonsense_is_no_key_and_no_failure(serve: Serve, parts: tuple[bytes, ...]):
    found = agent.ask(serve(*parts))
    assert found.keys == ()
    assert found.problem.endswith("does not answer as an agent")


def test_an_agent_that_hangs_is_left_after_its_second(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(agent, "LIMIT_SECONDS", 0.1)
    before = time.monotonic()
    assert agent.ask(serve(hold=True)).problem.endswith("did not answer within 0.1 s")
    assert time.monotonic() - before < 2


def test_an_agent_that_sends_byte_by_byte_is_left_too(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(agent, "LIMIT_SECONDS", 0.2)
    whole = answer(*[ED25519] * 100)
    before = time.monotonic()
    assert "did not answer within" in agent.ask(serve(*(whole[i : i + 1] for i in range(200)), pause=0.05)).problem
    assert time.monotonic() - before < 2


@pytest.mark.parametrize(
    ("value", "problem"),
    [("", "not set"), ("/nowhere/at/all", "No such file"), ("/dev/null", "refused"), ("/" + "x" * 200, "too long")],
)
def test_without_an_agent_it_is_said_why(value: str, problem: str):
    found = agent.ask({"SSH_AUTH_SOCK": value})
    assert found.keys == ()
    assert problem in found.problem
    assert agent.ask({}).problem == "SSH_AUTH_SOCK not set"


def pair(folder: Path, name: str) -> str:
    key = public_text(Ed25519PrivateKey.generate())
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("private")
    (folder / f"{name}.pub").write_text(f"{key} a comment\n")
    return key


def test_of_a_hundred_keys_only_those_that_the_policy_knows_count(home: Path):
    mine = pair(home / ".ssh", "id_ed25519")
    for number in range(100):
        pair(home / ".ssh", f"other{number}")
    strangers = [public_text(Ed25519PrivateKey.generate()) for _ in range(100)]
    held = agent.Agent((*strangers[:60], "ssh-rsa AAAA", *strangers[60:]))
    keys, tried = ssh_keys.known({mine: ADA, strangers[70]: "bob@example.com"}, held)
    assert [(key.person, key.public_key, key.store) for key in keys] == [
        ("bob@example.com", strangers[70], "agent"),
        (ADA, mine, "ssh"),
    ]
    assert (keys[1].path, keys[1].where) == (home / ".ssh" / "id_ed25519", str(home / ".ssh" / "id_ed25519"))
    assert tried == ["ssh-agent (101 keys: bob@example.com)", f"~/.ssh (101 keys: {ADA})"]


def test_a_key_that_the_agent_holds_counts_there(home: Path):
    mine = pair(home / ".ssh", "id_ed25519")
    keys, tried = ssh_keys.known({mine: ADA}, agent.Agent((mine,)))
    assert [key.store for key in keys] == ["agent"]
    assert tried == [f"ssh-agent (1 key: {ADA})", "~/.ssh (1 key: none that the policy knows)"]


def test_what_is_no_pair_of_files_is_passed_over(home: Path):
    folder = home / ".ssh"
    alone, mine = pair(folder, "alone"), pair(folder, "mine")
    (folder / "alone").unlink()
    os.mkfifo(folder / "pipe.pub")
    for name, content in (("empty", ""), ("one-word", "ssh-ed25519"), ("binary", "\x00\x01 \x02")):
        pair(folder, name)
        (folder / f"{name}.pub").write_text(content)
    (folder / "folder.pub").mkdir()
    keys, _ = ssh_keys.known({alone: ADA, mine: ADA}, agent.Agent())
    assert [key.public_key for key in keys] == [mine]


def test_no_agent_and_no_folder_is_nothing(home: Path):
    assert ssh_keys.known({"ssh-ed25519 AAAA": ADA}, agent.ask({})) == (
        [],
        ["ssh-agent (SSH_AUTH_SOCK not set)", "~/.ssh (no key)"],
    )
