"""The commands of the documentation's pages are run: each page in a project in the state that the page assumes."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shutil
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from migrate_flow.core.fingerprint import fingerprint
from tests.acceptance import played
from tests.acceptance.conftest import Terminal
from tests.acceptance.played import Page, Seat, Shop
from tests.docs.site import DOCS, ROOT
from tests.docs.spoken import spoken
from tests.support.alembic_projects import ADA, BEN, CARLA, edit, make_project, write_script
from tests.support.secret_service import secret_service
from tests.support.shell import Done
from tests.support.ssh_agents import real_agent

INSTALLED = "it is installed; tests/acceptance/test_tutorial.py runs it with the mark `real`"
FIRST, SECOND, THIRD = "1e5f0c8a9b2d", "3f2a91c04d7e", "b83bde7561c2"
HELP = re.compile(r"^\$ migrate-flow --help\n(.*?)^```$", re.M | re.S)
SHOP_DB = "sqlalchemy.url = sqlite:///shop.db"
KEY, OLD = "ssh-ed25519 AAAA…", "SHA256:lbmsoA0yIEcEiVDRnMWuzm+nV+3ZEEpVIURqFoeSspg"
# Pages whose commands are run by another test, and where.
ELSEWHERE = {
    "tutorial.md": "tests/acceptance/test_tutorial.py",
    "tutorial-bad-day.md": "tests/acceptance/test_tutorial.py",
    "CONTRIBUTING.md": ".ci/run, and by whoever works here",
}


class Chat(BaseHTTPRequestHandler):
    heard: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        self.heard.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def opened(published: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return played.opened(published(Path("/")), tmp_path_factory.mktemp("team"))


@pytest.fixture
def shop(opened: Shop, tmp_path: Path) -> Shop:
    return opened.copied(tmp_path)


def test_every_page_is_run() -> None:
    tests = Path(__file__).parent.glob("test_how_to*.py")
    here = {name for file in tests for name in re.findall(r'\bPage\("([^"]+)"', file.read_text(encoding="utf-8"))}
    assert played.with_commands() == here | set(ELSEWHERE)


def test_no_command_stands_where_it_is_not_run() -> None:
    """In a block without a language, or set in."""
    for path in (*ROOT.glob("*.md"), *DOCS.rglob("*.md")):
        rest = played.BLOCK.sub("", path.read_text(encoding="utf-8"))
        assert [said.text for said in spoken(rest) if said.whole] == [], path


def test_adopt(published: Terminal, tmp_path: Path) -> None:
    shell = published(tmp_path / "shop")
    versions = make_project(shell)
    for revision, down in ((FIRST, None), (SECOND, FIRST), (THIRD, SECOND)):
        write_script(versions, revision, down)
    ini = shell.folder / "alembic.ini"
    for name, revision in (("dev", "head"), ("staging", "head"), ("production", SECOND)):
        edit(ini, r"(?m)^sqlalchemy\.url = .*$", f"sqlalchemy.url = sqlite:///{name}.db")
        shell.alembic("upgrade", revision)
    urls = {f"{name.upper()}_DATABASE_URL": f"sqlite:///{shell.folder}/{name}.db" for name in ("staging", "production")}
    you = Seat(shell.under(**urls), tmp_path / "session")
    with Page("how-to/adopt.md") as page:
        page.leave("pip install", INSTALLED)
        page.block(you)
        page.block(you)
        write_script(versions, "c41f09d2ae77", THIRD)
        page.block(you)
        shutil.copy(shell.folder / "production.db", shell.folder / "staging.db")
        with closing(sqlite3.connect(shell.folder / "staging.db")) as database:
            database.executescript(next(line for line in page.text.splitlines() if line.startswith("DROP TABLE")))
        page.block(you)
    you.flow("status")


def test_audit(shop: Shop) -> None:
    ada = shop.seats[ADA]
    shop.applied(FIRST)
    head = str(ada.shell.json("ledger", "info")["head"])
    with Page("how-to/audit.md", {"HEAD REVISION ENVIRONMENT": f"{head} {FIRST} production"}) as page:
        page.block(ada)
        page.block(ada)


def test_ci(shop: Shop) -> None:
    ada, carla = shop.people(ADA, CARLA)
    shop.applied(FIRST)
    in_git(ada)
    shop.written(SECOND, FIRST)
    ada.run("git switch -qc more && git add -A && git commit -qm more")
    with Page("how-to/ci.md", {"REV": SECOND}) as page:
        page.block(ada)
        page.block(ada)
        shop.vouched(SECOND, BEN, CARLA)
        for environment in ("dev", "staging"):
            carla.flow("apply", "--env", environment)
        page.block(carla)


def test_hooks(shop: Shop) -> None:
    """Its configuration and its program, as they stand there."""
    page = played.path("how-to/hooks.md").read_text(encoding="utf-8")
    toml, program = (
        re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)[0] for language in ("toml", "python")
    )
    shop.applied(FIRST)
    file, tool = shop.folder / "migrate-flow.toml", shop.folder / "tools" / "tell-the-team"
    file.write_text(f"{file.read_text()}\n{toml}")
    tool.parent.mkdir()
    tool.write_text(program)
    tool.chmod(0o755)
    shop.written(SECOND, FIRST)
    with ThreadingHTTPServer(("127.0.0.1", 0), Chat) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ada = shop.seats[ADA].under(CHAT_URL=f"http://127.0.0.1:{server.server_port}/")
        assert ada.run("migrate-flow apply --env dev").err.count("hook") == 0
        server.shutdown()
    assert [json.loads(body)["text"] for body in Chat.heard] == [f"apply.applied {SECOND} on dev by {ADA}"]


def in_git(seat: Seat) -> None:
    """All that is there, as origin/main has it."""
    ignored = ".migrate-flow/\\n*.db*\\n__pycache__/\\n"
    seat.run(f"printf '{ignored}' >.gitignore && git init -q && git add -A && git commit -qm begun")
    seat.run("git update-ref refs/remotes/origin/main HEAD")


def test_hotfix(shop: Shop) -> None:
    ada, ben, carla = shop.people(ADA, BEN, CARLA)
    shop.applied(FIRST)
    shop.applied(SECOND, FIRST)
    shop.applied(THIRD, SECOND, upgrade=f'op.create_index("by_text", "t_{FIRST}", ["text"])')
    with Page("how-to/hotfix.md") as page:
        page.block(carla)
        carla.flow("approve", THIRD)
        carla.flow("apply", "--env", "production")
        page.one(ada)
        (script,) = (shop.folder / "migrations" / "versions").glob("*make_orders_note_optional.py")
        edit(script, "pass", 'op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True))')
        edit(script, "    pass", '    op.drop_table("notes")')
        page.block(ada, ada, ben, carla, carla, carla)
        page.block(carla)
        with closing(sqlite3.connect(shop.folder / "production.db")) as database:
            database.execute("CREATE TABLE by_hand (id INTEGER)")
        page.block(carla)
        page.block(carla)


def test_layouts(published: Terminal, tmp_path: Path) -> None:
    shell = published(tmp_path / "repository")
    for name in ("shop", "billing"):
        make_project(shell.at(shell.folder / "services" / name))
        edit(shell.folder / "services" / name / "alembic.ini", r"(?m)^sqlalchemy\.url = .*$", SHOP_DB)
    you = Seat(shell, tmp_path / "session")
    with Page("how-to/layouts.md") as page:
        page.block(you)
    assert len(list(shell.folder.glob("services/*/migrate-flow.toml"))) == 2


def test_lint(shop: Shop) -> None:
    ada = shop.seats[ADA]
    shop.applied(FIRST)
    in_git(ada)
    shop.written(SECOND, FIRST)
    shop.written(THIRD, SECOND)
    ada.run("git switch -qc more && git add -A && git commit -qm more")
    with Page("how-to/lint.md") as page:
        page.block(ada)


def test_policy(shop: Shop, tmp_path: Path) -> None:
    ada, ben, carla = shop.people(ADA, BEN, CARLA)
    eve = str(ada.shell.json("keys", "new", "eve@example.com", "--store", "project")["key"])
    shop.applied(FIRST)
    said = {KEY: eve, "/media/usb/recovery": str(tmp_path / "recovery")}
    with Page("how-to/policy.md", said) as page:
        page.block(carla)
        page.block(carla)
        edit(shop.folder / "migrate-flow.toml", r"(?m)^admins = 1\b", "admins = 2")
        carla.flow("people", "role", ADA, "--add", "policy-admin", "--record")
        carla.flow("people", "role", BEN, "--remove", "backend-lead", "--record")
        (proposed,) = carla.shell.json("policy", "show")["waiting"]
        page.block(ada, **{"endorse 44": f"endorse {proposed['seq']}"})
        page.block(ben)
        page.block(carla)
        shop.written(THIRD, FIRST)
        shop.vouched(THIRD)
        page.block(ben, carla)
        page.block(ada)


def test_review(shop: Shop) -> None:
    ben, carla = shop.people(BEN, CARLA)
    shop.applied(FIRST)
    shop.written(SECOND, FIRST)
    shop.vouched(SECOND)
    with Page("how-to/review.md") as page:
        page.one(ben)
        page.leave("migrate-flow review 3f2a", "it asks at a terminal: tests/cli/test_terminal.py")
        page.one(ben)
        shop.vouched(SECOND, BEN)
        page.one(ben)
        ben.flow("review", SECOND, "--approve")
        page.block(carla)


def test_verify_an_export(shop: Shop, tmp_path: Path) -> None:
    shop.applied(FIRST)
    ada = shop.seats[ADA]
    ada.flow("export", "--format", "bundle", "--output", str(tmp_path / "audit.zip"))
    auditor = Seat(ada.shell.at(tmp_path), tmp_path / "session")
    genesis = str(ada.shell.json("ledger", "info")["genesis"])
    with Page("how-to/verify-an-export.md", {"sha256:8009632f…": genesis}) as page:
        page.leave("pip install", INSTALLED)
        page.block(auditor)


def test_export(shop: Shop) -> None:
    shop.applied(FIRST)
    with Page("reference/export.md") as page:
        page.block(shop.seats[ADA])
    assert FIRST in (shop.folder / "changes.csv").read_text()


def test_readme(shop: Shop, published: Terminal, tmp_path: Path) -> None:
    shown(shop)
    project = published(tmp_path / "my-project")
    make_project(project)
    urls = {f"{name}_DATABASE_URL": f"sqlite:///{tmp_path}/{name}.db" for name in ("STAGING", "PRODUCTION")}
    you = Seat(replace(project, folder=tmp_path).under(**urls), tmp_path / "session")
    with Page("README.md", {KEY: new_key(Seat(published(tmp_path), tmp_path / "another"))}) as page:
        page.one(shop.seats[ADA])
        page.leave("pip install uv && uv run migrate-flow demo", ".ci/run runs it")
        page.leave("pip install uv && uv run pytest", ".ci/run runs it")
        page.leave("pip install migrate-flow", INSTALLED)
        page.block(you)
        page.block(you)
        told = page.one(you).out
        assert [told] == HELP.findall(page.text), "word for word"
        assert "..." not in told.replace("[ARGS]...", ""), "a line that is cut off"


def shown(shop: Shop) -> None:
    """The state that README.md shows."""
    carla = shop.seats[CARLA]
    shop.applied("b83bde7561c2", message="create customers")
    shop.written("0b36bb516a01", "b83bde7561c2", message="create orders")
    shop.vouched("0b36bb516a01", BEN, CARLA)
    for environment in ("dev", "staging"):
        carla.flow("apply", "--env", environment)
    shop.written("8313572a187a", "0b36bb516a01", message="add customers.email")
    shop.vouched("8313572a187a")
    shop.seats[BEN].flow("review", "head", "--request-changes", "-m", "the column needs a default")
    carla.flow("apply", "--env", "dev")
    shop.written("c41f09d2ae77", "8313572a187a", message="create products")


def new_key(seat: Seat) -> str:
    """The public half of one that somebody made on their machine."""
    return str(seat.shell.json("keys", "new", BEN, "--store", "file")["key"])


@pytest.mark.system
def test_signatures(shop: Shop, tmp_path: Path) -> None:
    shop.applied(FIRST)
    ada = shop.seats[ADA]
    ada.flow("export", "--format", "bundle", "--output", str(tmp_path / "audit.zip"))
    shutil.unpack_archive(tmp_path / "audit.zip", tmp_path / "audit")
    entries = sorted((tmp_path / "audit" / "entries").glob("*.json"))
    (hers, *_) = [path for path in entries if f'"actor":"{ADA}"' in path.read_text()]
    seat = Seat(ada.shell.at(tmp_path / "audit"), tmp_path / "session")
    with Page("explanation/signatures.md", {"17.": f"entries/{hers.stem}."}) as page:
        page.block(seat)


@pytest.mark.system
def test_keys(shop: Shop, published: Terminal, tmp_path: Path) -> None:
    carla = shop.seats[CARLA]
    numbers = itertools.count(1)

    def machine(**environ: str) -> Seat:
        """Another one of Ada's, without a key."""
        return Seat(published(shop.folder).under(**environ), tmp_path / f"session-{next(numbers)}")

    with contextlib.ExitStack() as desktops, Page("how-to/keys.md") as page:
        first, second = (desktops.enter_context(secret_service(tmp_path / name, "login")) for name in ("one", "two"))
        carla = carla.under(SSH_AUTH_SOCK=desktops.enter_context(real_agent()))
        page.block(machine(**first))
        (made,) = page.block(machine())
        page.block(carla, **{KEY: public(made)})
        page.block(carla)
        (carla.shell.home / ".ssh").mkdir(mode=0o700)
        carla.run("ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519")
        page.block(carla)
        page.block(machine())
        for command in ("ssh-keygen -t ed25519-sk", "migrate-flow people add"):
            page.leave(command, "a security key: tests/signing/test_security_keys.py has one in software")
        another = page.one(machine())
        page.one(carla, **{KEY: public(another)})
        desk = machine(**second)
        rotated = page.one(desk)
        page.one(carla, **{KEY: public(rotated)})
        page.one(desk)
        page.one(carla, **{OLD: fingerprint(public(made))})
        page.one(carla)
        page.one(carla, **{OLD: fingerprint(public(another))})
        carla.flow("people", "role", BEN, "--add", "backend-lead")
        page.block(carla, **{"/media/usb/recovery": str(tmp_path / "recovery")})


def public(made: Done) -> str:
    (found,) = set(re.findall(r"ssh-ed25519 [A-Za-z0-9+/=]+", made.out))
    return str(found)
