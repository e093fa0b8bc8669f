"""The only wiring: from options and configuration to what the services work on."""

from migrate_flow.bootstrap.initialise import Wishes, initialise, lacks_alembic, make_alembic_project
from migrate_flow.bootstrap.keyring import KeyRing, SshsigVerifier
from migrate_flow.bootstrap.urls import connection_hints, known_environment, login, login_asks, logout
from migrate_flow.bootstrap.wiring import load_config, open_ledger, target, workspace

__all__ = [
    "KeyRing",
    "SshsigVerifier",
    "Wishes",
    "connection_hints",
    "initialise",
    "known_environment",
    "lacks_alembic",
    "load_config",
    "login",
    "login_asks",
    "logout",
    "make_alembic_project",
    "open_ledger",
    "target",
    "workspace",
]
