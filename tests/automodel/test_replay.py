"""Any trial can be trained again from its study, and what the study was made with is kept."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from gradfleet import AutoModel, Float, Model, Objective, Study, Tuner
from gradfleet.errors import ExecutionError, NotFoundError
from gradfleet.training.callbacks import Callback
from tests.automodel.test_automodel import linear, mlp, moons, search


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return search(tmp_path_factory.mktemp("replay"), trials=8)


@pytest.mark.row_part("RP4")
def test_a_replay_gives_the_recorded_numbers_again(study: Study) -> None:
    pruned = next(trial.number for trial in study.trials if trial.state == "PRUNED")
    before = random.getstate(), torch.get_rng_state()
    for number in (study.best.number, pruned):
        again = study.replay(number)
        recorded = study.trial(number)
        assert (again.value, again.epoch, again.same) == (recorded.value, recorded.epoch, True)
        for name in ("val_accuracy", "val_loss", "train_loss"):
            assert again.history.values(name) == study.history(number).values(name)
    assert random.getstate() == before[0], "nothing that a replay draws is taken from the caller"
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.row_part("RP4")
def test_the_model_of_a_replay_is_the_model_that_was_measured(study: Study) -> None:
    best, again = study.best.model(), study.replay(study.best.number).model()
    assert isinstance(best.model, Model)  # type: ignore[attr-defined]
    for ours, theirs in zip(best.model.network.parameters(), again.model.network.parameters(), strict=True):  # type: ignore[attr-defined]
        assert torch.equal(ours, theirs)
    assert again.evaluate(moons(seed=5)) == best.evaluate(moons(seed=5))


class DiesOnce(Callback):
    """Ends the process's fit at the end of epoch 3, as Ctrl-C does, unless it did so before."""

    def __init__(self, flag: Path) -> None:
        self._flag = flag

    def on_epoch_start(self, context: Any) -> None:
        if context.epoch == 3 and not self._flag.exists():
            self._flag.touch()
            raise KeyboardInterrupt


@pytest.mark.row_part("RP4")
def test_a_trial_that_was_resumed_is_replayed_in_one_go(tmp_path: Path) -> None:
    tuner = Tuner()
    tuner.architecture("mlp", mlp)
    tuner.optimizer("adamw", learning_rate=Float(1e-3, 1e-1, log=True))
    model = AutoModel(tuner).compile(callbacks=[lambda: DiesOnce(tmp_path / "died")])
    settings: dict[str, Any] = {"trials": 1, "epochs": 5, "cluster": "inline", "progress": False, "name": "dies"}
    settings |= {"store": tmp_path / "gradfleet.db", "resume": True}
    with pytest.raises(KeyboardInterrupt):
        model.fit(moons(), **settings)
    study = model.fit(moons(), **settings)
    assert study.trials[0].attempts == 2
    again = study.replay(0)
    assert again.same
    assert again.history.values("train_loss") == study.history(0).values("train_loss")


def test_a_function_of_ones_own_is_seeded_so_that_it_can_be_replayed(tmp_path: Path) -> None:
    def train(config: dict[str, Any], report: Any) -> None:
        for _ in range(3):
            report({"score": config["x"] + torch.rand(()).item() + random.random()})

    model = AutoModel.from_function(train, {"x": Float(0, 1)}, Objective("score", "max"))
    settings: dict[str, Any] = {"store": tmp_path / "gradfleet.db", "name": "f", "cluster": "inline", "progress": False}
    study = model.fit(trials=3, **settings)
    assert len({trial.value for trial in study.trials}) == 3
    assert [study.replay(number).same for number in range(3)] == [True, True, True]


def test_what_cannot_be_replayed_says_why(tmp_path: Path) -> None:
    def train(config: dict[str, Any], report: Any) -> None:
        if config["x"] != 0.5:
            raise ArithmeticError("only the middle works")
        report({"score": 1.0})

    model = AutoModel.from_function(train, {"x": Float(0, 1)}, Objective("score", "max"))
    study = model.fit(trials=2, store=tmp_path / "gradfleet.db", name="f", cluster="inline", progress=False)
    with pytest.raises(NotFoundError, match=r"Trial 1 has no value that could come out again: FAIL\."):
        study.replay(1)
    with pytest.raises(NotFoundError, match="no trial 7"):
        study.replay(7)
    with pytest.raises(ExecutionError, match="pass trust_recipe=True"):
        Study.attach("f", store=tmp_path / "gradfleet.db").replay(0)


@pytest.mark.row("TP7")
def test_source_commit_packages_seed_and_config_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = """
from gradfleet import AutoModel, Float, Objective

def train(config, report):
    report({"score": config["x"]})

model = AutoModel.from_function(train, {"x": Float(0, 1)}, Objective("score", "max"))
model.fit(trials=2, name="kept", seed=11, cluster="inline", progress=False)
"""
    (tmp_path / "search.py").write_text("# first\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "search.py"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    (tmp_path / "search.py").write_text(script)
    subprocess.run([sys.executable, "search.py"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    study = Study.attach("kept")
    kept = study.provenance
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert (kept.commit, kept.dirty, kept.seed) == (head, True, 11)
    assert kept.sources["search.py"] == script
    assert '+    report({"score": config["x"]})' in kept.sources["uncommitted.diff"]
    assert kept.packages["torch"] == torch.__version__
    assert kept.packages["python"] == sys.version.split()[0]
    assert [set(trial.config) for trial in study.trials] == [{"x"}, {"x"}]
    assert len({trial.seed for trial in study.trials}) == 2


def test_the_facts_of_the_data_are_in_the_study(study: Study) -> None:
    facts = study.spec["facts"]
    assert (facts["kind"], facts["input_shape"], facts["num_outputs"]) == ("multiclass", [2], 2)
    assert facts["num_rows"]["train"] + facts["num_rows"]["validation"] == 240
    assert study.provenance.fingerprint is not None
    sources = study.provenance.sources
    assert set(sources) - {"uncommitted.diff"} == {"tests/automodel/test_automodel.py"}, "and nothing of torch"
    assert linear.__name__ in sources["tests/automodel/test_automodel.py"]
