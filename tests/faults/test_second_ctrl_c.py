"""A second Ctrl-C ends a trial of this very process where it stands."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from gradfleet import AutoModel, Float, Objective, Study


def fit(folder: Path, train: Any, **settings: Any) -> Study:
    model = AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("loss", "min"))
    shown: dict[str, Any] = {"progress": False, "cluster": "inline", "epochs": 2, "name": "cut", "scheduler": "none"}
    return model.fit(store=folder / "g.db", trials=5, **shown, **settings)


@pytest.mark.row_part("SE5")
@pytest.mark.parametrize("recorded", [0, 1])
def test_the_trial_ends_and_keeps_what_it_reported_and_the_next_sweep_goes_on(tmp_path: Path, recorded: int) -> None:
    begun: list[float] = []

    def train(config: dict[str, Any], report: Any) -> None:
        begun.append(config["x"])
        if len(begun) == 3:
            for _ in range(recorded):
                report({"loss": config["x"]})
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("it trains on")
        report({"loss": config["x"]})
        report({"loss": config["x"]})

    study = fit(tmp_path, train)
    assert (study.state, study.interrupted) == ("stopped", True)
    *_, cut = study.trials
    assert [trial.state for trial in study.trials] == ["COMPLETE", "COMPLETE", "PRUNED" if recorded else "FAIL"]
    assert cut.reason is not None
    assert "Interrupted." in cut.reason
    assert len(study.history(2)) == recorded
    resumed = fit(tmp_path, train, resume=True)
    assert [trial.state for trial in resumed.trials].count("COMPLETE") == (4 if recorded else 5)
