"""The tour that `demo` walks: every command is really run, as a process of its own, and shown as it is typed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from migrate_flow.errors import MigrateFlowError, UsageError

ADA, BEN, CARLA, DORA = (f"{name}@example.com" for name in ("ada", "ben", "carla", "dora"))

CUSTOMERS = (
    """op.create_table(
        "customers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
    )""",
    'op.drop_table("customers")',
)
ORDERS = (
    """op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("customer_id", sa.Integer, sa.ForeignKey("customers.id", name="fk_orders_customer"), nullable=False),
        sa.Column("total", sa.Numeric(10, 2), nullable=False),
    )""",
    'op.drop_table("orders")',
)
EMAIL = (
    'op.add_column("customers", sa.Column("email", sa.String(200)))',
    'op.drop_column("customers", "email")',
)
INDEX = (
    EMAIL[0] + '\n    op.create_index("ix_customers_email", "customers", ["email"])',
    'op.drop_index("ix_customers_email", "customers")\n    ' + EMAIL[1],
)
_EMPTY = re.compile(r'(def (upgrade|downgrade)\(\) -> None:\n    """[^"]*"""\n)    pass\n')
# A tour must not depend on whose machine it runs on: no person, key or database from outside reaches it.
_OUTSIDE = ("MIGRATE_FLOW_", "DATABASE_URL", "ALEMBIC_", "PYTHONPATH")


