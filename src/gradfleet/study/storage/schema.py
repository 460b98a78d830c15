"""The tables of a store, made once and known by a version."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, Table, insert, inspect, select, text, update
from sqlalchemy.schema import CreateColumn

from gradfleet.errors import StoreError
from gradfleet.study.storage import tables
from gradfleet.study.storage.database import Database, one_at_a_time


def prepare(database: Database) -> None:
    """Make the tables where there are none, and add what an older version lacks. Two processes may do so at once.

    Raises:
        StoreError: the tables were made by a newer gradfleet.
    """
    found = database.read(_version)
    if found is None:
        found = database.write(_make)
    if found < tables.SCHEMA_VERSION:
        found = database.write(_upgrade)
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
    one_at_a_time(connection)
    found = _version(connection)  # another process may have made them since we looked
    if found is not None:
        return found
    tables.metadata.create_all(connection)
    connection.execute(insert(tables.schema).values(version=tables.SCHEMA_VERSION))
    return tables.SCHEMA_VERSION


def _upgrade(connection: Connection) -> int:
    found = _version(connection)
    assert found is not None, "the tables were there a moment ago"
    if found >= tables.SCHEMA_VERSION:
        return found  # another process was quicker
    tables.metadata.create_all(connection)
    for table in tables.metadata.sorted_tables:
        there = {column["name"] for column in inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                _add(connection, table, column)
        for index in table.indexes:
            index.create(connection, checkfirst=True)
    connection.execute(update(tables.schema).values(version=tables.SCHEMA_VERSION))
    return tables.SCHEMA_VERSION


def _add(connection: Connection, table: Table, column: Column[Any]) -> None:
    described = CreateColumn(column).compile(dialect=connection.dialect)
    connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {described}"))
