"""A search is tailored to its data and time before it begins, and a study that is gone on with stays as it was cut."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from gradfleet import AutoModel, Float, Int, Study, Tuner
from gradfleet.tasks import Situation, Tailoring


def net(input_shape: tuple[int, ...], num_outputs: int, width: int = 8) -> nn.Module:
    return nn.Sequential(nn.Linear(input_shape[0], width), nn.ReLU(), nn.Linear(width, num_outputs))


class Narrow:
    """Cuts the widths down, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[Situation] = []

    def __call__(self, situation: Situation) -> Tailoring:
        self.asked.append(situation)
        width = 4 if len(self.asked) == 1 else 5
        return Tailoring({"architecture.net.width": {"high": width, "default": width}}, 2, ({"learning_rate": 0.02},))


def fit(tailor: Narrow, folder: Path, *, trials: int, narrow: dict[str, int] | None = None) -> Study:
    tuner = Tuner()
    tuner.architecture("net", net, width=Int(2, 16))
    tuner.add("learning_rate", Float(1e-3, 1e-1, log=True))
    rows = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    model = AutoModel(tuner).narrow(narrow or {})
    where = {"store": folder / "g.db", "name": "cut", "cluster": "inline"}
    data = rows, (rows[:, 0] > 0).long()
    return model.fit(data, trials=trials, epochs=9, tailor=tailor, resume=True, progress=False, **where)  # type: ignore[arg-type]


def test_space_epochs_and_portfolio_are_those_of_the_tailor(tmp_path: Path) -> None:
    tailor = Narrow()
    study = fit(tailor, tmp_path, trials=2)
    assert [trial.config["architecture.net.width"] for trial in study.trials] == [4, 4]
    assert study.trials[1].config["learning_rate"] == 0.02
    assert len(study.history(0)) == 2
    assert tailor.asked[0].data.open().facts.num_rows == {"train": 48, "validation": 12}
    assert tailor.asked[0].is_here


def test_a_study_that_is_gone_on_with_keeps_its_cut(tmp_path: Path) -> None:
    tailor = Narrow()
    fit(tailor, tmp_path, trials=1)
    study = fit(tailor, tmp_path, trials=3)
    assert len(tailor.asked) == 1
    assert len(study.trials) == 3
    assert all(trial.config["architecture.net.width"] <= 4 for trial in study.trials)


def test_what_the_user_has_narrowed_stays(tmp_path: Path) -> None:
    study = fit(Narrow(), tmp_path, trials=1, narrow={"architecture.net.width": 16})
    assert study.trials[0].config["architecture.net.width"] == 16
