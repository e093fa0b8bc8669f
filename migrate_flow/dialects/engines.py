"""The engines that env.py makes: reached at their first connection, and disposed of when it has run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError


@contextmanager
def settled_in(names: tuple[str, ...], settle_in: Callable[[Connection], None]) -> Iterator[None]:
    """Call settle_in for each connection to a database of one of these kinds, before anything else runs on it."""
    seen: list[Engine] = []

    def connected(connection: Connection) -> None:
        if connection.dialect.name in names:
            seen.append(connection.engine)
            settle_in(connection)

    # On the Engine class, not the pool: async engines, and those made before, pass here too.
    event.listen(Engine, "engine_connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "engine_connect", connected)
        for engine in seen:
            # A connection in a pool of env.py's would keep K2. An async engine's can't be closed from here, and has
            # lost its event loop anyway.
            with suppress(SQLAlchemyError):
                engine.dispose(close=not engine.dialect.is_async)
