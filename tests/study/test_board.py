"""The board of a study: never old, though it reads only what has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from gradfleet.goal import aim
from gradfleet.objective import Objective
from gradfleet.study.board import Board
from gradfleet.study.storage import journal, marks
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.training.history import EpochRecord
from tests.study import written

pytestmark = pytest.mark.stores


def record(store: Store, lease: Lease, number: int, epoch: int, value: float, checkpoint: str | None = None) -> None:
    store.add_record(lease, number, EpochRecord(epoch, {"val_accuracy": value, "val_loss": 1 - value}), checkpoint)


def begin(store: Store, lease: Lease, number: int) -> None:
    written.add_trial(store, lease, number, {"learning_rate": number}, seed=0, optuna_number=number)


WRITES: list[Callable[[Store, Lease], object]] = [
    lambda store, lease: begin(store, lease, 0),
    lambda store, lease: record(store, lease, 0, 1, 0.4, "/place/one"),
    lambda store, lease: begin(store, lease, 1),
    lambda store, lease: record(store, lease, 1, 1, 0.7),
    lambda store, lease: record(store, lease, 1, 2, 0.6),
    lambda store, lease: written.note_attempt(store, lease, 1),
    lambda store, lease: written.note_stop(store, lease, 1, "PRUNED", "by asha"),
    lambda store, lease: written.end_trial(store, lease, 1, "PRUNED"),
    lambda store, lease: marks.star(store, lease.study, 1, starred=True),
    lambda store, lease: marks.note(store, lease.study, 1, "odd"),
    lambda store, lease: record(store, lease, 0, 2, 0.9, "/place/two"),
    lambda store, lease: written.end_trial(store, lease, 0, "FAIL", reason="ValueError: no"),
    lambda store, lease: store.fenced(
        lease, lambda connection: journal.reopen(connection, lease.study, 0, optuna_number=2, generation=0)
    ),
    lambda store, lease: written.forget_checkpoints(store, lease, ["/place/two"]),
    lambda store, lease: written.end_trial(store, lease, 0, "COMPLETE"),
]
"""Everything that can happen to a trial."""


def test_a_board_that_looks_after_each_write_says_what_a_new_one_says(
    store: Store, study: StudyRow, lease: Lease
) -> None:
    board, revisions = Board(store, study), [store.study(study.name).revision]
    for write in WRITES:
        write(store, lease)
        revisions.append(store.study(study.name).revision)
        found, fresh = board.ranking(), Board(store, study).ranking()
        assert found == fresh
        assert found.listed == fresh.listed
    assert revisions == sorted(set(revisions)), "each write has a revision of its own"
    assert found.usable == [0, 1]
    assert (found.trials[1].note, found.trials[1].starred, found.trials[0].checkpoint) == ("odd", True, None)


def test_only_what_has_changed_is_read(store: Store, study: StudyRow, lease: Lease) -> None:
    for number in range(3):
        begin(store, lease, number)
        record(store, lease, number, 1, 0.5)
    everything = store.changes(study.id)
    assert [trial.number for trial in everything.trials] == [*everything.records] == [0, 1, 2]
    written.end_trial(store, lease, 1, "COMPLETE")
    since = store.changes(study.id, everything.revision)
    assert ([trial.number for trial in since.trials], [*since.records]) == ([1], [1])
    assert store.changes(study.id, since.revision) == type(since)(since.revision, [], {})


def test_what_is_written_from_many_sides_at_once_is_all_seen(store: Store, study: StudyRow, lease: Lease) -> None:
    """A driver and people who mark trials write; a board that looks all the while ends up with everything."""
    for number in range(4):
        begin(store, lease, number)
    board, ended = Board(store, study), threading.Event()

    def drive() -> None:
        for epoch in range(1, 31):
            record(store, lease, epoch % 2, epoch, epoch / 100)

    def write_notes(number: int) -> None:
        for turn in range(40):
            marks.note(store, study, number, f"turn {turn}")

    def look() -> None:
        while not ended.is_set():
            board.ranking()

    with ThreadPoolExecutor() as threads:
        looking = threads.submit(look)
        writing = [threads.submit(drive), *(threads.submit(write_notes, number) for number in (2, 3))]
        wait(writing)
        ended.set()
        for done in (looking, *writing):
            done.result()
    found = board.ranking()
    assert [trial.note for trial in found.trials.values()] == [None, None, "turn 39", "turn 39"]
    assert [trial.epochs for trial in found.trials.values()] == [30, 29, 0, 0]
    assert found == Board(store, study).ranking()


def test_the_board_of_a_goal_has_its_front(store: Store, spec: dict[str, object], artifacts: str) -> None:
    goal = aim([Objective("val_accuracy", "max"), Objective("val_loss", "max")])
    study = store.create_study("goal", {**spec, "objective": goal.to_json()}, artifacts=artifacts)
    board = Board(store, study)
    with Lease.acquire(store, study) as lease:
        for number, value in enumerate((0.3, 0.9, 0.3)):
            begin(store, lease, number)
            record(store, lease, number, 1, value)
            written.end_trial(store, lease, number, "COMPLETE")
            board.ranking()
    assert board.ranking().front == [1, 0, 2]
    assert "front" in board.ranking().columns
