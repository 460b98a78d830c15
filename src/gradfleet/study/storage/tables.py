"""The tables of a store: what gradfleet keeps beside Optuna's own."""

from __future__ import annotations

import json
import math
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
)

SCHEMA_VERSION = 8
"""Raised with every change of a table; a store of a newer version is refused, and an older one is brought up to date.

So a new version only adds: tables, and columns that may be empty or have a server default.
"""


_read = json.JSONDecoder().decode  # json.loads asks more of each of 10,000 texts


class Json(TypeDecorator[Any]):
    """A JSON text. No database's own JSON type, because some refuse what others take."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, allow_nan=False)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else _read(value)


class Metrics(TypeDecorator[dict[str, float]]):
    """Name to float as JSON; NaN and the infinities, which JSON lacks, are written as "nan", "inf" and "-inf"."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect | None) -> str:
        finite = {name: number if math.isfinite(number) else repr(float(number)) for name, number in value.items()}
        return json.dumps(finite)

    def process_result_value(self, value: Any, dialect: Dialect | None) -> dict[str, float] | None:
        """None where an outer join found no record."""
        return None if value is None else self.of_text(value)

    @staticmethod
    def of_text(text: str) -> dict[str, float]:
        return {name: float(number) for name, number in _read(text).items()}


class Words(TypeDecorator[str]):
    """Text that people and programs wrote; what a database refuses in one, it has as an escape: `\\x00`.

    PostgreSQL takes no NUL, and neither takes half of a surrogate pair, which stands for a byte of a file's name that
    is no UTF-8. A question for such a text finds what was written so.
    """

    impl: type[String] = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


class Word(Words):
    """As Words, of a limited length."""

    impl = String
    cache_ok = True


metadata = MetaData()
_serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself in an INTEGER key only

