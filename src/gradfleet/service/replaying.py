"""A process that trains one trial again for a service, and outlives it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from gradfleet.errors import ConflictError, StoreError, in_words
from gradfleet.fleet import detached
from gradfleet.fleet.exit_code import exit_code
from gradfleet.service import replays, submissions
from gradfleet.service.documents import plain
from gradfleet.service.renewal import signs_of_life
from gradfleet.service.replays import TrialReplay
from gradfleet.service.service import Service
from gradfleet.study import replay as study_replay
from gradfleet.study.places import driver_log
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.study import Study
from gradfleet.sweeps.sweep import named_recipe
from gradfleet.training.history import EpochRecord
from gradfleet.trials.recipe import Recipe

_TELL_EVERY = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Call:
    """What the process is told, on stdin: the store's URL has its password.

    Attributes:
        claim: the number of the claim that it takes over.
    """

    store: str
    name: str
    number: int
    claim: int


def begin(service: Service, name: str, number: int, *, by: str) -> TrialReplay:
    """Have a trial trained again; while one replay of it runs, that is the one.

    Args:
        by: the name of the token that it is asked with.

    Raises:
        NotFoundError: there is no such sweep or trial.
        ConflictError: it has no value that could come out again, or may still get a better one.
        RefusedError: as many replays run as may.
    """
    store, study = service.store, service.row(name)
    trial = store.trial(study.id, number)
    if trial.value is None or trial.ended is None:
        why = "it still runs" if trial.ended is None else f"it has no value: {trial.state}"
        raise ConflictError(f"Trial {number} of {name} cannot be trained again: {why}.")
    claim = replays.claim(store, study.id, number, recorded=trial.value, by=by, room=service.settings.sweeps)
    if claim is not None:
        _start(service, study.id, Call(_url(store), name, number, claim))
    return replays.get(store, study.id, number)


def _start(service: Service, study_id: int, call: Call) -> None:
    mine = (service.store, study_id, call.number, call.claim)

    def ended(status: int) -> None:
        replays.settle(*mine, problem=f"Its process has ended with {status}.")  # unless it has said how

    log = driver_log(service.artifacts, call.name).with_suffix(".replay.log")
    try:
        detached.start("gradfleet.service.replaying", json.dumps(asdict(call)).encode(), log=log, ended=ended)
    except OSError as error:
        replays.settle(*mine, problem=f"No process could be started: {error}.")


def _url(store: Store) -> str:
    return store.database.url.render_as_string(hide_password=False)


def run(call: Call) -> None:
    """Take the claim over, train the trial, and write which value came."""
    with Store.open(call.store) as store:
        row = store.study(call.name)
        mine = (store, row.id, call.number, call.claim)
        if not replays.take_over(*mine):
            return
        with signs_of_life(partial(replays.renew, *mine)):
            try:
                again = _trained(store, row, call.number, say=_Telling(partial(replays.tell, *mine)))
            except StoreError:
                raise
            except Exception as error:
                replays.settle(*mine, problem=in_words(error))
                raise
            replays.tell(*mine, [_told(one) for one in again.history])
            replays.settle(*mine, value=again.value, epoch=again.epoch)


def _trained(store: Store, row: StudyRow, number: int, *, say: Callable[[EpochRecord], object]) -> study_replay.Replay:
    """What came; nobody asked for the model."""
    study = Study(store, row, recipe=_named_recipe(store, row.name))
    again = study.replay(number, say=say)
    study.artifacts.delete(study_replay.replay_folder(study.artifacts, study.name, number))
    return again


@dataclass(slots=True)
class _Telling:
    """Writes the records of a replay while they come, not more often than somebody looks."""

    tell: Callable[[list[dict[str, Any]]], object]
    records: list[dict[str, Any]] = field(default_factory=list)
    last: float = -_TELL_EVERY

    def __call__(self, record: EpochRecord) -> None:
        self.records.append(_told(record))
        if time.monotonic() - self.last >= _TELL_EVERY:
            self.tell(self.records)
            self.last = time.monotonic()


def _told(record: EpochRecord) -> dict[str, Any]:
    return {"epoch": record.epoch, "metrics": plain(dict(record.metrics))}


def _named_recipe(store: Store, name: str) -> Recipe | None:
    """The recipe of one's own that the sweep's spec has named; its study alone knows it by value only."""
    submission = submissions.get(store, name)
    address = None if submission is None else submission.spec.get("recipe")
    return None if address is None else named_recipe(address).recipe


if __name__ == "__main__":
    sys.exit(exit_code(lambda: run(Call(**json.load(sys.stdin)))))
