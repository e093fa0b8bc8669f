"""The migrate-flow.toml that `init` writes: what is set, and everything else as comments to be taken out.

A commented setting begins with ``# key = `` or ``# [``, prose never does, so that a test can take them all out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import tomlkit

from migrate_flow.config.urls import DEFAULT_LEDGER

SCHEMA_PATH = ".migrate-flow/schema.json"


class NewEnvironment(NamedTuple):
    """url: as it will stand in the file."""

    name: str
    url: str
    dialect: str


class NewPerson(NamedTuple):
    roles: Sequence[str]
    keys: Sequence[str]


def render(
    *,
    project: str,
    environments: Sequence[tuple[str, str, str]],
    people: Mapping[str, tuple[Sequence[str], Sequence[str]]],
    alembic: str = "alembic.ini",
    alembic_section: str = "alembic",
    url_env: str = "",
    flask_app: str = "",
    ledger_url: str = DEFAULT_LEDGER,
    ledger_id: str = "",
    genesis: str = "",
) -> str:
    """The file's text. environments: (name, url, dialect) in order of promotion, see NewEnvironment; each but the
    first gets the one before it as upstream. people: by e-mail address, (roles, keys), see NewPerson.

    url_env, flask_app: empty to leave them as comments. Nothing is judged here: hand the text to `load.parse`.
    """
    roles = {role for held, _ in people.values() for role in held}
    sections = [
        _HEAD.format(schema=SCHEMA_PATH),
        _PROJECT.format(
            name=_quote(project),
            alembic=_quote(alembic),
            section=_quote(alembic_section),
            url_env=f"url_env = {_quote(url_env)}" if url_env else _URL_ENV,
            flask_app=f"flask_app = {_quote(flask_app)}" if flask_app else _FLASK_APP,
        ),
        _LEDGER.format(url=_quote(ledger_url), id=_quote(ledger_id), genesis=_quote(genesis)),
        _ENVIRONMENTS,
        *_environment_tables([NewEnvironment(*item) for item in environments]),
        _POLICY,
        _ESCALATION if "product-owner" in roles else _ESCALATION_IDEA,
        _PEOPLE if people else _PEOPLE_IDEA,
        *(_person_table(name, NewPerson(*value)) for name, value in people.items()),
        _REST,
    ]
    return "\n".join(sections)


def person_lines(name: str, roles: Sequence[str], keys: Sequence[str]) -> list[str]:
    """A person's table, line by line."""
    return [f"[people.{_quote(name)}]", f"roles = {_list(roles)}", f"keys = {_list(keys)}"]


def _environment_tables(environments: Sequence[NewEnvironment]) -> list[str]:
    tables: list[str] = []
    for index, (name, url, dialect) in enumerate(environments):
        lines = [f"[environments.{_quote(name, key=True)}]", f"url = {_quote(url)}", f"dialect = {_quote(dialect)}"]
        if index == 0:
            lines.append(_FIRST)
        else:
            lines += [f"upstream = {_list([environments[index - 1].name])}", _LATER]
        if index == len(environments) - 1:
            lines.append(_TIMEOUTS)
        tables.append("\n".join(lines) + "\n")
    return tables


def _person_table(name: str, person: NewPerson) -> str:
    return "\n".join(person_lines(name, person.roles, person.keys)) + "\n"


def _list(values: Sequence[str]) -> str:
    return "[" + ", ".join(_quote(value) for value in values) + "]"


def _quote(text: str, *, key: bool = False) -> str:
    return tomlkit.key(text).as_string() if key else tomlkit.item(text).as_string()


_HEAD = """\
#:schema ./{schema}
# How a migration of this project gets from a written script into production.
#
#   create -> self-review -> peer review -> approval -> apply, from environment to environment
#
# A line that begins with "# key =" shows a setting that is not in use: remove the "# " to use it.
# Passwords never stand here. A url is one of
#   "sqlite:///dev.db"          the URL itself, if it holds no password
#   "env:STAGING_DATABASE_URL"  the name of an environment variable that holds it
#   "keyring:staging"           the key store of this computer: migrate-flow env login staging
# The policy is [people], [policy], [lint] and the rules of the environments. A change of it counts once
# a policy-admin has signed it: migrate-flow policy record. To check this file: migrate-flow doctor.
"""

