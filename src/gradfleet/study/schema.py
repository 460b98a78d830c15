"""The tables of a store, made once and known by a version."""

from __future__ import annotations

from sqlalchemy import Connection, insert, inspect, select

from gradfleet.errors import StoreError
from gradfleet.study import tables
from gradfleet.study.database import Database


def prepare(database: Database) -> None:
    """Make the tables where there are none. Two processes may do so at once.

    Raises:
        StoreError: the tables were made by a newer gradfleet.
    """
    found = database.read(_version)
    if found is None:
        found = database.write(_make)
    if found > tables.SCHEMA_VERSION:
        raise StoreError(
            f"The store {database} has schema {found}, made by a newer gradfleet; this one knows up to "
            f"{tables.SCHEMA_VERSION}. Upgrade gradfleet, or pass another store."
        )


def _version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(tables.schema.name):
        return None
    return connection.execute(select(tables.schema.c.version)).scalar()


def _make(connection: Connection) -> int:
    found = _version(connection)  # another process may have made them since we looked
    if found is not None:
        return found
    tables.metadata.create_all(connection)
    connection.execute(insert(tables.schema).values(version=tables.SCHEMA_VERSION))
    return tables.SCHEMA_VERSION
