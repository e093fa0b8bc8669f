"""The Flask application that Flask-Migrate's env.py asks for its engine: loaded as ``flask --app`` does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from migrate_flow.alembic_adapter.session import surroundings
from migrate_flow.errors import ConfigError, MigrateFlowError, TargetError

WHERE = "[project] flask_app"


@contextmanager
def application(name: str | None, folder: Path) -> Iterator[None]:
    """An application context of it, while it lasts. name: ``module``, ``module:app`` or ``module:create_app``; None for
    a project without Flask. folder: where ``flask`` is run. Raises ConfigError, TargetError."""
    if name is None:
        yield
        return
    with _loaded(name, folder).app_context():
        yield


def _loaded(name: str, folder: Path) -> Any:
    try:
        cli: Any = import_module("flask.cli")
    except ImportError as error:
        raise ConfigError("Flask is not installed here", hint="pip install flask", where=WHERE) from error
    with surroundings(folder):
        sys.path.insert(0, str(folder))
        try:
            return cli.ScriptInfo(app_import_path=name).load_app()
        except cli.NoAppException as error:
            said = " ".join(str(error).split())
            hint = 'name it as flask --app does: flask_app = "shop:create_app"'
            raise ConfigError(f"the Flask application can't be loaded: {said}", hint=hint, where=WHERE) from error
        except (MigrateFlowError, KeyboardInterrupt):
            raise
        except BaseException as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise TargetError(
                f"the Flask application failed: {said}",
                hint="see that it starts: flask --app APP routes; [project] url_env hands it the URL in a variable",
                where=WHERE,
            ) from error
