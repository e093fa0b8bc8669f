"""Who hears of new entries: the hooks of the configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from migrate_flow.core.redaction import SECRET_VARIABLES

if TYPE_CHECKING:
    from migrate_flow.config.load import Config
    from migrate_flow.core.entry import Entry
    from migrate_flow.hooks import Hooks

OFF = "MIGRATE_FLOW_NO_HOOKS"
SCHEMA = "migrate-flow/hook/1"
_SECRETS = (*SECRET_VARIABLES, "MIGRATE_FLOW_SIGNING_KEY_FILE")


class Nobody:
    """Hears nothing: most projects have no hook, and pay for none."""

    def heard(self, entry: Entry) -> None:
        """No more is done."""

    def run(self) -> list[str]:
        return []


def hooks(config: Config) -> Hooks | Nobody:
    """None of them where the variable ``MIGRATE_FLOW_NO_HOOKS`` is set."""
    if not config.hooks or os.environ.get(OFF):
        return Nobody()
    from migrate_flow.core.schedule import parse_duration
    from migrate_flow.hooks import Hook, Hooks

    def document(entry: Entry) -> dict[str, Any]:
        from migrate_flow.views.attesting import entry_values

        return {"schema": SCHEMA, "project": config.project.name, **entry_values(entry)}

    made = [
        Hook(name, hook.on, hook.command, parse_duration(hook.timeout).total_seconds())
        for name, hook in config.hooks.items()
    ]
    return Hooks(made, config.root, document, _hidden(config))


def _hidden(config: Config) -> set[str]:
    """Variables that hold a key, a password or a URL."""
    urls = [config.ledger.url, config.rehearsal.postgresql, config.rehearsal.mysql]
    urls += [environment.url for environment in config.environments.values()]
    named = {url.removeprefix("env:") for url in urls if url and url.startswith("env:")}
    return {*_SECRETS, *named, *filter(None, [config.project.url_env])}
