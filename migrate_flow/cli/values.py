"""What a word of the command line becomes. Typer asks pydantic, which loads for longer than a short command runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer._coercion import RuntimeParam, build_runtime_param
from typer._param_types import coerce_cli_path
from typer.core import TyperArgument, TyperOption

if TYPE_CHECKING:
    from typer._click.core import Context, Parameter
    from typer._coercion import TypeDescriptor

_NUMBERS = (int, float)


@dataclass(frozen=True)
class _Plain(RuntimeParam):
    """Texts stay as they are, paths are made of them; Typer's own way is left to what else there may be."""

    descriptor: TypeDescriptor

    def _coerce_value(self, value: Any, param: Any, ctx: Context) -> Any:
        kind = self.annotation
        if kind is str and isinstance(value, str):
            return value
        if kind == list[str] and isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            return list(value)
        if kind is Path and isinstance(value, (str, Path)):
            return coerce_cli_path(Path(value), self.parameter_info, path_type=Path, param=param, ctx=ctx)
        if kind in _NUMBERS and type(value) is kind:  # a default, which is as it must be
            return value
        return build_runtime_param(self.descriptor).coerce(value, param=param, ctx=ctx)


def take_plainly(params: Iterable[Parameter]) -> None:
    """Give each of them this way of reading a word."""
    for param in params:
        if isinstance(param, (TyperArgument, TyperOption)) and param.type_descriptor.parameter_info.parser is None:
            given = param.type_descriptor
            param._runtime_param = _Plain(given.parameter_info, given.annotation, given)
