"""One driver at a time, and what a late one writes is refused."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from gradfleet.errors import LeaseHeldError, LeaseLostError
from gradfleet.study.storage import requests
from gradfleet.study.storage.holder import SILENCE, Holder
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyRow
from gradfleet.study.storage.store import Store
from gradfleet.study.storage.tables import leases
from gradfleet.training.history import EpochRecord
from tests.study import written

pytestmark = pytest.mark.stores

DRIVER = """
import sys
from gradfleet.errors import LeaseLostError
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.store import Store
from gradfleet.training.history import EpochRecord
from tests.study import written

store = Store.open(sys.argv[1])
lease = Lease.acquire(store, store.study("digits"), heartbeat=float(sys.argv[2]))
written.add_trial(store, lease, 0, {}, seed=0, optuna_number=0)
print("holds", lease.number, flush=True)
epoch = 0
for line in sys.stdin:
    epoch += 1
    try:
        print(store.add_record(lease, 0, EpochRecord(epoch, {"val_accuracy": 1.0})), flush=True)
    except LeaseLostError as error:
        print("LeaseLostError", error, flush=True)
"""
Begin = Callable[..., subprocess.Popen[str]]


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")


def pretend(store: Store, study: StudyRow, **values: Any) -> None:
    """Change the row of the lease into that of another holder."""
    changed = update(leases).where(leases.c.study_id == study.id).values(values)
    store.database.write(lambda connection: connection.execute(changed))


def test_numbers_grow_with_every_driver(store: Store, study: StudyRow) -> None:
    numbers = []
    for _ in range(3):
        with Lease.acquire(store, study) as lease:
            numbers.append(lease.number)
    assert numbers == [1, 2, 3]


def test_a_living_holder_is_named(store: Store, study: StudyRow, lease: Lease) -> None:
    held = rf"Study 'digits' is held by process {os.getpid()} on host {socket.gethostname()} since 20\d\d-\d\d-\d\d "
    with pytest.raises(LeaseHeldError, match=held):
        Lease.acquire(store, study)


def test_a_living_process_is_named(store: Store, study: StudyRow, url: str, begin: Begin) -> None:
    driver = begin(DRIVER, url, 10)
    assert hear(driver) == "holds 1"
    with pytest.raises(LeaseHeldError, match=f"held by process {driver.pid} on host"):
        Lease.acquire(store, study)


@pytest.mark.row_part("SE5")
def test_a_killed_holder_is_taken_over_at_once(store: Store, study: StudyRow, url: str, begin: Begin) -> None:
    driver = begin(DRIVER, url, 10)
    assert hear(driver) == "holds 1"
    driver.kill()  # and not waited for: it is a zombie now
    while b"State:\tZ" not in Path(f"/proc/{driver.pid}/status").read_bytes():
        time.sleep(0.01)
    begun = time.monotonic()
    with Lease.acquire(store, study) as lease:
        assert lease.number == 2
    assert time.monotonic() - begun < SILENCE / 2


@pytest.mark.soak
@pytest.mark.row_part("SE5")
def test_a_holder_that_slept_through_a_take_over_writes_nothing(
    store: Store,
    study: StudyRow,
    url: str,
    begin: Begin,
    soak: bool,  # noqa: FBT001
) -> None:
    rounds = 20 if soak else 2
    for number in range(1, 2 * rounds, 2):
        driver = begin(DRIVER, url, 0.05)
        assert hear(driver) == f"holds {number}"
        os.kill(driver.pid, signal.SIGSTOP)
        time.sleep(0.4)
        with Lease.acquire(store, study, silence=0.3) as lease:
            assert lease.number == number + 1
            os.kill(driver.pid, signal.SIGCONT)
            for _ in range(20):
                tell(driver)
                refused = f"LeaseLostError The lease {number} of study 'digits' has ended: it was taken over by "
                assert hear(driver).startswith(refused)
            assert len(store.records(study.id)) == number // 2
            assert store.add_record(lease, 0, EpochRecord(number // 2 + 1, {"val_accuracy": 1.0}))
        driver.kill()


def test_of_two_leases_only_the_later_writes(store: Store, study: StudyRow, lease: Lease, url: str) -> None:
    pretend(store, study, host="elsewhere", heartbeat=time.time() - 60)
    with (
        Store.open(url) as other,
        Lease.acquire(other, study) as later,
    ):
        writes: list[Callable[[Lease], object]] = [
            lambda held: store.set_state(held, "running"),
            lambda held: written.add_trial(store, held, 0, {}, seed=0, optuna_number=0),
            lambda held: written.note_attempt(store, held, 0),
            lambda held: store.add_record(held, 0, EpochRecord(1, {})),
            lambda held: written.note_stop(store, held, 0, "PRUNED", "why"),
            lambda held: written.end_trial(store, held, 0, "COMPLETE"),
            lambda held: written.forget_checkpoints(store, held, ["somewhere"]),
            lambda held: requests.answer(store, held, 1, "done"),
            lambda held: store.delete_study(held),
        ]
        for write in writes:
            with pytest.raises(LeaseLostError, match="this driver must end"):
                write(lease)
        assert lease.lost
        assert store.study("digits").state == "queued"
        assert store.trials(study.id) == []
        for write in writes:
            write(later)


def test_a_released_lease_writes_nothing(store: Store, study: StudyRow) -> None:
    lease = Lease.acquire(store, study)
    lease.release()
    lease.release()
    with pytest.raises(LeaseLostError, match="The lease 1 of study 'digits' has ended: it was released"):
        store.set_state(lease, "running")


def test_the_heartbeat_is_renewed_and_notices_a_loss(store: Store, study: StudyRow) -> None:
    with Lease.acquire(store, study, heartbeat=0.05) as lease:
        pretend(store, study, heartbeat=0.0)
        time.sleep(1.0)
        with pytest.raises(LeaseHeldError):
            Lease.acquire(store, study, silence=10.0)
        pretend(store, study, number=9)
        time.sleep(1.0)
        assert lease.lost


def test_a_holder_on_another_host_is_waited_for_until_it_is_silent(store: Store, study: StudyRow) -> None:
    Lease.acquire(store, study).release()
    pretend(store, study, host="elsewhere", pid=12, released=False, heartbeat=time.time())
    said: list[str] = []
    begun = time.monotonic()
    with Lease.acquire(store, study, silence=0.6, say=said.append) as lease:
        assert lease.number == 2
    assert 0.5 < time.monotonic() - begun < SILENCE
    assert len(said) == 1
    assert said[0].startswith("Study 'digits' was held by process 12 on host elsewhere since ")
    assert said[0].endswith("taking over in 1 s if it stays silent.")


def test_a_clock_that_is_ahead_does_not_keep_a_dead_host_alive(store: Store, study: StudyRow) -> None:
    Lease.acquire(store, study).release()
    pretend(store, study, host="elsewhere", released=False, heartbeat=time.time() + 3600)
    with Lease.acquire(store, study, silence=0.3) as lease:
        assert lease.number == 2


def test_a_holder_on_another_host_that_shows_life_is_an_error(store: Store, study: StudyRow) -> None:
    lease = Lease.acquire(store, study, heartbeat=0.1)
    pretend(store, study, host="elsewhere")
    with pytest.raises(LeaseHeldError, match="on host elsewhere"):
        Lease.acquire(store, study, silence=5)
    lease.release()


def test_without_a_wait_a_holder_on_another_host_is_an_error(store: Store, study: StudyRow) -> None:
    Lease.acquire(store, study).release()
    pretend(store, study, host="elsewhere", released=False, heartbeat=time.time())
    with pytest.raises(LeaseHeldError, match="on host elsewhere"):
        Lease.acquire(store, study, wait=False)


@pytest.mark.parametrize(
    ("change", "dead"),
    [
        ({}, False),
        ({"boot": "another"}, True),
        ({"process_started": 1.0}, True),
        ({"pid": 2**22 + 1}, True),
        ({"host": "elsewhere", "boot": "another"}, False),
        ({"process_space": "pid:[1]", "pid": 2**22 + 1}, False),
    ],
)
def test_a_process_is_dead_only_where_that_can_be_proved(change: dict[str, Any], *, dead: bool) -> None:
    assert replace(Holder.current(), **change).provably_dead() == dead


def test_two_studies_have_their_own_drivers(store: Store, lease: Lease, spec: dict[str, object]) -> None:
    other = store.create_study("letters", spec, artifacts="here")
    with Lease.acquire(store, other) as second:
        store.set_state(second, "running")
        store.set_state(lease, "paused")
    assert [study.state for study in store.studies()] == ["paused", "running"]
