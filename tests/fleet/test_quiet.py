"""Ray without its words, and the surroundings as they were."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from gradfleet.fleet.quiet import quiet_ray

SETTING = "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"


@pytest.fixture(autouse=True)
def _no_settings_of_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)


def test_settings_hold_while_ray_starts_only() -> None:
    before = dict(os.environ)
    with quiet_ray():
        assert os.environ[SETTING] == "1"
    assert dict(os.environ) == before


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "0")
    with quiet_ray():
        assert os.environ[SETTING] == "0"
    assert os.environ[SETTING] == "0"


def test_everything_is_put_back_after_an_error_too() -> None:
    before = dict(os.environ)
    with pytest.raises(ArithmeticError), quiet_ray():
        raise ArithmeticError
    assert dict(os.environ) == before


def test_ray_warns_of_nothing_while_it_starts(caplog: pytest.LogCaptureFixture) -> None:
    with quiet_ray():
        logging.getLogger("ray.anything").warning("Token authentication is enabled")
        logging.getLogger("ray.anything").error("this one matters")
    logging.getLogger("ray.anything").warning("of the user's own")
    assert caplog.messages == ["this one matters", "of the user's own"]


def test_ray_still_has_the_switch_that_keeps_its_daemon_quiet() -> None:
    """It is private: a Ray without it would print to stdout that a worker has died."""
    code = "import ray; assert ray._private.worker._worker_logs_enabled is True"
    subprocess.run([sys.executable, "-c", code], check=True)