@dataclass(frozen=True, slots=True)
class Tour:
    """folder: where the shop is. say: prints a line."""

    folder: Path
    say: Callable[[str], None]
    cache: str = ""

    @staticmethod
    def begin(directory: Path | None, say: Callable[[str], None]) -> Tour:
        """Raises UsageError for a folder that holds something, or can't be made."""
        if directory is None:
            shop = Path(tempfile.mkdtemp(prefix="migrate-flow-demo-")) / "shop"
            shop.mkdir()
            return Tour(shop, say)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            occupied = any(directory.iterdir())
        except OSError as error:
            raise UsageError(
                f"{directory} can't be used: {error.strerror}", hint="migrate-flow demo", where="DIR"
            ) from error
        if occupied:
            raise UsageError(f"{directory} is not empty", hint="migrate-flow demo NEW_FOLDER", where="DIR")
        return Tour(directory.resolve(), say)

    def walk(self) -> None:
        """From an empty folder to production. Raises MigrateFlowError if a command ends otherwise than it says."""
        with tempfile.TemporaryDirectory(prefix="migrate-flow-cache-") as cache:
            replace(self, cache=cache)._walk()

    def _walk(self) -> None:
        self._set_up()
        customers = self._first_migration()
        self._refusals(customers)
        self._promote(customers)
        orders = self._edit_after_approval(customers)
        self._production(orders)
        self._third_migration()
        self._evidence()

    def _set_up(self) -> None:
        self._title("A small shop on SQLite, with an Alembic project, in " + str(self.folder))
        self._run("alembic", "init", "migrations", show=False)
        self._note("Four people: Ada and Ben are developers, Carla leads and administers, Dora releases.")
        self._flow(
            "init --key-store project --env dev=sqlite:///dev.db --env staging=sqlite:///staging.db"
            " --env production=sqlite:///production.db"
            f" --person {CARLA}=backend-lead,policy-admin --person {ADA}=developer --person {BEN}=developer"
            f" --person {DORA}=release-manager"
        )
        file = self.folder / "migrate-flow.toml"
        text = file.read_text("utf-8")
        head, tail = text.split("[environments.production]", 1)
        tail = tail.replace('# apply_roles = ["release-manager"] ', 'apply_roles = ["release-manager"]   ', 1)
        file.write_text(head + "[environments.production]" + tail, "utf-8")
        self._note("Only release managers may apply to production: Carla edits migrate-flow.toml, and signs it.")
        self._flow("policy record", CARLA)

    def _first_migration(self) -> str:
        self._title("1. Ada writes a migration")
        revision = self._new(
            "create customers", "Orders need somebody to belong to.", "The customers are lost.", CUSTOMERS
        )
        self._note("dev takes a migration as soon as it is created, so that she can try it:")
        self._flow(f"apply {revision} --env dev", ADA)
        return revision

    def _refusals(self, revision: str) -> None:
        self._title("2. She would like to have it in staging: every reason against it at once")
        self._flow(f"apply {revision} --env staging", ADA, code=1)
        self._note("She vouches for it, and may not review her own work:")
        self._flow(f"self-review {revision}", ADA)
        self._flow(f"review {revision} --approve", ADA, code=1)

    def _promote(self, revision: str) -> None:
        self._title("3. Ben reviews, Carla approves, production still waits for staging")
        self._flow(f'review {revision} --approve -m "small and reversible"', BEN)
        self._flow(f"approve {revision}", CARLA)
        self._flow(f"apply {revision} --env production", DORA, code=1)
        self._flow(f"apply {revision} --env staging", ADA)
        self._flow(f"apply {revision} --env production", DORA)

    def _edit_after_approval(self, _parent: str) -> str:
        self._title("4. A second migration, edited after its approval")
        revision = self._new("create orders", "The shop sells something.", "The orders are lost.", ORDERS)
        self._flow(f"self-review {revision}", ADA)
        self._flow(f"review {revision} --approve", BEN)
        self._flow(f"approve {revision}", CARLA)
        script = self._script(revision)
        script.write_text(script.read_text("utf-8").replace("sa.Numeric(10, 2)", "sa.Numeric(12, 2)"), "utf-8")
        self._note("Now Ada makes the total two digits wider. What was approved were other bytes:")
        self._flow(f"status {revision}", ADA)
        self._flow(f"apply {revision} --env dev", ADA)
        self._flow(f"apply {revision} --env staging", ADA, code=1)
        return revision

    def _production(self, revision: str) -> None:
        self._title("5. So the new bytes are reviewed and approved again")
        self._flow(f"self-review {revision}", ADA)
        self._flow(f"review {revision} --approve", BEN)
        self._flow(f"approve {revision}", CARLA)
        self._flow(f"apply {revision} --env staging", ADA)
        self._note("Ada is no release manager; Dora is:")
        self._flow(f"apply {revision} --env production", ADA, code=1)
        self._flow(f"apply {revision} --env production", DORA)

    def _third_migration(self) -> None:
        self._title("6. A third one: Ben asks for changes")
        revision = self._new("add customers.email", "Receipts are sent by mail.", "The addresses are lost.", EMAIL)
        self._flow(f"self-review {revision}", ADA)
        self._flow(f'review {revision} --request-changes -m "it is looked up: please add an index"', BEN)
        self._flow("inbox", ADA)
        self._note("Ada adds the index; these are new bytes, so she vouches for them anew:")
        self._fill(self._script(revision), INDEX)
        self._flow(f"self-review {revision}", ADA)
        self._flow(f"review {revision} --approve", BEN)
        self._flow("inbox", CARLA)
        self._flow(f"approve {revision}", CARLA)
        self._flow("apply --env dev", ADA)
        self._flow("apply --env staging", ADA)
        self._flow("plan --env production", DORA)
        self._flow("apply --env production", DORA)

    def _evidence(self) -> None:
        self._title("7. What is on the record")
        self._flow("ledger verify")
        self._flow("status")
        self.say("")
        self.say(f"The shop stays in {self.folder}. Try there:")
        program = Path(sys.argv[0]).absolute()
        if os.environ.get("UV_RUN_RECURSION_DEPTH") and program.name == "migrate-flow":
            # `uv run` has it on the path for this one process only.
            self.say(f"  alias migrate-flow={shlex.quote(str(program))}")
        for line in (
            f"cd {shlex.quote(str(self.folder))}",
            f'migrate-flow --as {BEN} new -m "add products"',
            f"migrate-flow --as {BEN} plan --env staging",
            "migrate-flow log",
            f"migrate-flow --as {CARLA} doctor",
        ):
            self.say(f"  {line}")

    def _new(self, message: str, rationale: str, rollback: str, bodies: tuple[str, str]) -> str:
        shown = self._flow(f'new -m "{message}" --rationale "{rationale}" --rollback "{rollback}"', ADA)
        revision = str(re.findall(r"recorded created (\w+)", shown)[0])
        self._fill(self._script(revision), bodies)
        self._note(f"She writes upgrade() and downgrade() of {revision}.")
        return revision

    def _script(self, revision: str) -> Path:
        return next((self.folder / "migrations" / "versions").glob(f"{revision}_*.py"))

    def _fill(self, script: Path, bodies: tuple[str, str]) -> None:
        text = script.read_text("utf-8")
        if not _EMPTY.search(text):
            text = re.sub(r'(def \w+\(\) -> None:\n    """[^"]*"""\n)(?:    .*\n|\n(?!\n))+', r"\1    pass\n", text)
        upgrade, downgrade = bodies
        parts = {"upgrade": upgrade, "downgrade": downgrade}
        script.write_text(_EMPTY.sub(lambda found: f"{found[1]}    {parts[found[2]]}\n", text), "utf-8")

    def _flow(self, command: str, actor: str = "", code: int = 0) -> str:
        shown = f"--as {actor} {command}" if actor else command
        return self._run(*self._command(shown), shown=f"migrate-flow {shown}", code=code)

    def _command(self, command: str) -> list[str]:
        return [sys.executable, "-m", "migrate_flow", "--no-input", *shlex.split(command)]

    def _run(self, program: str, *arguments: str, shown: str = "", show: bool = True, code: int = 0) -> str:
        if show:
            self.say("")
            self.say(f"$ {shown}")
        words = [sys.executable, "-m", "alembic.config"] if program == "alembic" else [program]
        done = subprocess.run(
            [*words, *arguments],
            cwd=self.folder,
            env=_environment(self.cache),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if show else subprocess.PIPE,
            text=True,
            check=False,
        )
        if show:
            for line in done.stdout.rstrip().splitlines():
                self.say(f"  {line}".rstrip())
        if done.returncode != code:
            raise MigrateFlowError(
                f"the tour ran {shown or program}: exit {done.returncode}, it should be {code}\n{done.stdout}",
                hint="migrate-flow --debug demo; please report it",
            )
        if show and code:
            self.say(f"  (exit {code})")
        return done.stdout

    def _title(self, text: str) -> None:
        self.say("")
        self.say(f"== {text}")

    def _note(self, text: str) -> None:
        self.say("")
        self.say(f"   {text}")


def _environment(cache: str) -> dict[str, str]:
    """NOTE: where the user names no place for byte code, it goes into a folder that the tour throws away: without any
    (as under uv, in containers) each of its forty processes would compile everything again."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OUTSIDE)}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    ours = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", "COLUMNS": "100"}
    return {"PYTHONPYCACHEPREFIX": cache, **kept, **ours}
