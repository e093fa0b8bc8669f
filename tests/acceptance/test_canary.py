"""A secret in every place that can hold one, and every command: none is in an output, a file, a row or a process list.

What the rest of the suite adds to this: tests/support/canary.py, which looks at every command of every test.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from typer.main import get_command

from migrate_flow.bootstrap.keyring import SshsigVerifier
from migrate_flow.cli.app import app
from migrate_flow.services.verify_processes import judged
from tests.acceptance import canary_shop
from tests.acceptance.canary_shop import INI, LIBPQ, PENDING, CanaryShop, ledger_url, private_key, url
from tests.acceptance.conftest import Terminal
from tests.faults.place import wait_until
from tests.support.alembic_projects import ADA, CARLA, edit, make_project, table, write_script
from tests.support.canary import CANARIES
from tests.support.postgres import PostgresServer
from tests.support.shell import Shell

GIVEN = "canary-on-the-command-line"
# By metavar: what a person would write there.
VALUES = {
    "ENV": "staging", "REV": PENDING, "EMAIL": "eve@example.com", "WHY": "because", "MESSAGE": "a message",
    "TEXT": "a text", "SEQ": "2", "FINGERPRINT": "SHA256:" + "A" * 43, "FILE": "migrate-flow.toml", "NEW_URL": "sqlite:///copy.db",
}  # fmt: skip
MORE = {
    "demo": ("migrations",),  # a folder that is not empty: test_demo.py walks all of it
    "review": ("--approve",),
    "self-review": ("--attest",),
    "env login": (),
}


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command of the tree, by its words."""
    below = getattr(command, "commands", {})
    for name, each in below.items():
        yield from leaves(each, (*path, name))
    if not below:
        yield " ".join(path), command


TREE: Any = get_command(app)
TREE.load_all()
COMMANDS = dict(leaves(TREE))


def words_of(name: str) -> list[str]:
    """The command with all that it requires, and what MORE adds."""
    words = name.split()
    for parameter in COMMANDS[name].params:
        if parameter.required:
            option = [parameter.opts[0]] if parameter.opts[0].startswith("-") else []
            words += [*option, VALUES[parameter.metavar.strip("[].")]]
    return [*words, *MORE.get(name, ())]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        canary_shop.prepare(server)
        yield server
        CANARIES.check_log(server.folder / "log")


@pytest.fixture(scope="module")
def _shop(server: PostgresServer, terminal: Terminal, tmp_path_factory: pytest.TempPathFactory) -> CanaryShop:
    folder = tmp_path_factory.mktemp("canary") / "shop"
    return canary_shop.open_shop(terminal(folder), server, folder.parent / "keyring.json")


@pytest.fixture
def shop(_shop: CanaryShop) -> Iterator[CanaryShop]:
    _shop.release()
    yield _shop
    _shop.check()


def broken(shop: CanaryShop) -> Shell:
    """The same terminal, with passwords that the servers refuse."""
    wrong = "canary wrong%2F:/@'#é"
    CANARIES.add(wrong, "the wrong password")
    CANARIES.own(shop.keyring)
    return shop.shell.under(
        DEV_DATABASE_URL=url(shop.server, "dev", wrong), LEDGER_DATABASE_URL=ledger_url(shop.server, wrong)
    )


# Texts that are no URLs; the secret stands unescaped in them, as people paste it.
GARBLED = (
    "postgresql+psycopg://dev:{}@host:port/dev",
    "postgresql+psycopg://dev:{}@unknown.invalid/dev?connect_timeout=1",
    "postgresql+nodriver://dev:{}@host/dev",
    "nodialect://dev:{}@host/dev",
    "postgresql+psycopg://dev:{}@x/more@127.0.0.1:1/dev",
    "postgresql+psycopg://dev:{}/more@127.0.0.1:1/dev",
    "postgresql+psycopg://dev:a@{}/more@127.0.0.1:1/dev",
    "postgresql+psycopg://dev:1234/{}@127.0.0.1:1/dev",
    "postgresql+psycopg://dev:{}#more@127.0.0.1:1/dev",
    "postgresql+psycopg://dev:{}%zz@127.0.0.1:1/dev",
    "postgresql+psycopg://dev@127.0.0.1:1/dev?password={}&nonsense=1",
    "postgresql+psycopg://dev@127.0.0.1:1/dev?sslpassword={}&sslmode=nonsense",
    "postgresql+psycopg:/dev:{}@127.0.0.1:1/dev",
    "{}",
)
PASTED = "canary-pasted"


