"""An Optuna study twice: in the database, where dashboards look, and in memory, where samplers read it fast.

A sampler draws in memory, and the trial reaches the database complete, in one transaction: a driver that is killed
leaves no half-drawn trial there, and an ask costs one commit and not one for each dimension. What a trial gains later
is written together, when it ends. Every write holds only while the driver's lease does.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import optuna
from optuna.exceptions import StorageInternalError
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial
from optuna.trial import TrialState as OptunaState
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gradfleet.errors import StoreError
from gradfleet.search.space import SearchSpace
from gradfleet.study.mirror import optuna_rows
from gradfleet.study.storage.database import Database, one_at_a_time

if TYPE_CHECKING:
    from gradfleet.study.storage.lease import Lease

T = TypeVar("T")
_COPY_OF = "gradfleet:copy_of"
_STOPPED = "gradfleet:stopped"
Direction = Literal["minimize", "maximize"]

_SHOWN_EVERY = 1.0
"""Seconds at most until a dashboard sees a report, while others come."""


class _Study(optuna.Study):
    """Asked and told; a sampler that has nothing left stops it, which Optuna allows in its own loop only."""

    def __init__(self, name: str, storage: InMemoryStorage, *, stop: Callable[[], None]) -> None:
        super().__init__(name, storage)
        self._stop = stop

    def stop(self) -> None:
        self._stop()


class Mirror:
    """The Optuna study called `name`, made when there is none.

    Attributes:
        study: the copy in memory; its sampler may be set.
        write: has the inside of a transaction run, in the order of its calls; at once, unless somebody sets another.

    Args:
        lease: that of the driver; None where only one program can write.
    """

    study: optuna.Study
    write: Callable[[Callable[[Connection], object]], None]

    def __init__(
        self, database: Database, name: str, *, directions: Sequence[Direction], lease: Lease | None = None
    ) -> None:
        self._database = database
        self._lease = lease
        self._name = name
        self._directions = list(directions)
        self.write = self._write_at_once
        self._storage = self._patiently(lambda: open_storage(database))
        self._patiently(self._create)
        self._study_id = self._patiently(lambda: self._storage.get_study_id_from_name(name))
        self.load()

    def load(self) -> None:
        """Copy the database's study into memory, trial by trial, with the same numbers."""
        self._changed: dict[int, FrozenTrial] = {}
        self._flushed = time.monotonic()
        trials = self._patiently(lambda: self._storage.get_all_trials(self._study_id))
        memory = InMemoryStorage()
        with _quiet():
            study_id = memory.create_new_study([StudyDirection[one.upper()] for one in self._directions], self._name)
            study = _Study(self._name, memory, stop=self._stop)
        self._noted = dict(self._patiently(lambda: self._storage.get_study_system_attrs(self._study_id)))
        for key, value in self._noted.items():
            memory.set_study_system_attr(study_id, key, value)
        for trial in trials:
            memory.create_new_trial(study_id, template_trial=trial)
        self.study, self._memory, self._memory_id = study, memory, study_id
        # From Optuna's trial number to the key of its row; asking for each key would cost a query a trial.
        self._ids = {trial.number: trial._trial_id for trial in trials}

    @property
    def stopped(self) -> bool:
        """Whether a sampler has said that it has nothing left to try."""
        return _STOPPED in self._memory.get_study_system_attrs(self._memory_id)

    def _stop(self) -> None:
        self._memory.set_study_system_attr(self._memory_id, _STOPPED, value=True)

    def numbers(self) -> set[int]:
        return set(self._ids)

    def trial(self, number: int) -> FrozenTrial:
        return self._memory.get_trial(self._in_memory(number))

    def running(self) -> list[FrozenTrial]:
        """The trials that have not ended, oldest first."""
        return self._memory.get_all_trials(self._memory_id, states=(OptunaState.RUNNING,))

    def copies(self) -> dict[int, int]:
        """The study's number of each trial that is a copy, with its number here."""
        trials = self._memory.get_all_trials(self._memory_id, deepcopy=False)
        return {trial.user_attrs[_COPY_OF]: trial.number for trial in trials if _COPY_OF in trial.user_attrs}

    def copy(self, number: int, space: SearchSpace, config: dict[str, Any]) -> int:
        """Add the study's trial `number` of an earlier generation, running until it is told; its number here."""
        self.study.sampler = RandomSampler()  # draws nothing, and costs nothing
        with self.new_trial(config) as trial:
            trial.set_user_attr(_COPY_OF, number)
            space(trial)
        return trial.number

    @contextmanager
    def new_trial(self, given: dict[str, Any] | None) -> Iterator[Trial]:
        """A trial to suggest from, with the values of `given`; it is written to the database when the block ends."""
        self.flush()
        if given is not None:
            self.study.enqueue_trial(given)
        trial = self.study.ask()
        try:
            yield trial
            self._insert(trial.number)
        except BaseException:
            self.load()  # without what could not be written
            raise

    def finish_suggesting(self, orphan: FrozenTrial, suggest: Callable[[Trial], T]) -> T:
        """What `suggest` makes of a trial that the database has already; what it draws anew is written there."""
        with self._changing(orphan.number):
            result = suggest(Trial(self.study, self._in_memory(orphan.number)))
        self.flush()
        return result

    def report(self, number: int, step: int, value: float) -> None:
        with self._changing(number):
            self._memory.set_trial_intermediate_value(self._in_memory(number), step, value)
        if time.monotonic() - self._flushed > _SHOWN_EVERY:
            self.flush()

    def constrain(self, number: int, excesses: Mapping[str, float]) -> None:
        """Hand over by how much a running trial breaks each constraint; zero or less keeps it."""
        present = self.trial(number).constraints
        trial = Trial(self.study, self._in_memory(number))
        with self._changing(number):
            for name in excesses.keys() - present.keys():
                trial.set_constraint(name, excesses[name])

    def tell(self, number: int, state: OptunaState, values: list[float] | None) -> None:
        with self._changing(number):
            self.study.tell(number, values, state)
        self.flush()

    def flush(self) -> None:
        """Write what the trials have gained, and what samplers keep beside them."""
        changed, self._changed = self._changed, {}
        self._flushed = time.monotonic()
        changes = [(number, before, copy(self.trial(number))) for number, before in changed.items()]
        notes = self._new_notes()

        def work(connection: Connection) -> None:
            for number, before, now in changes:
                optuna_rows.change_trial(connection, self._ids[number], before, now)
            optuna_rows.note_study(connection, self._study_id, notes)

        if changes or notes:
            self.write(work)
            self._noted |= notes

    @contextmanager
    def _changing(self, number: int) -> Iterator[None]:
        """Remember the trial as the database has it."""
        if number not in self._changed:
            trial = self._changed[number] = copy(self.trial(number))
            trial.params = dict(trial.params)  # Optuna adds to these in place
        yield

    def _create(self) -> None:
        with _quiet():
            optuna.create_study(
                storage=self._storage, study_name=self._name, directions=self._directions, load_if_exists=True
            )

    def _insert(self, number: int) -> None:
        drawn = self.trial(number)
        notes = self._new_notes()

        def work(connection: Connection) -> None:
            last = optuna_rows.newest(connection, self._study_id)
            if last is not None and optuna_rows.is_same(last, drawn):  # by a commit whose answer was lost
                self._ids[number] = int(last.trial_id)
                return
            if (-1 if last is None else last.number) != number - 1:
                raise StoreError(f"Another program writes to the Optuna study {self._name!r}; end it and resume.")
            optuna_rows.note_study(connection, self._study_id, notes)
            self._ids[number] = optuna_rows.add_trial(connection, self._study_id, drawn)

        self.write(work)
        self._noted |= notes

    def _new_notes(self) -> dict[str, Any]:
        notes = self._memory.get_study_system_attrs(self._memory_id)
        return {key: value for key, value in notes.items() if self._noted.get(key) != value}

    def _write_at_once(self, work: Callable[[Connection], object]) -> None:
        def fenced(connection: Connection) -> None:
            if self._lease is not None:
                self._lease.check(connection)
            work(connection)

        self._database.write(fenced)

    def _in_memory(self, number: int) -> int:
        return self._memory.get_trial_id_from_study_id_trial_number(self._memory_id, number)

    def _patiently(self, attempt: Callable[[], T]) -> T:
        return _patiently(self._database, attempt)


