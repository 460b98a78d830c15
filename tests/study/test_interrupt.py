"""Ctrl-C in two stages."""

from __future__ import annotations

import signal
import threading

import pytest

from gradfleet.study.driving.interrupt import two_stage_interrupt
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.store import Store
from gradfleet.trials.executor import InlineExecutor
from tests.study.ledgers import accuracy, begun, open_ledger


def test_the_first_ctrl_c_starts_nothing_more_the_second_ends_what_runs_and_the_third_is_pythons_own(
    store: Store, lease: Lease
) -> None:
    ledger = open_ledger(store, lease)
    begun(ledger)
    ledger.record(0, accuracy(0.5), None)
    said: list[str] = []
    with two_stage_interrupt(ledger, InlineExecutor(), said.append) as interrupts:
        assert not ledger.finished
        signal.raise_signal(signal.SIGINT)
        assert ledger.finished
        assert not ledger.aborted
        assert said == ["Interrupted: no new trials, waiting for those that run. Press Ctrl-C again to stop now."]
        signal.raise_signal(signal.SIGINT)
        assert ledger.aborted
        assert said[1:] == ["Stopping now: what runs ends, and what it has reported is kept."]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert interrupts.count == 3
    ledger.close()
    assert ledger.reason == "Interrupted."
    assert store.study("digits").state == "stopped"
    assert [trial.state for trial in store.trials(lease.study.id)] == ["PRUNED"]


def test_ctrl_c_is_the_users_own_again_after_the_sweep(store: Store, lease: Lease) -> None:
    before = signal.getsignal(signal.SIGINT)
    with two_stage_interrupt(open_ledger(store, lease), InlineExecutor(), print):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_ctrl_c_is_left_as_it_is(store: Store, lease: Lease) -> None:
    ledger, before, seen = open_ledger(store, lease), signal.getsignal(signal.SIGINT), []

    def sweep() -> None:
        with two_stage_interrupt(ledger, InlineExecutor(), print):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=sweep)
    thread.start()
    thread.join()
    assert seen == [before]
