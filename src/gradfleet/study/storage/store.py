"""The store: every study, trial and record in one database, written in fenced transactions."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Select, Table, and_, delete, insert, select, update

from gradfleet.errors import NotFoundError, SettingError, unknown_name
from gradfleet.study.artifacts import absolute
from gradfleet.study.storage import addresses, extension, journal, schema
from gradfleet.study.storage.database import Database, check_file, one_at_a_time, parse_url, sqlite_file
from gradfleet.study.storage.matching import check_match, made_from, matches
from gradfleet.study.storage.provenance import clipped, git_commit, package_versions
from gradfleet.study.storage.rows import Changes, GenerationRow, RecordRow, StudyRow, StudyState, TrialRow
from gradfleet.study.storage.tables import generations, records, sources, studies, trials
from gradfleet.training.history import EpochRecord

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from gradfleet.study.storage.lease import Lease

T = TypeVar("T")
Row = TypeVar("Row", bound="DataclassInstance")
Kept = TypeVar("Kept", TrialRow, RecordRow)

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What may be the name of a file or a folder, everywhere and without quotes."""

SAFE_NAME_WORDS = "up to 100 letters, digits, '.', '_' and '-', the first one a letter or digit"


class Store:
    """Studies in a database. Reads need nothing; every write on a trial takes the study's `Lease`.

    Example:
        >>> store = Store.open("sweeps.db")  # doctest: +SKIP
        >>> [study.name for study in store.studies()]  # doctest: +SKIP
        ['digits']
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, url: str | Path | None = None, *, must_exist: bool = False, patience: float = 60.0) -> Store:
        """Open a store, and make its tables when it has none.

        Args:
            url: `sqlite:///...`, `postgresql://...` or the path of a SQLite file; None is `gradfleet.db` here.
            must_exist: a file that is not there is an error instead of a new store.
            patience: seconds to go on trying while the database is locked or away.

        Raises:
            NotFoundError: the file is not there, and it must be.
            StoreError: no store can be there, or it was written by a newer gradfleet.
        """
        parsed = parse_url(url)
        check_file(parsed, must_exist=must_exist)
        database = Database(parsed, patience=patience)
        schema.prepare(database)
        return cls(database)

    @property
    def url(self) -> str:
        """Where it is, without the password."""
        return str(self.database)

    def default_artifacts(self) -> str:
        """The folder beside a SQLite file.

        Raises:
            SettingError: the store is a server, which has no place beside it.
        """
        file = sqlite_file(self.database.url)
        if file is None:
            raise SettingError(f"The store {self.url} is a server: pass artifacts= with a place all workers reach.")
        return str(file.parent / "gradfleet-artifacts")

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Reading

    def studies(self, *, state: StudyState | None = None) -> list[StudyRow]:
        """All studies, or those in that state, oldest first."""
        chosen = select(studies).order_by(studies.c.id)
        return self._studies(chosen if state is None else chosen.where(studies.c.state == state))

    def study(self, name: str) -> StudyRow:
        """The study of that name.

        Raises:
            NotFoundError: there is none; the names that there are stand in the message.
        """
        found = self._studies(select(studies).where(studies.c.name == name))
        if not found:
            known = [study.name for study in self.studies()]
            raise NotFoundError(f"{unknown_name('study', name, known)} The store is {self.url}.")
        return found[0]

    def generations(self, study_id: int) -> list[GenerationRow]:
        """The study's generations by number; the last one is searched."""
        return self._rows(GenerationRow, _newest_last(study_id))

    def sources(self, study_id: int) -> dict[str, str]:
        """The texts that were kept with a study, by file name."""
        found = self.database.read(lambda connection: connection.execute(_of(sources, study_id)).all())
        return {row.name: row.text for row in found}

    def trials(self, study_id: int) -> list[TrialRow]:
        """All trials of a study by number."""
        query = _of(trials, study_id).order_by(trials.c.number)
        return self.database.read(lambda connection: self.rows_of(connection, study_id, TrialRow, query))

    def trial(self, study_id: int, number: int) -> TrialRow:
        """One trial.

        Raises:
            NotFoundError: the study has no trial of that number.
        """
        query = _of(trials, study_id).where(trials.c.number == number)
        found = self.database.read(lambda connection: self.rows_of(connection, study_id, TrialRow, query))
        if not found:
            raise NotFoundError(f"The study has no trial {number}; it has {len(self.trials(study_id))}, from 0.")
        return found[0]

    def records(self, study_id: int, number: int | None = None) -> list[RecordRow]:
        """The records of one trial or of all, by trial number and epoch."""
        query = _of(records, study_id)
        if number is not None:
            query = query.where(records.c.number == number)
        ordered = query.order_by(records.c.number, records.c.epoch)
        return self.database.read(lambda connection: self.rows_of(connection, study_id, RecordRow, ordered))

    def has_records(self, study_id: int) -> bool:
        """Whether any trial of a study has a record."""
        one = select(records.c.number).where(records.c.study_id == study_id).limit(1)
        return self.database.read(lambda connection: connection.execute(one).first()) is not None

    def records_of(self, study_id: int, numbers: Sequence[int]) -> list[RecordRow]:
        """The records of some trials, by trial number and epoch."""
        ordered = (
            _of(records, study_id).where(records.c.number.in_(numbers)).order_by(records.c.number, records.c.epoch)
        )
        return self.database.read(lambda connection: self.rows_of(connection, study_id, RecordRow, ordered))

    def changes(self, study_id: int, since: int = -1) -> Changes:
        """The trials that have changed after a revision of the study, with the best record of each that has one.

        Args:
            since: a revision that was read before; -1 is for all trials.
        """
        best = and_(
            trials.c.study_id == records.c.study_id,
            trials.c.number == records.c.number,
            trials.c.best_epoch == records.c.epoch,
        )
        changed = (trials.c.study_id == study_id, trials.c.revision > since)
        changed_trials = select(trials).where(*changed).order_by(trials.c.number)
        best_records = select(records).join(trials, best).where(*changed)
        revision = select(studies.c.revision).where(studies.c.id == study_id)

        def work(connection: Connection) -> Changes:
            now = connection.execute(revision).scalar() or 0
            if now == since:
                return Changes(now, [], {})
            found = self.rows_of(connection, study_id, RecordRow, best_records)
            shown = self.rows_of(connection, study_id, TrialRow, changed_trials)
            return Changes(now, shown, {record.number: record for record in found})

        return self.database.read(work)

    # Studies

    def create_study(
        self,
        name: str,
        spec: Mapping[str, Any],
        *,
        fingerprint: str | None = None,
        seed: int = 0,
        artifacts: str | None = None,
        state: StudyState = "queued",
        texts: Mapping[str, str] | None = None,
    ) -> StudyRow:
        """Make a study and its first generation.

        Args:
            spec: the JSON that it is made from; `objective` and `space` must be there.
            artifacts: URL of the folder for checkpoints; None is the one beside the SQLite file.
            texts: the sources of what trains, by file name.

        Raises:
            SettingError: the name is taken, or cannot be the name of a folder.
        """
        check_name(name)
        commit = git_commit()
        place = absolute(artifacts or self.default_artifacts())
        values = {
            "name": name,
            "spec": addresses.kept(dict(spec), place, addresses.ARTIFACTS),
            "fingerprint": fingerprint,
            "seed": seed,
            "state": state,
            "created": time.time(),
            "versions": package_versions(),
            "git_commit": commit.name,
            "git_dirty": commit.dirty,
            "artifacts": addresses.kept(place, self._folder, addresses.STORE),
        }
        kept = clipped(texts or {}, commit)
        self.database.write(lambda connection: _insert_study(connection, values, kept, store=self.url))
        return self.study(name)

    def open_study(
        self, name: str, spec: Mapping[str, Any], *, fingerprint: str | None = None, extend: bool = False
    ) -> StudyRow:
        """The study of that name, to go on with.

        Args:
            extend: its space may be another one, and with it the code of its builders.

        Raises:
            NotFoundError: there is none.
            StudyMismatchError: it was made from other data, another objective or another space; what differs is shown.
        """
        study = self.study(name)
        searched = {**study.spec, "space": self.generations(study.id)[-1].space}
        stored, given = made_from(searched, spec, fingerprints=(study.fingerprint, fingerprint))
        changed = stored["space"] != given["space"]
        grown = extension.extended(stored, given) if changed else stored
        way_out = extension.SENTENCE if changed and not extend and matches(grown, given) else None
        check_match(name, grown if extend else stored, given, way_out=way_out)
        return study

    def extend_study(self, lease: Lease, spec: Mapping[str, Any], texts: Mapping[str, str] | None = None) -> StudyRow:
        """Search the spec's space from now on; see `extension`. Nothing happens when it is searched already.

        Args:
            texts: as for `create_study`.
        """
        kept = clipped(texts or {}, git_commit())

        def work(connection: Connection) -> None:
            newest = _rows(connection, GenerationRow, _newest_last(lease.study.id))[-1]
            if newest.space != spec["space"]:
                extension.add_generation(connection, lease.study, spec, kept)

        self.fenced(lease, work)
        return self.study(lease.study.name)

    def set_state(self, lease: Lease, state: StudyState, *, problem: str | None = None) -> None:
        """Write how a study stands.

        Args:
            problem: why it has failed.
        """
        changed = update(studies).where(studies.c.id == lease.study.id).values(state=state, problem=problem)
        self.fenced(lease, lambda connection: connection.execute(changed))

    def delete_study(self, lease: Lease) -> None:
        """Drop the study's rows, its lease among them; not its artifacts, and not Optuna's copy."""
        gone = delete(studies).where(studies.c.id == lease.study.id)
        self.fenced(lease, lambda connection: connection.execute(gone))

    # Trials

    def add_record(self, lease: Lease, number: int, record: EpochRecord, checkpoint: str | None = None) -> bool:
        """Keep one epoch and, on the trial, what is best of it now.

        False, with nothing written, when the epoch is there already or the trial has ended.
        """
        return self.fenced(lease, lambda conn: journal.add_record(conn, lease.study, number, record, checkpoint))

    # Inside

    def fenced(self, lease: Lease, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction that holds only while the lease does.

        Raises:
            LeaseLostError: another driver has taken over; nothing was written.
        """

        def checked(connection: Connection) -> T:
            lease.check(connection)
            return work(connection)

        return self.database.write(checked)

    @property
    def _folder(self) -> str | None:
        """Of the SQLite file; None for a server."""
        file = sqlite_file(self.database.url)
        return None if file is None else str(file.parent)

    def rows_of(self, connection: Connection, study_id: int, kind: type[Kept], query: Select[Any]) -> list[Kept]:
        """Rows of one study, with the addresses of their checkpoints as they are now."""
        of_study = select(studies.c.artifacts).where(studies.c.id == study_id)
        place = addresses.found(connection.execute(of_study).scalar(), self._folder, addresses.STORE)
        return _rows(connection, kind, query, artifacts=place)

    def _rows(self, kind: type[Row], query: Select[Any]) -> list[Row]:
        return self.database.read(lambda connection: _rows(connection, kind, query))

    def _studies(self, query: Select[Any]) -> list[StudyRow]:
        return [_study(row, self._folder) for row in self._rows(StudyRow, query)]


def _rows(connection: Connection, kind: type[Row], query: Select[Any], *, artifacts: str | None = None) -> list[Row]:
    # By place, without names or mappings between, because a study may have 10,000 trials.
    found = connection.execute(query)
    names, columns = [one.name for one in fields(kind)], list(found.keys())
    values: Iterable[tuple[Any, ...]] = map(itemgetter(*map(columns.index, names)), found.all())
    if artifacts is not None and "checkpoint" in names:
        values = (_with_checkpoint(row, names.index("checkpoint"), artifacts) for row in values)
    return [kind(*row) for row in values]


def _with_checkpoint(row: tuple[Any, ...], place: int, artifacts: str) -> tuple[Any, ...]:
    if row[place] is None:
        return row
    return (*row[:place], addresses.found(row[place], artifacts, addresses.ARTIFACTS), *row[place + 1 :])


def _study(row: StudyRow, folder: str | None) -> StudyRow:
    artifacts = addresses.found(row.artifacts, folder, addresses.STORE)
    return replace(row, artifacts=artifacts, spec=addresses.found(row.spec, artifacts, addresses.ARTIFACTS))


def _of(table: Table, study_id: int) -> Select[Any]:
    return select(table).where(table.c.study_id == study_id)


def _newest_last(study_id: int) -> Select[Any]:
    return _of(generations, study_id).order_by(generations.c.number)


def check_name(name: object, *, of: str = "study") -> None:
    """Refuse a name that cannot be the name of a folder.

    Args:
        of: what has the name, in a word.

    Raises:
        SettingError: with what a name may be.
    """
    if not isinstance(name, str) or not SAFE_NAME.fullmatch(name):
        raise SettingError(f"A {of}'s name has {SAFE_NAME_WORDS}; got {name!r}.")


def name_taken(name: str, store: str) -> SettingError:
    """The error for a study that cannot be made because it is there already."""
    return SettingError(
        f"A study called {name!r} is in the store {store} already. Pass resume=True to go on with it, or another name."
    )


def _insert_study(connection: Connection, values: Mapping[str, Any], texts: Mapping[str, str], *, store: str) -> None:
    one_at_a_time(connection)  # else two of one name could both find it free
    name, now = values["name"], values["created"]
    if connection.execute(select(studies.c.id).where(studies.c.name == name)).first():
        raise name_taken(name, store)
    connection.execute(insert(studies).values(values))
    study_id = connection.execute(select(studies.c.id).where(studies.c.name == name)).scalar_one()
    generation = {"number": 0, "optuna_name": f"{name}-generation-0", "space": values["spec"]["space"], "created": now}
    connection.execute(insert(generations).values(study_id=study_id, **generation))
    for place, text in texts.items():
        connection.execute(insert(sources).values(study_id=study_id, name=place, text=text))
