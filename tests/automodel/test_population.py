"""Population training of real networks: copies go on from their parent's weights, and can be replayed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gradfleet import AutoDataset, AutoModel, Choice, Float, Objective, Study, Tuner
from gradfleet.study.schedulers import Population
from tests.automodel.test_automodel import mlp, moons

POPULATION = Population(size=4, interval=1, quantile=0.25, resample=0.0)


def search(folder: Path, **settings: Any) -> Study:
    tuner = Tuner()
    tuner.architecture("mlp", mlp)
    tuner.optimizer("sgd", learning_rate=Float(1e-4, 1.0, log=True), momentum=Float(0.0, 0.95))
    tuner.add("batch_size", Choice(16, 32))
    model = AutoModel(tuner, objective=Objective("val_loss", "min"))
    given: dict[str, Any] = {
        "trials": 10,
        "epochs": 5,
        "seed": 1,
        "keep": 10,
        "progress": False,
        "store": folder / "g.db",
        "name": "population",
    }
    given |= {"cluster": "inline", "scheduler": POPULATION}
    return model.fit(AutoDataset(moons()), **{**given, **settings})


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return search(tmp_path_factory.mktemp("population"))


def copies(study: Study) -> list[Any]:
    return [trial for trial in study.trials if trial.came_from is not None]


@pytest.mark.row_part("SE6")
def test_copies_of_the_best_networks_take_the_place_of_the_worst_and_go_on_from_their_weights(study: Study) -> None:
    found = copies(study)
    assert len(found) == 4, "one of four in each of four selections"
    for copy in found:
        origin = copy.came_from
        parent, loser = study.history(origin.parent), study.history(origin.replaces)
        at_the_copy = parent.values("val_loss")[origin.epoch - parent[0].epoch]
        assert at_the_copy < loser.values("val_loss")[-1], "the parent was the better one"
        assert study.history(copy.number)[0].epoch == origin.epoch + 1, "it goes on where its parent was"
        changed = {name for name, value in copy.config.items() if study.trials[origin.parent].config[name] != value}
        assert changed
        assert changed <= {"optimizer.sgd.learning_rate", "optimizer.sgd.momentum", "batch_size"}
        first = study.history(copy.number).values("train_loss")[0]
        anew = study.history(0).values("train_loss")[0]
        assert first < anew, "and not with a new network"


@pytest.mark.row("SE6")
def test_copies_whose_values_were_drawn_anew_train_on_and_are_copied_in_their_turn(tmp_path: Path) -> None:
    anew = Population(size=3, interval=1, quantile=0.4, resample=1.0)
    study = search(tmp_path, scheduler=anew, trials=12, epochs=6)
    found = copies(study)
    assert any(study.trials[copy.came_from.parent] in found for copy in found), "a copy of a copy"
    assert [(trial.state, trial.reason) for trial in study.trials if trial.state == "FAIL"] == []


@pytest.mark.row("RP4")
def test_a_copy_is_replayed_from_the_beginning_of_its_chain(study: Study) -> None:
    chained = [trial for trial in copies(study) if study.trials[trial.came_from.parent].came_from is not None]
    for trial in [copies(study)[0], *chained[:2]]:
        again = study.replay(trial.number)
        assert again.same, trial
        recorded = study.history(trial.number)
        assert [record.epoch for record in again.history] == [record.epoch for record in recorded]
        assert again.history.values("train_loss") == recorded.values("train_loss")
        for ours, theirs in zip(
            study.trial(trial.number).model().model.network.parameters(),  # type: ignore[attr-defined]
            again.model().model.network.parameters(),  # type: ignore[attr-defined]
            strict=True,
        ):
            assert torch.equal(ours, theirs)
    assert chained, "a copy of a copy is among them"


@pytest.mark.ray
@pytest.mark.row_part("SE6")
def test_under_ray_the_population_is_the_same(study: Study, tmp_path: Path) -> None:
    from gradfleet import Resources

    again = search(tmp_path, cluster=None, resources=Resources(cpu=1, gpu=0))
    assert [(one.config, one.origin, one.value) for one in again.trials] == [
        (one.config, one.origin, one.value) for one in study.trials
    ]