@pytest.mark.parametrize("form", GARBLED)
def test_no_secret_of_a_url_that_can_not_be_used_is_shown(shop: CanaryShop, form: str) -> None:
    CANARIES.add(PASTED, "the password in a URL that can't be used")
    text = form.format(PASTED)
    unusable = shop.shell.under(DEV_DATABASE_URL=text)
    lost = shop.shell.under(LEDGER_DATABASE_URL=text.replace("+psycopg", ""))
    for shell, words in (
        (unusable, ("env", "test", "dev", "--format", "json")),
        (unusable, ("apply", "--env", "dev")),
        (lost, ("status", "--format", "json")),
        (lost, ("doctor",)),
    ):
        done = shell.flow("--debug", *words, actor=ADA, code=None)
        assert done.code in (0, 1, 2, 3, 4), done
    # What a keyring holds, and `env login` is given, is a URL as well.
    shop.shell.flow("--debug", "env", "login", "staging", given=f"{text}\n", code=None)
    shop.shell.flow("--debug", "plan", "--env", "staging", code=None)
    shop.shell.flow("env", "login", "staging", given=url(shop.server, "staging", sslpassword=canary_shop.TLS))


REFUSED = (
    ("env", "login", "dev", GIVEN),
    ("env", "login", "dev", f"--password={GIVEN}"),
    ("env", "login", f"postgresql://u:{GIVEN}@h/d"),
    ("env", "test", f"postgresql://u:{GIVEN}@h/d"),
    ("ledger", "copy", f"postgresql://u:{GIVEN}@h/d"),
    ("ledger", "copy", f"postgresql://u@h/d?password={GIVEN}"),
    ("ledger", "copy", f"postgresql://u@h/d?sslpassword={GIVEN}"),
    ("init", "--env", f"x=postgresql://u:{GIVEN}@h/d"),
    ("init", "--env", f"x=postgresql://u@h/d?password={GIVEN}"),
    ("init", "--env", f"postgresql://u:{GIVEN}@h/d"),
    ("init", "--ledger", f"postgresql://u:{GIVEN}@h/d", "--env", "dev=sqlite:///dev.db"),
    ("init", "--ledger", f"postgresql://u@h/d?sslpassword={GIVEN}", "--env", "dev=sqlite:///dev.db"),
    ("init", "--ledger", f"postgresql://u:{GIVEN}/x@h/d", "--env", "dev=sqlite:///dev.db"),
    ("apply", "--env", f"postgresql://u:{GIVEN}@h/d"),
    ("keys", "new", ADA, GIVEN),
)  # fmt: skip


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
@pytest.mark.parametrize("how", [(), ("--format", "json")], ids=["text", "json"])
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(
    shop: CanaryShop, terminal: Terminal, tmp_path: Path, words: tuple[str, ...], how: tuple[str, ...]
) -> None:
    CANARIES.add(GIVEN, "the secret on the command line")
    shell = shop.shell
    if words[0] == "init":
        shell = terminal(tmp_path / "fresh")
        make_project(shell)
        words = (*words, "--person", ADA, "--key-store", "project")
    if how and words[:2] != ("env", "login"):
        shell.error("--debug", *words, code=2)
    else:
        done = shell.flow("--debug", *words, code=2)
        assert "hint: " in done.err


def test_init_refuses_the_password_of_alembic_ini(terminal: Terminal, tmp_path: Path) -> None:
    shell = terminal(tmp_path / "fresh")
    make_project(shell)
    CANARIES.add(INI, "the password in alembic.ini")
    ini = shell.folder / "alembic.ini"
    CANARIES.own(ini)
    edit(ini, r"(?m)^sqlalchemy.url = .*$", f"sqlalchemy.url = postgresql://ini:{INI}@db/ini")
    error = shell.error("--debug", "init", "--person", ADA, "--key-store", "project", code=2)
    assert "password" in error["message"]


@pytest.mark.parametrize("how", [(), ("--format", "json")], ids=["text", "json"])
def test_what_env_py_tells_in_an_exception_is_masked(shop: CanaryShop, how: tuple[str, ...]) -> None:
    key = private_key(shop, ADA)
    shell = shop.shell.under(CANARY_TELLS="1", MIGRATE_FLOW_SIGNING_KEY=key)
    done = shell.flow("--debug", "apply", "--env", "dev", *how, code=3)
    assert "RuntimeError" in done.text
    assert "dev" in done.text


TELLS = """
url = op.get_bind().engine.url
told = [url.password, os.environ["PGPASSWORD"], url.render_as_string(hide_password=False), repr(dict(os.environ))]
raise RuntimeError("\\n".join(told))
"""


