"""Single writes on a store, each in a fenced transaction of its own, as a driver makes many at once."""

from __future__ import annotations

from collections.abc import Iterable

from gradfleet.study.origin import Origin
from gradfleet.study.storage import journal
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import TrialState
from gradfleet.study.storage.store import Store
from gradfleet.trials.plan import Config


def add_trial(
    store: Store,
    lease: Lease,
    number: int,
    config: Config,
    *,
    seed: int,
    optuna_number: int,
    generation: int = 0,
    origin: Origin | None = None,
) -> None:
    beside = {"seed": seed, "optuna_number": optuna_number, "generation": generation, "origin": origin}
    store.fenced(lease, lambda connection: journal.add_trial(connection, lease.study, number, config, **beside))  # type: ignore[arg-type]


def note_attempt(store: Store, lease: Lease, number: int) -> None:
    store.fenced(lease, lambda connection: journal.add_attempt(connection, lease.study, number))


def note_stop(store: Store, lease: Lease, number: int, state: TrialState, reason: str) -> None:
    store.fenced(lease, lambda connection: journal.note_stop(connection, lease.study, number, state, reason))


def end_trial(
    store: Store,
    lease: Lease,
    number: int,
    state: TrialState,
    *,
    reason: str | None = None,
    traceback: str | None = None,
) -> bool:
    return store.fenced(
        lease,
        lambda connection: journal.end_trial(
            connection, lease.study, number, state, reason=reason, traceback=traceback
        ),
    )


def forget_checkpoints(store: Store, lease: Lease, addresses: Iterable[str]) -> None:
    gone = list(addresses)
    store.fenced(lease, lambda connection: journal.forget_checkpoints(connection, lease.study, gone))
