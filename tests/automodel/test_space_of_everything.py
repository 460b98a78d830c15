"""One space over network, optimizer, loss, loader, schedule and callback, and what of it reaches a trial."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradfleet import AutoDataset, AutoModel, Choice, EarlyStopping, Float, Int, Tuner
from gradfleet.errors import SpaceError
from tests.automodel.test_automodel import linear, mlp, moons


def everything() -> Tuner:
    tuner = Tuner()
    tuner.architecture("linear", linear)
    tuner.architecture("mlp", mlp, width=Int(8, 16), skip=Choice(False, True))
    tuner.optimizer("sgd", learning_rate=Float(1e-2, 1.0, log=True), momentum=Float(0.0, 0.95))
    tuner.optimizer("adamw", learning_rate=Float(1e-3, 1e-1, log=True))
    tuner.add("loss", Choice("cross_entropy", "nll"))
    tuner.add("batch_size", Choice(16, 32))
    tuner.add("schedule", Choice("cosine", None))
    tuner.callback("stopping", EarlyStopping, patience=Int(1, 9))
    return tuner


@pytest.mark.row("SE2")
def test_every_part_of_a_trial_varies_and_is_what_its_config_says(tmp_path: Path) -> None:
    study = AutoModel(everything()).fit(
        AutoDataset(moons()),
        trials=10,
        epochs=1,
        keep=10,
        sampler="random",
        cluster="inline",
        progress=False,
        store=tmp_path / "g.db",
    )
    parts = ("architecture", "optimizer", "loss", "batch_size", "schedule")
    for part in parts:
        assert len({trial.config[part] for trial in study.trials}) == 2, part
    tuner = everything()
    for trial in study.trials:
        config, predictor = trial.config, study.trial(trial.number).model()
        settings = predictor.model.settings  # type: ignore[attr-defined]
        assert (settings.loss, settings.schedule) == (config["loss"], config["schedule"])
        assert settings.optimizer == config["optimizer"]
        assert predictor.batch_size == config["batch_size"]  # type: ignore[attr-defined]
        assert [name for name in config if name.startswith("architecture.linear")] == []
        assert ("architecture.mlp.width" in config) is (config["architecture"] == "mlp"), "a branch draws its own only"
        assert ("optimizer.sgd.momentum" in config) is (config["optimizer"] == "sgd")
        (stopping,) = tuner.callbacks(config)
        assert stopping.patience == config["callbacks.stopping.patience"]


@pytest.mark.row("SE2")
def test_a_dimension_that_nobody_has_is_refused_with_the_nearest_one() -> None:
    tuner = everything()
    with pytest.raises(SpaceError, match="Did you mean 'schedule'"):
        tuner.add("shedule", Choice("cosine", None))
    with pytest.raises(SpaceError, match="Did you mean 'width'"):
        tuner.architecture("other", mlp, widht=Int(8, 16))
