"""Signing by ssh-keygen, with the programs themselves: ssh-agent, ssh-add, passphrases, terminals, kinds of keys."""

from __future__ import annotations

import os
import pty
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sshsig as third_verifier
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from migrate_flow.bootstrap.keyring import KeyRing
from migrate_flow.errors import IdentityError
from migrate_flow.signing import ssh_keygen
from migrate_flow.signing.keys import create_file
from migrate_flow.signing.public_key import normalise_public_key, parse_blob
from migrate_flow.signing.sshsig import sign, verify
from tests.bootstrap.keys import ADA, policy
from tests.signing import security_key
from tests.support.ssh_agents import agent_with, real_agent

pytestmark = pytest.mark.system

MESSAGE = b'{"a":1}'
PASSPHRASE = "correct horse battery"
FILE_VARIABLE = "MIGRATE_FLOW_SIGNING_KEY_FILE"

each_kind = pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with real_agent() as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
        yield path


@pytest.fixture
def folder(home: Path) -> Path:
    """``~/.ssh``"""
    made = home / ".ssh"
    made.mkdir(mode=0o700)
    return made


def keygen(path: Path, kind: str, passphrase: str = "") -> str:
    """Make a pair; the public key."""
    words = ["ssh-keygen", "-q", "-t", kind, "-a", "1", "-N", passphrase, "-C", "a comment", "-f", str(path)]
    subprocess.run(words, check=True, timeout=30)
    return normalise_public_key(path.with_name(f"{path.name}.pub").read_text())


