"""Ray without its words, and the surroundings as they were."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys

import pytest

from gradfleet.fleet.quiet import quiet_ray, quiet_tune


@pytest.fixture(autouse=True)
def _no_settings_of_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("RAY_", "TUNE_"))]:
        monkeypatch.delenv(name)


def test_settings_hold_for_the_length_of_a_sweep_only() -> None:
    before = dict(os.environ)
    with quiet_tune(3):
        assert os.environ["TUNE_MAX_PENDING_TRIALS_PG"] == "3"
        assert os.environ["RAY_CHDIR_TO_TRIAL_DIR"] == "0"
    assert dict(os.environ) == before


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_CHDIR_TO_TRIAL_DIR", "1")
    with quiet_tune(1):
        assert os.environ["RAY_CHDIR_TO_TRIAL_DIR"] == "1"
    assert os.environ["RAY_CHDIR_TO_TRIAL_DIR"] == "1"


def test_everything_is_put_back_after_an_error_too() -> None:
    before = dict(os.environ)
    with pytest.raises(ArithmeticError), quiet_tune(1):
        raise ArithmeticError
    assert dict(os.environ) == before


def test_ray_warns_of_nothing_while_it_starts_and_tune_not_even_of_errors(caplog: pytest.LogCaptureFixture) -> None:
    with quiet_ray():
        logging.getLogger("ray.anything").warning("Token authentication is enabled")
        logging.getLogger("ray.anything").error("this one matters")
    with quiet_tune(1):
        logging.getLogger("ray.tune.tune").error("Trials did not complete")
    logging.getLogger("ray.tune.tune").error("of the user's own")
    assert caplog.messages == ["this one matters", "of the user's own"]


def test_the_users_signal_handlers_are_put_back() -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        mine = signal.getsignal(signal.SIGUSR1)
        with quiet_tune(1):
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # as Tune does
        assert signal.getsignal(signal.SIGUSR1) is mine
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_ray_still_has_the_switch_that_keeps_its_daemon_quiet() -> None:
    """It is private: a Ray without it would print to stdout that a worker has died."""
    code = "import ray; assert ray._private.worker._worker_logs_enabled is True"
    subprocess.run([sys.executable, "-c", code], check=True)
