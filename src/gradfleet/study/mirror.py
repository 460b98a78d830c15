"""An Optuna study twice: in the database, where dashboards look, and in memory, where samplers read it fast.

A sampler draws in memory, and the trial reaches the database complete, in one transaction: a driver that is killed
leaves no half-drawn trial there, and an ask costs one commit and not one for each dimension.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Literal, TypeVar

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.trial import FrozenTrial, Trial
from optuna.trial import TrialState as OptunaState
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gradfleet.errors import StoreError
from gradfleet.study.database import Database

T = TypeVar("T")
Direction = Literal["minimize", "maximize"]


class Mirror:
    """The Optuna study called `name`, made when there is none.

    Attributes:
        study: the copy in memory; its sampler may be set.
    """

    study: optuna.Study

    def __init__(self, database: Database, name: str, *, directions: Sequence[Direction]) -> None:
        self._database = database
        self._name = name
        self._directions = list(directions)
        self._storage = self._patiently(lambda: _open(database))
        self._patiently(self._create)
        self._study_id = self._patiently(lambda: self._storage.get_study_id_from_name(name))
        self.load()

    def load(self) -> None:
        """Copy the database's study into memory, trial by trial, with the same numbers."""
        trials = self._patiently(lambda: self._storage.get_all_trials(self._study_id))
        memory = InMemoryStorage()
        with _quiet():
            study = optuna.create_study(storage=memory, study_name=self._name, directions=self._directions)
        study_id = memory.get_study_id_from_name(self._name)
        self._noted = dict(self._patiently(lambda: self._storage.get_study_system_attrs(self._study_id)))
        for key, value in self._noted.items():
            memory.set_study_system_attr(study_id, key, value)
        for trial in trials:
            memory.create_new_trial(study_id, template_trial=trial)
        self.study, self._memory, self._memory_id = study, memory, study_id
        # From Optuna's trial number to the key of its row; asking for each key would cost a query a trial.
        self._ids = {trial.number: trial._trial_id for trial in trials}

    def numbers(self) -> set[int]:
        return set(self._ids)

    def trial(self, number: int) -> FrozenTrial:
        return self._memory.get_trial(self._in_memory(number))

    def running(self) -> list[FrozenTrial]:
        """The trials that have not ended, oldest first."""
        return self._memory.get_all_trials(self._memory_id, states=(OptunaState.RUNNING,))

    @contextmanager
    def new_trial(self, given: dict[str, Any] | None) -> Iterator[Trial]:
        """A trial to suggest from, with the values of `given`; it is written to the database when the block ends."""
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
        result = suggest(Trial(self.study, self._in_memory(orphan.number)))
        drawn = self.trial(orphan.number)
        for name in drawn.params.keys() - orphan.params.keys():
            internal = drawn.distributions[name].to_internal_repr(drawn.params[name])
            self._write(orphan.number, self._storage.set_trial_param, name, internal, drawn.distributions[name])
        return result

    def report(self, number: int, step: int, value: float) -> None:
        self._memory.set_trial_intermediate_value(self._in_memory(number), step, value)
        self._write(number, self._storage.set_trial_intermediate_value, step, value)

    def constrain(self, number: int, excesses: Mapping[str, float]) -> None:
        """Hand over by how much a running trial breaks each constraint; zero or less keeps it."""
        present = self.trial(number).constraints
        trial = Trial(self.study, self._in_memory(number))
        for name in excesses.keys() - present.keys():
            trial.set_constraint(name, excesses[name])
        for key, value in self.trial(number).system_attrs.items():
            if key.startswith("constraints"):
                self._write(number, self._storage.set_trial_system_attr, key, value)

    def tell(self, number: int, state: OptunaState, values: list[float] | None) -> None:
        before = self.trial(number).system_attrs
        told = self.study.tell(number, values, state)
        for key, value in told.system_attrs.items():
            if before.get(key) != value:  # what a sampler noted for its next draw
                self._write(number, self._storage.set_trial_system_attr, key, value)
        self._write(number, self._storage.set_trial_state_values, told.state, told.values)

    def _create(self) -> None:
        with _quiet():
            optuna.create_study(
                storage=self._storage, study_name=self._name, directions=self._directions, load_if_exists=True
            )

    def _insert(self, number: int) -> None:
        complete = self.trial(number)
        trial_id = self._patiently(lambda: self._storage.create_new_trial(self._study_id, template_trial=complete))
        by_number = partial(self._storage.get_trial_id_from_study_id_trial_number, self._study_id, number)
        if self._patiently(by_number) != trial_id:
            raise StoreError(f"Another program writes to the Optuna study {self._name!r}; end it and resume.")
        self._ids[number] = trial_id
        for key, value in self._memory.get_study_system_attrs(self._memory_id).items():
            if self._noted.get(key) != value:  # what a sampler keeps for all of its trials
                self._patiently(partial(self._storage.set_study_system_attr, self._study_id, key, value))
                self._noted[key] = value

    def _write(self, number: int, write: Callable[..., object], *values: Any) -> None:
        with suppress(UpdateFinishedTrialError):  # a retry of what had reached the database after all
            self._patiently(lambda: write(self._ids[number], *values))

    def _in_memory(self, number: int) -> int:
        return self._memory.get_trial_id_from_study_id_trial_number(self._memory_id, number)

    def _patiently(self, attempt: Callable[[], T]) -> T:
        return _patiently(self._database, attempt)


def delete_mirror(database: Database, name: str) -> None:
    """Drop the Optuna study called `name`; nothing happens when there is none."""
    storage = _patiently(database, lambda: _open(database))
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


def _open(database: Database) -> RDBStorage:
    url = database.url.render_as_string(hide_password=False)
    deadline = time.monotonic() + 5.0
    while True:
        try:
            return RDBStorage(url, engine_kwargs={"pool": database.engine.pool})  # closed with the store
        except (DBAPIError, StorageInternalError):
            # Optuna makes its tables one by one: another process that does so at once is met as "exists already".
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