def ssh_add(*words: str | Path, passphrase: str = "", tmp_path: Path | None = None) -> None:
    environ = dict(os.environ)
    if tmp_path is not None:
        ask = tmp_path / "ask"
        ask.write_text(f"#!/bin/sh\necho {shlex.quote(passphrase)}\n")
        ask.chmod(0o700)
        environ |= {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
    subprocess.run(["ssh-add", "-q", *words], check=True, timeout=30, env=environ, stdin=subprocess.DEVNULL)


def stock_ssh_verifies(signature: str, public: str, tmp_path: Path) -> bool:
    (tmp_path / "allowed").write_text(f'{ADA} namespaces="migrate-flow" {public}\n')
    (tmp_path / "sig").write_text(signature)
    words = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", ADA, "-n", "migrate-flow", "-s", "sig"]
    return subprocess.run(words, cwd=tmp_path, input=MESSAGE, capture_output=True, timeout=30).returncode == 0


@each_kind
def test_a_key_that_is_in_the_agent_alone_signs(kind: str, agent: str, folder: Path, tmp_path: Path):
    public = keygen(tmp_path / "key", kind)
    ssh_add(tmp_path / "key")
    (tmp_path / "key").unlink()
    rules = policy(ada=[public])
    assert KeyRing(None).actor("", rules) == ADA
    (found,) = KeyRing(None).known(rules)[0]
    assert (found.person, found.public_key, found.store, found.where) == (ADA, public, "agent", "ssh-agent")
    signature = KeyRing(None).signer_for(ADA, rules).sign(MESSAGE)
    assert verify(MESSAGE, signature) == public
    assert stock_ssh_verifies(signature, public, tmp_path)


def test_three_verifiers_agree_on_what_the_agent_signed(agent: str, tmp_path: Path):
    made = create_file(tmp_path / "key")
    ssh_add(tmp_path / "key")
    signature = KeyRing(None).signer_for(ADA, policy(ada=[made.public_key])).sign(MESSAGE)
    key = third_verifier.check_signature(MESSAGE, signature, "migrate-flow")
    assert key == third_verifier.PublicKey.from_openssh_str(made.public_key)
    assert stock_ssh_verifies(signature, made.public_key, tmp_path)
    assert verify(MESSAGE, signature) == made.public_key


def test_of_many_keys_in_the_agent_only_the_known_one_is_asked(agent: str, tmp_path: Path):
    for number in range(20):
        keygen(tmp_path / f"other{number}", "ed25519")
        ssh_add(tmp_path / f"other{number}")
    public = keygen(tmp_path / "key", "ed25519")
    ssh_add(tmp_path / "key")
    found, tried = KeyRing(None).known(policy(ada=[public]))
    assert [key.public_key for key in found] == [public]
    assert f"ssh-agent (21 keys: {ADA})" in tried
    assert verify(MESSAGE, KeyRing(None).signer_for(ADA, policy(ada=[public])).sign(MESSAGE)) == public


def test_a_key_that_left_the_agent_meanwhile(agent: str, tmp_path: Path):
    public = keygen(tmp_path / "key", "ed25519")
    ssh_add(tmp_path / "key")
    signer = KeyRing(None).signer_for(ADA, policy(ada=[public]))
    ssh_add("-D")
    with pytest.raises(IdentityError, match="ssh-keygen could not sign") as caught:
        signer.sign(MESSAGE)
    assert "ssh-add" in caught.value.hint


def test_a_locked_agent_has_no_keys(agent: str, tmp_path: Path):
    public = keygen(tmp_path / "key", "ed25519")
    ssh_add(tmp_path / "key")
    ssh_add("-x", passphrase="lock", tmp_path=tmp_path)
    with pytest.raises(IdentityError, match=r"ssh-agent \(no key\)"):
        KeyRing(None).signer_for(ADA, policy(ada=[public]))


@each_kind
@pytest.mark.parametrize("named", [True, False], ids=["named", "in-ssh"])
def test_a_passphrase_without_agent_and_terminal_is_a_clear_error(
    named: bool, kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    public = keygen(folder / "id", kind, PASSPHRASE)
    if named:
        monkeypatch.setenv(FILE_VARIABLE, str(folder / "id"))
    rules = policy(ada=[public])
    assert KeyRing(None).actor("", rules) == ADA
    with pytest.raises(IdentityError, match="has a passphrase, and there is no terminal to ask for it") as caught:
        KeyRing(None).signer_for(ADA, rules)
    assert caught.value.hint.endswith(f"ssh-add {folder / 'id'}")


@each_kind
@pytest.mark.parametrize("name", ["id", "id.pub", ""])
def test_a_passphrase_given_to_the_agent_once_is_enough(
    name: str, kind: str, agent: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    public = keygen(folder / "id", kind, PASSPHRASE)
    ssh_add(folder / "id", passphrase=PASSPHRASE, tmp_path=tmp_path)
    if name:
        monkeypatch.setenv(FILE_VARIABLE, str(folder / name))
    signature = KeyRing(None).signer_for(ADA, policy(ada=[public])).sign(MESSAGE)
    assert verify(MESSAGE, signature) == public


@pytest.mark.parametrize("name", ["id", "id.pub"])
def test_an_ecdsa_key_file_signs_through_ssh_keygen(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    public = keygen(folder / "id", "ecdsa")
    monkeypatch.setenv(FILE_VARIABLE, str(folder / name))
    signature = KeyRing(None).signer_for(ADA, policy(ada=[public])).sign(MESSAGE)
    assert verify(MESSAGE, signature) == public
    assert stock_ssh_verifies(signature, public, tmp_path)


def test_an_existing_key_in_ssh_signs_the_bytes_that_we_would(folder: Path):
    public = create_file(folder / "id").public_key
    ours = KeyRing(None)
    signature = ours.signer_for(ADA, policy(ada=[public])).sign(MESSAGE)
    os.environ[FILE_VARIABLE] = str(folder / "id")
    try:
        assert signature == KeyRing(None).signer_for(ADA, policy(ada=[public])).sign(MESSAGE)
    finally:
        del os.environ[FILE_VARIABLE]


def test_a_public_file_without_its_private_half_anywhere(
    agent: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    public = keygen(folder / "id", "ed25519")
    (folder / "id").unlink()
    monkeypatch.setenv(FILE_VARIABLE, str(folder / "id.pub"))
    with pytest.raises(IdentityError, match="is neither in ssh-agent nor beside it"):
        KeyRing(None).signer_for(ADA, policy(ada=[public]))


@pytest.mark.parametrize("bits", [0o640, 0o604])
def test_a_private_key_in_ssh_that_others_may_read_is_refused(bits: int, folder: Path):
    public = keygen(folder / "id", "ed25519")
    (folder / "id").chmod(bits)
    with pytest.raises(IdentityError, match="open to others") as caught:
        KeyRing(None).signer_for(ADA, policy(ada=[public]))
    assert caught.value.hint == f"chmod 600 {folder / 'id'}"


def test_a_pair_of_files_that_do_not_fit(folder: Path, tmp_path: Path):
    public = keygen(folder / "id", "ed25519")
    keygen(tmp_path / "other", "ed25519")
    shutil.copy(tmp_path / "other", folder / "id")
    with pytest.raises(IdentityError, match=r"signed with another key than SHA256:|could not sign"):
        KeyRing(None).signer_for(ADA, policy(ada=[public])).sign(MESSAGE)


def test_garbage_for_a_private_key(folder: Path):
    public = keygen(folder / "id", "ed25519")
    (folder / "id").write_text("b3BlbnNzaC1rZXktdjE garbage")
    with pytest.raises(IdentityError, match="ssh-keygen could not sign") as caught:
        KeyRing(None).signer_for(ADA, policy(ada=[public])).sign(MESSAGE)
    assert "b3Blbn" not in caught.value.message + caught.value.hint + caught.value.where


@pytest.fixture(params=[Ed25519PrivateKey.generate, security_key.make_ecdsa], ids=["ed25519", "ecdsa"])
def device(request: pytest.FixtureRequest) -> security_key.Private:
    return request.param()


def test_a_security_key_in_software_behind_an_agent_is_said_to_wait_for_a_touch(
    device: security_key.Private, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    """No hardware was used here: the agent is ours, ssh-keygen is the real one."""
    blob = security_key.blob(device)
    public = parse_blob(blob).text
    with agent_with(blob, lambda data: security_key.answer(device, data)) as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
        signature = KeyRing(None).signer_for(ADA, policy(ada=[public])).sign(MESSAGE)
    assert verify(MESSAGE, signature) == public
    assert stock_ssh_verifies(signature, public, tmp_path)
    shown = capsys.readouterr()
    assert shown.err.startswith("touch your security key (SHA256:")
    assert shown.out == ""


def test_a_security_key_that_asks_for_no_touch_does_not_count(
    device: security_key.Private, monkeypatch: pytest.MonkeyPatch
):
    """No hardware was used here."""
    blob = security_key.blob(device)
    with agent_with(blob, lambda data: security_key.answer(device, data, flags=b"\0")) as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
        signer = KeyRing(None).signer_for(ADA, policy(ada=[parse_blob(blob).text]))
        with pytest.raises(IdentityError, match=r"does not count: .*without being touched"):
            signer.sign(MESSAGE)


# What ssh-keygen might be instead: each writes what it is given as $SIGNATURE, or worse.
MISBEHAVED = {
    "another-key": ("cat {signature}", "signed with another key than SHA256:"),
    "nothing": ("exit 0", "a signature that does not count: not an SSH signature"),
    "garbage": ("printf '\\377\\000garbage'", "a signature that does not count"),
    "silent-failure": ("exit 3", "could not sign: it does not say why"),
    "reads-nothing": (
        "exec <&-; echo 'Agent refused operation' >&2; exit 255",
        "could not sign: Agent refused operation",
    ),
}


@pytest.mark.parametrize(("script", "reason"), MISBEHAVED.values(), ids=MISBEHAVED)
def test_what_comes_back_is_checked_before_it_is_used(
    script: str, reason: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    public = create_file(folder / "id").public_key
    message = MESSAGE * 100_000  # more than fits into a pipe
    (tmp_path / "signature").write_text(sign(Ed25519PrivateKey.generate(), message))
    stub_for_ssh_keygen(script.format(signature=tmp_path / "signature"), tmp_path, monkeypatch)
    with pytest.raises(IdentityError, match=reason):
        KeyRing(None).signer_for(ADA, policy(ada=[public])).sign(message)


def test_a_program_that_waits_too_long_is_ended(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    public = create_file(folder / "id").public_key
    stub_for_ssh_keygen(f"echo $$ > {tmp_path}/pid; exec sleep 600", tmp_path, monkeypatch)
    monkeypatch.setattr(ssh_keygen, "LIMIT_SECONDS", 0.5)
    before = time.monotonic()
    with pytest.raises(IdentityError, match=r"did not sign within 0\.5 s"):
        KeyRing(None).signer_for(ADA, policy(ada=[public])).sign(MESSAGE)
    assert time.monotonic() - before < 5
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_the_key_s_text_does_not_reach_the_program(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    public = keygen(folder / "id", "ecdsa")
    monkeypatch.setenv(FILE_VARIABLE, str(folder / "id"))
    monkeypatch.setenv("MIGRATE_FLOW_SIGNING_KEY", "")
    stub_for_ssh_keygen(f"env > {tmp_path}/seen; exit 1", tmp_path, monkeypatch)
    with pytest.raises(IdentityError, match="could not sign"):
        KeyRing(None).signer_for(ADA, policy(ada=[public])).sign(MESSAGE)
    seen = (tmp_path / "seen").read_text()
    assert "MIGRATE_FLOW_SIGNING_KEY=" not in seen
    assert "SSH_ASKPASS_REQUIRE=never" in seen


def stub_for_ssh_keygen(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = tmp_path / "bin" / "ssh-keygen"
    stub.parent.mkdir()
    stub.write_text(f"#!/bin/sh\n{script}\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub.parent}{os.pathsep}{os.environ['PATH']}")


# Takes the terminal on its standard input for its own, as a shell's job has one.
AT_A_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from migrate_flow.bootstrap.keyring import KeyRing
from migrate_flow.errors import IdentityError
from migrate_flow.signing.sshsig import verify
from tests.bootstrap.keys import ADA, policy
public, asks = sys.argv[1], sys.argv[2] == "asks"
try:
    signer = KeyRing(None, asks=asks).signer_for(ADA, policy(ada=[public]))
    print("signed by", verify(b"message", signer.sign(b"message")))
except IdentityError as error:
    print("error:", error.message)
"""


def at_a_terminal(public: str, typed: str, asks: str = "asks") -> str:
    """What a person sees who types this when asked."""
    main, other = pty.openpty()
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", AT_A_TERMINAL, public, asks],
        stdin=other,
        stdout=other,
        stderr=other,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:
        os.close(other)
        seen = b""
        while block := _read(main):
            seen += block
            if seen.endswith(b": ") and typed:
                os.write(main, f"{typed}\n".encode())
                typed = ""
    os.close(main)
    assert process.returncode == 0
    return seen.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux says so when the other end is closed
        return b""


def test_on_a_terminal_the_passphrase_is_asked_for_and_not_shown(folder: Path):
    public = keygen(folder / "id", "ed25519", PASSPHRASE)
    seen = at_a_terminal(public, PASSPHRASE)
    assert "passphrase" in seen
    assert f"signed by {public}" in seen
    assert PASSPHRASE not in seen


def test_a_wrong_passphrase_is_an_error_that_does_not_show_it(folder: Path):
    public = keygen(folder / "id", "ed25519", PASSPHRASE)
    seen = at_a_terminal(public, "wrong horse")
    assert "error: ssh-keygen could not sign" in seen
    assert "wrong horse" not in seen


def test_who_may_not_be_asked_is_not_asked_on_a_terminal_either(folder: Path):
    public = keygen(folder / "id", "ed25519", PASSPHRASE)
    seen = at_a_terminal(public, PASSPHRASE, asks="silent")
    # What was typed for nobody, the terminal shows wherever it comes.
    assert "the private key has a passphrase, and there is no terminal to ask for it" in seen