_PROJECT = """\
[project]
name = {name}
alembic = {alembic}
alembic_section = {section}
{url_env}
{flask_app}
# x = ["tenant=main"]                   # as alembic -x
# graph = "import"                      # only if branch labels or depends_on are expressions
# ticket_pattern = "SHOP-[0-9]+"        # each migration's documentation must name a ticket
# style_guide = "docs/migrations.md"    # shown at self-review
# checklist = ["Does the old code still run after it?"]
"""

_URL_ENV = '# url_env = "DATABASE_URL"              # for an env.py that reads its URL from this variable'
_FLASK_APP = '# flask_app = "shop:create_app"         # Flask-Migrate: the application, as flask --app'

_LEDGER = """\
# Who said what about which migration, signed. SQLite belongs to one computer; a team uses PostgreSQL.
# id and genesis say which ledger is the right one; init writes them, they belong into version control.
[ledger]
url = {url}
id = {id}
genesis = {genesis}
"""

_ENVIRONMENTS = """\
# The environments, in the order of promotion. A migration reaches one only after all of its upstream.
"""

_FIRST = """\
# requires = "created"                  # the default; or "self-reviewed", "peer-reviewed", "approved"
# personal = true                       # each developer has a database of one's own under this name"""

_LATER = """\
# Behind an upstream a migration must be approved: requires = "approved" is the default, and the least.
# apply_roles = ["release-manager"]     # who may apply; without it everybody in [people]
# confirm = true                        # the operator types the environment's name
# soak = "24h"                          # at least that long since it was applied upstream
# windows = ["mon-thu 09:00-16:00 Europe/Berlin"]"""

_TIMEOUTS = """\
# lock_timeout = "5s"                   # these three are the defaults, for every environment by itself
# statement_timeout = "15min"
# lock_retries = 10"""

_POLICY = """\
[policy]
separation = "strict"                   # author, peer reviewer and approver are three people
                                        # "two-person": the peer reviewer may also approve
peer_reviews = 1
approvals = { backend-lead = 1 }
admins = 1                              # policy-admins that sign a change of the policy
# approval_expires = "30d"
# review_roles = ["developer"]          # who may peer review
# unknown_authors = "refuse"            # git authors whom nobody in [people] claims; the default is "warn"
# allow_irreversible = true             # with a waiver and its reason in the script
"""

_ESCALATION = """\
# Riskier migrations need more. Risks: destructive lossy irreversible waiver raw-sql-unknown table:GLOB
[[policy.escalations]]
when = ["destructive", "lossy", "waiver"]
approvals = { backend-lead = 1, product-owner = 1 }
"""

_ESCALATION_IDEA = """\
# Riskier migrations can need more. Risks: destructive lossy irreversible waiver raw-sql-unknown table:GLOB
# [[policy.escalations]]
# when = ["destructive", "lossy", "waiver"]
# approvals = { backend-lead = 1, product-owner = 1 }
"""

_PEOPLE = """\
# People and bots by e-mail address, with their public keys. To add one:
#   migrate-flow people add EMAIL --role developer --key "ssh-ed25519 ..."
# Other addresses of a person in git's history go into: aliases = ["ada@users.example.net"]
"""

_PEOPLE_IDEA = """\
# Nobody yet. People and bots stand here by e-mail address, with their public keys. To add one:
#   migrate-flow people add EMAIL --role developer --key "ssh-ed25519 ..."
"""

_REST = """\
[lint]
# contract_tables = ["api_*"]           # touching these needs a "Contract mapping:" section
# severity = { rename-column = "error" }
# plugins = ["ourtools.migration_rules"]
# drift_ignore = ["tmp_*"]

[rehearsal]
# postgresql = "env:SCRATCH_DATABASE_URL"   # a server for scratch databases; default: bundled programs
# mysql = "env:SCRATCH_MYSQL_URL"
# baseline = "schema.sql"               # or "command: ...", "environment:production"

# A command that hears of new entries of some kinds, as JSON on stdin, after the act. No shell; never in its way.
# [hooks.chat]
# on = ["apply.", "migration.self-reviewed"]
# command = ["tools/tell-the-team", "--channel", "database"]
# timeout = "10s"
"""