def test_what_a_script_tells_when_it_fails_is_shown_and_recorded_masked(shop: CanaryShop) -> None:
    script = write_script(shop.shell.folder / "migrations" / "versions", "aaaa06", PENDING, upgrade=TELLS.strip())
    try:
        shop.shell.flow("track", "aaaa06", actor=ADA)
        shell = shop.shell.under(MIGRATE_FLOW_SIGNING_KEY=private_key(shop, ADA))
        (*_, step) = shell.json("apply", "aaaa06", "--env", "dev", code=3)["steps"]
        assert (step["revision"], step["outcome"]) == ("aaaa06", "failed")
        for words in (("log",), ("show", "aaaa06"), ("status",), ("plan", "--env", "dev")):
            shop.shell.flow("--debug", *words, actor=ADA, code=None)
    finally:
        script.unlink()
    recorded = b"".join(value for _table, row in shop.rows("ledger") for value in row)
    assert b"RuntimeError: *** ***" in recorded


def test_a_key_in_the_environment_is_never_shown(shop: CanaryShop, tmp_path: Path) -> None:
    key = private_key(shop, CARLA)
    damaged = key.replace(key.splitlines()[3], key.splitlines()[3][::-1])
    for line in damaged.splitlines()[1:-1]:
        if len(line) > 40 and not line.startswith("b3BlbnNz"):
            CANARIES.add(line, "a damaged key")
    body = "".join(key.splitlines()[1:-1])
    for variable in ("MIGRATE_FLOW_SIGNING_KEY", "MIGRATE_FLOW_SIGNING_KEY_FILE"):
        for text in (key, damaged, key[: len(key) // 2], body, " ".join(key.split()), key.replace("OPENSSH ", "")):
            for words in (("keys", "list"), ("track",)):
                done = shop.shell.under(**{variable: text}).flow("--debug", *words, code=None)
                assert done.code in (0, 1, 2), done


def test_a_key_file_with_a_passphrase_is_never_shown(shop: CanaryShop, tmp_path: Path) -> None:
    passphrase = "canary-passphrase"
    CANARIES.add(passphrase, "the passphrase")
    sealed = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode())
    )
    CANARIES.add(sealed.decode(), "the key under a passphrase")
    path = tmp_path / "sealed"
    path.write_bytes(sealed)
    path.chmod(0o600)
    shell = shop.shell.under(MIGRATE_FLOW_SIGNING_KEY_FILE=str(path), SSH_ASKPASS_PASSWORD=passphrase)
    for words in (("keys", "list"), ("track",), ("doctor",), ("status",)):
        assert shell.flow("--debug", *words, code=None).code in (0, 1, 2)


# Processes


