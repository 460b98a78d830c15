"""Trials that all fail, trials of which some fail, and what is refused before anything is started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray

from gradfleet import AutoModel, Float, Int, Objective, Study
from gradfleet.errors import GradfleetError, LeaseHeldError, NoUsableTrialError, SettingError, StudyMismatchError
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.store import Store
from tests.faults.conftest import search

Report = Callable[..., None]


def broken(config: dict[str, Any], report: Report) -> None:
    raise KeyError("weights")


@pytest.mark.row_part("SE9")
def test_a_search_whose_trials_all_fail_alike_is_given_up_after_ten(tmp_path: Path) -> None:
    with pytest.raises(NoUsableTrialError) as caught:
        search(broken, trials=2000, store=tmp_path / "gradfleet.db")
    assert str(caught.value) == (
        "No trial of study 'sweep' has a result: 10 of 10 failed: KeyError: 'weights' (10). The tracebacks are in "
        "study.trials. The search was given up, because its first 10 trials failed alike. Pass give_up=None to try on "
        "whatever fails."
    )
    assert Study.attach("sweep", store=tmp_path / "gradfleet.db").state == "failed"


def test_it_goes_on_whatever_fails_when_told_to(tmp_path: Path) -> None:
    with pytest.raises(NoUsableTrialError, match="12 of 12 failed"):
        search(broken, trials=12, give_up=None, store=tmp_path / "gradfleet.db")
    with pytest.raises(SettingError, match="give_up is a whole number of at least 1, got 0"):
        search(broken, trials=12, give_up=0, store=tmp_path / "other.db")


def test_a_search_that_was_given_up_goes_on_once_the_cause_is_gone(tmp_path: Path) -> None:
    mended: list[bool] = []

    def train(config: dict[str, Any], report: Report) -> None:
        if not mended:
            raise KeyError("weights")
        report({"score": config["x"]})

    with pytest.raises(NoUsableTrialError, match="was given up"):
        search(train, trials=14, store=tmp_path / "gradfleet.db")
    mended.append(True)
    study = search(train, trials=14, store=tmp_path / "gradfleet.db", resume=True, retry_failed=True)
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 14


def test_the_last_words_count_what_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def train(config: dict[str, Any], report: Report) -> None:
        if config["x"] > 0.6:
            raise ValueError(f"{config['x']} is too large")
        report({"score": config["x"]})

    study = search(train, trials=20, store=tmp_path / "gradfleet.db", seed=3)
    failed = [trial for trial in study.trials if trial.state == "FAIL"]
    assert len(failed) > 1
    *_, last = capsys.readouterr().err.splitlines()
    assert last == f"{len(failed)} of 20 trials failed: {failed[0].reason} ({len(failed)})."


def test_what_cannot_be_is_refused_before_ray_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ray.shutdown()  # of an earlier test

    def train(config: dict[str, Any], report: Report) -> None:
        report({"score": 1.0})

    def refused(error: type[GradfleetError], message: str, **settings: Any) -> None:
        space = settings.pop("space", {"x": Float(0.0, 1.0)})
        model = AutoModel.from_function(train, space, Objective("score", "max"))
        with pytest.raises(error, match=message):
            model.fit(trials=1, name="sweep", cluster=None, **settings)
        assert not ray.is_initialized()

    refused(SettingError, "No sampler is called 'tpes'. Did you mean 'tpe'", sampler="tpes")
    refused(SettingError, "epochs is a whole number of at least 1, got 0", epochs=0)
    search(train, trials=1)
    refused(SettingError, "A study called 'sweep' is in the store .* already. Pass resume=True")
    changed = r"space\.dimensions\.x\.type: the store has \"float\", \"int\" came"
    refused(StudyMismatchError, changed, space={"x": Int(1, 3)}, epochs=3, resume=True)
    with Store.open() as store, Lease.acquire(store, store.study("sweep")):
        refused(LeaseHeldError, r"Study 'sweep' is held by process \d+ on host \S+ since ", epochs=3, resume=True)
