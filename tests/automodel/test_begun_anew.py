"""A search that could not be is mended and begun anew under its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradfleet import AutoModel, Float, Objective, Study
from gradfleet.errors import NoUsableTrialError, SettingError, StudyMismatchError
from gradfleet.study.storage.lease import Lease
from gradfleet.study.storage.rows import StudyState
from gradfleet.study.storage.store import Store


def train(config: dict[str, Any], report: Callable[..., None]) -> None:
    report({"score": config["x"]})


def broken(config: dict[str, Any], report: Callable[..., None]) -> None:
    raise RuntimeError("broken")


def fit(folder: Path, metric: str = "score", train: Callable[..., None] = train, **settings: Any) -> Study:
    model = AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective(metric, "max"))
    defaults: dict[str, Any] = {"trials": 2, "epochs": 1, "cluster": "inline", "name": "study", "progress": False}
    return model.fit(store=folder / "gradfleet.db", **{**defaults, **settings})


@pytest.mark.parametrize("again", [{}, {"resume": True}, {"extend": True}])
def test_a_metric_with_a_typo_does_not_hold_the_name(
    tmp_path: Path, again: dict[str, bool], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SettingError, match="The objective is 'scor', but the record has no such metric"):
        fit(tmp_path, "scor")
    study = fit(tmp_path, progress=True, **again)
    assert "Study 'study' was there without any record; it is begun anew." in capsys.readouterr().err
    assert [(trial.number, trial.state) for trial in study.trials] == [(0, "COMPLETE"), (1, "COMPLETE")]
    assert len(Study.all(store=tmp_path / "gradfleet.db")) == 1
    with pytest.raises(SettingError, match="A study called 'study' is in the store .* already"):
        fit(tmp_path)


def test_one_that_matches_is_gone_on_with_when_that_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(NoUsableTrialError):
        fit(tmp_path, train=broken)
    with pytest.raises(NoUsableTrialError):
        fit(tmp_path, train=broken, trials=3, resume=True)
    assert [trial.state for trial in Study.attach("study", store=tmp_path / "gradfleet.db").trials] == ["FAIL"] * 3


def test_a_record_holds_the_name(tmp_path: Path) -> None:
    fit(tmp_path)
    with pytest.raises(StudyMismatchError, match=r"objective\.metric"):
        fit(tmp_path, "other", resume=True)


@pytest.mark.parametrize("state", ["queued", "running", "paused"])
def test_a_driver_that_may_still_come_holds_the_name(tmp_path: Path, state: StudyState) -> None:
    with pytest.raises(SettingError, match="no such metric"):
        fit(tmp_path, "scor")
    with Store.open(tmp_path / "gradfleet.db") as store, Lease.acquire(store, store.study("study")) as lease:
        store.set_state(lease, state)
    with pytest.raises(SettingError, match="A study called 'study' is in the store .* already"):
        fit(tmp_path)


def test_a_driver_at_work_holds_the_name(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no such metric"):
        fit(tmp_path, "scor")
    refused = pytest.raises(SettingError, match="already")
    with Store.open(tmp_path / "gradfleet.db") as store, Lease.acquire(store, store.study("study")), refused:
        fit(tmp_path)


def test_what_fails_before_the_first_trial_leaves_the_study_failed(tmp_path: Path) -> None:
    class Unfit:
        single = False

        def problems(self, **_: object) -> list[str]:
            return []

        def to_json(self) -> dict[str, str]:
            return {"name": "unfit"}

        def build(self, course: object) -> Any:
            return self

    with pytest.raises(AttributeError):
        fit(tmp_path, scheduler=Unfit())
    assert Study.attach("study", store=tmp_path / "gradfleet.db").state == "failed"
    assert len(fit(tmp_path).trials) == 2