@contextmanager
def running(shell: Shell, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command in an interpreter of its own; its output is looked at when it has been ended."""
    command = [sys.executable, "-m", "migrate_flow", *words]
    with subprocess.Popen(
        command, cwd=shell.folder, env=shell.variables, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            out, err = process.communicate(timeout=60)
            CANARIES.check(out + err, words)


def look_at_processes(process: subprocess.Popen[bytes]) -> list[str]:
    """The command lines of the process's children, of which none holds a secret, nor does any other's."""
    assert process.poll() is None
    seen = canary_shop.processes()
    for pid, line in seen.items():
        CANARIES.check(line, f"the command line of process {pid}")
    children = []
    for pid in canary_shop.children_of(process.pid):
        children.append(seen.get(pid, b"").decode())
        CANARIES.check(Path(f"/proc/{pid}/environ").read_bytes(), f"the environment of {children[-1]}")
    return children


@pytest.mark.parametrize("words", [("status",), ("env", "test", "dev")], ids=" ".join)
def test_a_command_that_waits_for_a_server_shows_no_secret_in_the_process_list(
    shop: CanaryShop, words: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        place = f"@127.0.0.1:{listener.getsockname()[1]}/x?connect_timeout=60"
        target = url(shop.server, "dev").partition("@")[0] + place
        shell = shop.shell
        if words == ("status",):
            shell = shell.under(LEDGER_DATABASE_URL=target.replace("+psycopg", ""))
        else:
            shell = shell.under(DEV_DATABASE_URL=target)
        with running(shell, *words) as process, closing(listener.accept()[0]):
            look_at_processes(process)


def test_an_apply_that_waits_shows_no_secret_in_the_process_list_nor_in_the_server(shop: CanaryShop) -> None:
    path = write_script(
        shop.shell.folder / "migrations" / "versions", "aaaa09", PENDING, upgrade='op.execute("SELECT pg_sleep(60)")'
    )
    try:
        shop.shell.flow("apply", PENDING, "--env", "dev", actor=ADA)
        shop.shell.flow("track", "aaaa09", actor=ADA)
        query = "SELECT query, application_name FROM pg_stat_activity WHERE datname = 'dev'"
        with running(shop.shell, "--as", ADA, "apply", "--env", "dev") as process:
            wait_until(lambda: any("pg_sleep" in row[0] for row in shop.server.execute(query)), "the sleep")
            look_at_processes(process)
            CANARIES.check(repr(shop.server.execute(query)), "pg_stat_activity")
            status = shop.shell.flow("status", "--format", "json", actor=ADA)
            assert "aaaa09" in status.out
    finally:
        path.unlink()


def test_the_process_that_renders_sql_gets_no_secret(shop: CanaryShop) -> None:
    path = write_script(
        shop.shell.folder / "migrations" / "versions",
        "aaaa08",
        PENDING,
        imports="import time",
        upgrade=f"if op.get_context().as_sql:\n    time.sleep(60)\n{table('t_aaaa08')}",
    )
    try:
        shop.shell.flow("track", "aaaa08", actor=ADA)
        with running(shop.shell, "--as", ADA, "self-review", "aaaa08") as process:
            found: list[str] = []

            def renders() -> bool:
                found[:] = [
                    canary_shop.processes().get(pid, b"").decode() for pid in canary_shop.children_of(process.pid)
                ]
                return any("alembic_adapter.render" in line for line in found)

            wait_until(renders, "the rendering process")
            assert any("render" in line for line in look_at_processes(process))
    finally:
        path.unlink()


RECORDER = """#!/bin/sh
{{ echo "ran {name} $*"; env; }} >> {record}
exit 1
"""


def recorders(folder: Path, *programs: str) -> Path:
    """Programs of these names that write down the environment that they get, and fail; the file."""
    folder.mkdir()
    record = folder / "record"
    for name in programs:
        (folder / name).write_text(RECORDER.format(name=name, record=record))
        (folder / name).chmod(0o755)
    return record


def test_git_and_ssh_keygen_get_no_secret(shop: CanaryShop, tmp_path: Path) -> None:
    record = recorders(tmp_path / "bin", "git", "ssh-keygen")
    key = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    path = tmp_path / "ecdsa"
    path.write_bytes(key)
    path.chmod(0o600)
    CANARIES.add(key.decode(), "the ECDSA key")
    search = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    shell = replace(shop.shell, warm=None).under(PATH=search, MYSQL_PWD="canary-of-MYSQL_PWD")
    hers = shell.under(MIGRATE_FLOW_SIGNING_KEY_FILE=str(path))
    public = hers.json("keys", "list")["keys"][0]["key"]
    shell.flow("people", "add", "fay@example.com", "--role", "developer", "--key", public, "--record", actor=CARLA)
    script = write_script(shop.shell.folder / "migrations" / "versions", "aaaa07", PENDING)
    try:
        assert "keys of several people are here" in shell.flow("track", "aaaa07", code=2).err
        assert "ssh-keygen could not sign" in hers.flow("track", "aaaa07", code=2).err
    finally:
        script.unlink()
    ran = [line for line in record.read_text().splitlines() if line.startswith("ran ")]
    for words in ("ran git config user.email", "rev-parse", "ran ssh-keygen -Y sign"):
        assert any(words in line for line in ran), ran
    CANARIES.check(record.read_bytes(), "what git and ssh-keygen get")


def test_processes_that_help_to_verify_get_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", LIBPQ)
    monkeypatch.setenv("DEV_DATABASE_URL", f"postgresql://dev:{LIBPQ}@db/dev")
    CANARIES.add(LIBPQ, "PGPASSWORD")
    row = (1, "", "", b"", "", "", "", "", "", "")
    with closing(judged(([row] for _ in range(9)), SshsigVerifier().verify, 2, "the ledger")) as verdicts:
        assert next(verdicts)[0] == row
        helpers = [
            pid
            for pid in canary_shop.children_of(os.getpid())
            if b"verify_worker" in canary_shop.processes().get(pid, b"")
        ]
        assert len(helpers) == 2
        for pid in helpers:
            CANARIES.check(Path(f"/proc/{pid}/environ").read_bytes(), "the environment of verify_worker")


# Every command: last, for some of them end what the others need.


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_shows_a_secret(shop: CanaryShop, name: str) -> None:
    words = words_of(name)
    done = shop.shell.flow("--debug", "--no-input", *words, actor=CARLA, code=None)
    assert done.code in (0, 1, 2, 4), done
    assert "Missing " not in done.err, done
    assert "No such " not in done.err, done
    as_json = [*words, "--format", "json"] if any("--format" in one.opts for one in COMMANDS[name].params) else words
    ended = broken(shop).flow("--debug", "--no-input", *as_json, actor=CARLA, code=None)
    assert ended.code in (0, 1, 2, 4), ended
