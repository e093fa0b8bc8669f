"""Whether a file can be used: its shape by `model`, what needs more than one field by `check`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from migrate_flow.config import check, shape
from migrate_flow.config.model import File as Model
from migrate_flow.config.problem import failure
from migrate_flow.config.settings import File, file_of


def validate(raw: Mapping[str, Any], path: Path) -> File:
    """raw: as read from TOML; path: where it stands, for the error. Raises ConfigError."""
    try:
        Model.model_validate(raw)
    except ValidationError as error:
        raise failure(path, shape.problems(error)) from None
    file = file_of(raw)
    if problems := check.problems(file):
        raise failure(path, problems)
    return file
