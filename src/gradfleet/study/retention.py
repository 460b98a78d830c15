"""Which checkpoints nobody needs any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gradfleet.goal import Aim
from gradfleet.study.ranking import ranked
from gradfleet.study.storage.rows import RecordRow, TrialRow


def disposable(
    trials: Sequence[TrialRow], records: Sequence[RecordRow], objective: Aim, *, keep: int | None = None
) -> list[str]:
    """The addresses that may be deleted, in the order in which they were recorded.

    A running trial needs its last checkpoint, to go on from, and its best. An ended one needs its best; after the
    sweep only the best trials and trial 0, the default configuration, do.

    Args:
        keep: how many trials keep their best checkpoint after the sweep; None while it goes on.
    """
    with_checkpoint: dict[int, list[RecordRow]] = {trial.number: [] for trial in trials}
    for record in records:
        if record.checkpoint is not None:
            with_checkpoint[record.number].append(record)
    kept = None if keep is None else {0, *(number for number, _ in ranked(trials, records, objective)[:keep])}
    needed = {
        address
        for trial in trials
        for address in _needed(trial, with_checkpoint[trial.number], objective)
        if kept is None or trial.state == "RUNNING" or trial.number in kept
    }
    return _others(records, needed)


def _needed(trial: TrialRow, records: Sequence[RecordRow], objective: Aim) -> set[str | None]:
    """The best record's checkpoint, else the best that there is; while it runs, the last one too."""
    if not records:
        return set()
    needed = {trial.checkpoint, min(records, key=lambda record: objective.rank(record.metrics)).checkpoint}
    if trial.state == "RUNNING":
        needed.add(max(records, key=lambda record: record.epoch).checkpoint)
    return needed


def _others(records: Iterable[RecordRow], needed: set[str | None]) -> list[str]:
    addresses = dict.fromkeys(record.checkpoint for record in records)
    return [address for address in addresses if address is not None and address not in needed]