def delete_mirror(database: Database, name: str) -> None:
    """Drop the Optuna study called `name`; nothing happens when there is none."""
    storage = _patiently(database, lambda: open_storage(database))
    with suppress(KeyError):
        study_id = _patiently(database, lambda: storage.get_study_id_from_name(name))
        _patiently(database, lambda: storage.delete_study(study_id))


def _patiently(database: Database, attempt: Callable[[], T]) -> T:
    def unwrapped() -> T:
        try:
            return attempt()
        except StorageInternalError as error:
            if isinstance(error.__cause__, SQLAlchemyError):
                raise error.__cause__ from error
            raise

    return database.patiently(unwrapped)


def open_storage(database: Database) -> RDBStorage:
    """Optuna's storage in the same database, over the same connections."""
    url = database.url.render_as_string(hide_password=False)
    deadline = time.monotonic() + 30.0
    while True:
        try:
            with database.engine.begin() as connection:
                one_at_a_time(connection)
                return RDBStorage(url, engine_kwargs={"pool": database.engine.pool})  # closed with the store
        except (DBAPIError, StorageInternalError):
            # Optuna makes its tables one by one: in SQLite, another process that does so is met as "exists already".
            if time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.05, 0.2))
        except RuntimeError as error:
            raise StoreError(f"Optuna's tables in the store {database} are of another version: {error}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    # Optuna says "A new study created" on stderr, where only our progress belongs.
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
