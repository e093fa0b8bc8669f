"""The installed command with the keys that people have: in the desktop's keyring, in ssh-agent, under a passphrase."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from migrate_flow.credentials import LIMIT_SECONDS
from tests.acceptance.conftest import Terminal
from tests.support.project import ADA, BEN, Project, alembic_project
from tests.support.secret_service import secret_service
from tests.support.shell import Done, Shell
from tests.support.ssh_agents import real_agent

pytestmark = pytest.mark.system

DEV = ("--env", "dev=sqlite:///dev.db")


@pytest.fixture
def shop(terminal: Terminal, tmp_path: Path) -> Shell:
    """An Alembic project with one script, not under the flow yet; every command in a fresh interpreter."""
    folder = tmp_path / "shop"
    folder.mkdir()
    Project(alembic_project(folder)).script("aaaa")
    return replace(terminal(folder), warm=None)


def secret_in_keyring(shop: Shell, person: str) -> str:
    words = [sys.executable, "-m", "keyring", "get", "migrate-flow", person]
    done = subprocess.run(words, env=shop.variables, capture_output=True, text=True, timeout=60, check=True)
    assert "BEGIN OPENSSH PRIVATE KEY" in done.stdout
    return done.stdout


def lines_of(secret: str) -> list[str]:
    return [line for line in secret.splitlines() if len(line) > 20 and "PRIVATE KEY" not in line]


def files_with(secret: str, *folders: Path) -> list[Path]:
    parts = [line.encode() for line in lines_of(secret)]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if any(part in path.read_bytes() for part in parts)]


def test_a_key_in_a_real_keyring_from_new_to_the_ledger(shop: Shell, tmp_path: Path):
    desktop = tmp_path / "desktop"
    seen: list[Done] = []
    with secret_service(desktop, "the login password") as session:
        ada = shop.under(**session)
        seen.append(ada.flow("keys", "new", ADA, "--store", "keyring"))
        seen.append(ada.flow("init", "--key-store", "keyring", "--person", ADA, *DEV))
        (key,) = ada.json("keys", "list")["keys"]
        assert (key["person"], key["store"]) == (ADA, "keyring")
        assert key["key"] in (shop.folder / "migrate-flow.toml").read_text()
        seen.append(ada.flow("track"))
        seen.append(ada.flow("ledger", "verify"))
        secret = secret_in_keyring(ada, ADA)
    locked_after_login(shop, desktop, seen)
    shown = "".join(done.text for done in seen)
    assert not any(line in shown for line in lines_of(secret))
    assert files_with(secret, shop.folder, shop.home, desktop) == []


def locked_after_login(shop: Shell, desktop: Path, seen: list[Done]) -> None:
    Project(shop.folder).script("bbbb", "aaaa")
    with secret_service(desktop, None) as session:
        ada = shop.under(**session)
        seen.append(ada.flow("status"))
        before = time.monotonic()
        seen.append(ada.flow("track", code=2))
        taken = time.monotonic() - before
        before = time.monotonic()
        seen.append(ada.flow("status"))
        assert taken - (time.monotonic() - before) < LIMIT_SECONDS
    assert "error: the OS keyring is locked" in seen[-2].err
    assert "MIGRATE_FLOW_SIGNING_KEY" in seen[-2].err


def test_the_hint_of_a_taken_place_makes_room_in_a_real_keyring(shop: Shell, tmp_path: Path):
    with secret_service(tmp_path / "desktop", "the login password") as session:
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # the command keyring is there
        ada = shop.under(**session, PATH=programs)
        old = ada.json("keys", "new", ADA, "--store", "keyring")["key"]
        hint = ada.error("keys", "new", ADA, "--store", "keyring", code=2)["hint"]
        command = hint.partition("run this again: ")[2]
        words = ["sh", "-ec", command]
        subprocess.run(words, env=ada.variables, check=True, stdin=subprocess.DEVNULL, timeout=60)
        assert ada.json("keys", "new", ADA, "--store", "keyring")["key"] != old


def test_keys_in_an_agent_sign_for_those_whom_the_policy_knows(shop: Shell, tmp_path: Path):
    """Ada opens the ledger with a key of ours; Ben, on a machine of his own, has an ECDSA key in his agent."""
    shop.flow("init", "--key-store", "file", "--person", ADA, *DEV)
    ben = tmp_path / "ben"
    words = ["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(ben)]
    subprocess.run(words, check=True, timeout=30)
    public = " ".join(ben.with_suffix(".pub").read_text().split()[:2])
    shop.flow("people", "add", BEN, "--role", "developer", "--key", public, "--record")
    home = tmp_path / "home of ben"
    shutil.copytree(shop.home, home, ignore=shutil.ignore_patterns("keys"))
    with real_agent() as path:
        subprocess.run(["ssh-add", "-q", str(ben)], env=os.environ | {"SSH_AUTH_SOCK": path}, check=True, timeout=30)
        ben.unlink()
        his = replace(shop, home=home).under(SSH_AUTH_SOCK=path)
        (key,) = his.json("keys", "list")["keys"]
        assert (key["person"], key["key"], key["store"], key["where"]) == (BEN, public, "agent", "ssh-agent")
        his.flow("track")
        assert his.json("ledger", "verify")["ok"]
        (row,) = his.json("status")["migrations"]
        assert (row["state"], row["author"]) == ("created", BEN)
    Project(shop.folder).script("bbbb", "aaaa")
    error = replace(shop, home=home).error("track", code=2)
    assert "ssh-agent (SSH_AUTH_SOCK not set)" in error["message"]


def test_a_passphrase_without_agent_and_terminal_names_ssh_add(shop: Shell):
    folder = shop.home / ".ssh"
    folder.mkdir(mode=0o700)
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-a", "1", "-N", "correct horse", "-f", str(folder / "id_ed25519")]
    subprocess.run(words, check=True, timeout=30)
    shop.flow("init", "--key-store", "project", "--person", ADA, *DEV)
    public = " ".join((folder / "id_ed25519.pub").read_text().split()[:2])
    shop.flow("people", "add", BEN, "--role", "developer", "--key", public, "--record")
    for variables in ({}, {"MIGRATE_FLOW_SIGNING_KEY_FILE": str(folder / "id_ed25519")}):
        error = shop.under(**variables).error("track", actor=BEN, code=2)
        assert error["message"] == "the private key has a passphrase, and there is no terminal to ask for it"
        assert error["hint"].endswith(f"ssh-add {folder / 'id_ed25519'}")