schema = Table("gradfleet_schema", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

studies = Table(
    "gradfleet_studies",
    metadata,
    Column("id", _serial, primary_key=True),
    Column("name", Word(200), nullable=False, unique=True),
    Column("spec", Json, nullable=False),
    Column("fingerprint", Word(200)),
    Column("seed", BigInteger, nullable=False),
    Column("state", Word(20), nullable=False),
    Column("created", Float(53), nullable=False),
    Column("versions", Json, nullable=False),
    Column("git_commit", Word(80)),
    Column("artifacts", Words, nullable=False),
    Column("git_dirty", Boolean),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    Column("problem", Words),
)


def _study_key() -> Column[int]:
    return Column("study_id", _serial, ForeignKey(studies.c.id, ondelete="CASCADE"), primary_key=True)


sources = Table(
    "gradfleet_sources",
    metadata,
    _study_key(),
    Column("name", Word(500), primary_key=True),
    Column("text", Words, nullable=False),
)

generations = Table(
    "gradfleet_generations",
    metadata,
    _study_key(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("optuna_name", Word(300), nullable=False, unique=True),
    Column("space", Json, nullable=False),
    Column("created", Float(53), nullable=False),
)

trials = Table(
    "gradfleet_trials",
    metadata,
    _study_key(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("generation", Integer, nullable=False),
    Column("optuna_number", Integer, nullable=False),
    Column("config", Json, nullable=False),
    Column("origin", Json),
    Column("seed", BigInteger, nullable=False),
    Column("state", Word(20), nullable=False),
    Column("stopping", Word(20)),
    Column("reason", Words),
    Column("traceback", Words),
    Column("attempts", Integer, nullable=False),
    Column("started", Float(53), nullable=False),
    Column("ended", Float(53)),
    Column("epochs", Integer, nullable=False),
    Column("value", Float(53)),
    Column("best_epoch", Integer),
    Column("checkpoint", Words),
    Column("starred", Boolean, nullable=False, server_default=false()),
    Column("note", Words),
    Column("revision", BigInteger, nullable=False, server_default="0"),
)

records = Table(
    "gradfleet_records",
    metadata,
    Column("study_id", _serial, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("metrics", Metrics, nullable=False),
    Column("checkpoint", Words),
    Column("time", Float(53), nullable=False),
    ForeignKeyConstraint(["study_id", "number"], [trials.c.study_id, trials.c.number], ondelete="CASCADE"),
    Index("gradfleet_records_by_time", "study_id", "time"),
)

leases = Table(
    "gradfleet_leases",
    metadata,
    _study_key(),
    Column("number", Integer, nullable=False),
    Column("released", Boolean, nullable=False),
    Column("host", Word(255), nullable=False),
    Column("process_space", Word(80), nullable=False),
    Column("boot", Word(80), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started", Float(53), nullable=False),
    Column("since", Float(53), nullable=False),
    Column("heartbeat", Float(53), nullable=False),
)

requests = Table(
    "gradfleet_requests",
    metadata,
    Column("id", _serial, primary_key=True),
    Column("study_id", _serial, ForeignKey(studies.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("verb", Word(20), nullable=False),
    Column("arguments", Json, nullable=False),
    Column("created", Float(53), nullable=False),
    Column("answered", Float(53)),
    Column("outcome", Words),
)

# What the service keeps: who may do what, what was done, which sweeps and which
# replays were asked for, and which models have a name.

tokens = Table(
    "gradfleet_tokens",
    metadata,
    Column("id", _serial, primary_key=True),
    Column("name", Word(100), nullable=False),
    Column("hash", Word(64), nullable=False, unique=True),
    Column("scope", Word(10), nullable=False),
    Column("created", Float(53), nullable=False),
    Column("expires", Float(53)),
    Column("revoked", Float(53)),
)

audit = Table(
    "gradfleet_audit",
    metadata,
    Column("id", _serial, primary_key=True),
    Column("time", Float(53), nullable=False),
    Column("token", Word(100)),
    Column("address", Word(100), nullable=False),
    Column("method", Word(10), nullable=False),
    Column("path", Words, nullable=False),
    Column("status", Integer, nullable=False),
)

submissions = Table(
    "gradfleet_submissions",
    metadata,
    Column("id", _serial, primary_key=True),
    Column("name", Word(200), nullable=False, unique=True),
    Column("spec", Json, nullable=False),
    Column("created", Float(53), nullable=False),
    Column("created_by", Word(100), nullable=False),
    Column("state", Word(20), nullable=False),
    Column("problem", Words),
    Column("attempts", Integer, nullable=False),
    Column("not_before", Float(53), nullable=False),
    Column("retry_failed", Boolean, nullable=False),
    Column("claim", Integer, nullable=False),
    Column("host", Word(255)),
    Column("process_space", Word(80)),
    Column("boot", Word(80)),
    Column("pid", Integer),
    Column("process_started", Float(53)),
    Column("heartbeat", Float(53)),
)

replays = Table(
    "gradfleet_replays",
    metadata,
    _study_key(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", Word(20), nullable=False),
    Column("created", Float(53), nullable=False),
    Column("created_by", Word(100), nullable=False),
    Column("ended", Float(53)),
    Column("recorded", Float(53), nullable=False),
    Column("value", Float(53)),
    Column("epoch", Integer),
    Column("records", Json),
    Column("problem", Words),
    Column("claim", Integer, nullable=False),
    Column("host", Word(255), nullable=False),
    Column("process_space", Word(80), nullable=False),
    Column("boot", Word(80), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started", Float(53), nullable=False),
    Column("heartbeat", Float(53), nullable=False),
)

models = Table(
    "gradfleet_models",
    metadata,
    Column("name", Word(100), primary_key=True),
    Column("study", Word(200), nullable=False),
    Column("trial", Integer, nullable=False),
    Column("place", Words, nullable=False),
    Column("created", Float(53), nullable=False),
    Column("created_by", Word(100), nullable=False),
    Column("about", Json, nullable=False),
)
