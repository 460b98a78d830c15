"""AutoModel: from open choices to the model that was measured."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gradfleet import AutoDataset, AutoModel, Choice, EarlyStopping, Float, Int, Model, Objective, Study, Tuner
from gradfleet.data.prepared import read_prepared
from gradfleet.errors import NoUsableTrialError, SettingError, StudyMismatchError
from gradfleet.training.callbacks import CSVTracker

Arrays = tuple[np.ndarray, np.ndarray]


def moons(rows: int = 240, seed: int = 0) -> Arrays:
    """Two classes that a linear model cannot tell apart and a small network can."""
    generator = np.random.default_rng(seed)
    angle = generator.uniform(0, np.pi, rows)
    label = generator.integers(0, 2, rows)
    x = np.where(label == 0, np.cos(angle), 1 - np.cos(angle))
    y = np.where(label == 0, np.sin(angle), 0.5 - np.sin(angle))
    points = np.stack([x, y], axis=1) + generator.normal(0, 0.08, (rows, 2))
    return points.astype("float32"), label


def linear(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    return nn.Linear(input_shape[0], num_outputs)


def mlp(input_shape: tuple[int, ...], num_outputs: int, *, width: int = 32, skip: bool = False) -> nn.Module:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(input_shape[0], width), nn.ReLU(), nn.Linear(width, num_outputs))
            self.direct = nn.Linear(input_shape[0], num_outputs) if skip else None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            outputs: torch.Tensor = self.inner(x)
            return outputs if self.direct is None else outputs + self.direct(x)

    return Network()


def two_by_two() -> Tuner:
    tuner = Tuner()
    tuner.architecture("linear", linear)
    tuner.architecture("mlp", mlp, width=Int(16, 64, log=True), skip=Choice(False, True))
    tuner.optimizer("sgd", learning_rate=Float(1e-2, 1.0, log=True), momentum=Float(0.0, 0.95))
    tuner.optimizer("adamw", learning_rate=Float(1e-3, 1e-1, log=True))
    tuner.add("batch_size", Choice(16, 32))
    return tuner


def search(folder: Path, *, name: str = "moons", **arguments: object) -> Study:
    settings = {"trials": 8, "epochs": 4, "cluster": "inline", "progress": False, "store": folder / "gradfleet.db"}
    return AutoModel(two_by_two()).fit(AutoDataset(moons()), name=name, **{**settings, **arguments})  # type: ignore[arg-type]


@pytest.mark.row("SE1")
def test_two_architectures_by_two_optimizers_are_searched_and_the_best_config_names_them(tmp_path: Path) -> None:
    study = search(tmp_path, trials=14)
    tried = {(trial.config["architecture"], trial.config["optimizer"]) for trial in study.trials}
    assert len(tried) == 4
    switches = {trial.config.get("architecture.mlp.skip") for trial in study.trials}
    assert switches == {None, False, True}, "a boolean switches the topology of the branch that has it, and only there"
    best = study.best
    assert best.config["architecture"] == "mlp", "a line cannot part two moons"
    assert best.config["optimizer"] in ("sgd", "adamw")
    network = best.model().model.network
    assert (network.direct is not None) is best.config["architecture.mlp.skip"]


@pytest.mark.row("SE8")
def test_the_best_checkpoint_evaluates_to_the_recorded_value_in_a_clean_process(tmp_path: Path) -> None:
    study = search(tmp_path, epochs=6)
    assert study.trials[0].config == two_by_two().space().default()
    history = {trial.number: study.history(trial.number) for trial in study.trials}
    values = {number: max(records.values("val_accuracy")) for number, records in history.items()}
    assert study.best.value == max(values.values()), "the best record of all trials, not the last one of one"
    script = (
        "import json, sys; from pathlib import Path; from gradfleet import Study\n"
        "from gradfleet.data.prepared import read_prepared\n"
        "study = Study.attach('moons', store=sys.argv[1], trust_recipe=True)\n"
        "print(json.dumps(study.best.model().evaluate(read_prepared(Path(study.spec['data'])).validation)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "gradfleet.db")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    measured = json.loads(done.stdout)
    assert measured["accuracy"] == study.best.metrics["val_accuracy"]
    assert measured["loss"] == pytest.approx(study.best.metrics["val_loss"], abs=1e-5)


def test_the_best_record_is_kept_when_later_ones_are_worse(tmp_path: Path) -> None:
    tuner = Tuner()
    tuner.architecture("mlp", mlp, width=Int(8, 16))
    tuner.optimizer("sgd", learning_rate=Float(2.0, 9.0))  # so large a step that accuracy jumps up and down
    study = AutoModel(tuner).fit(
        moons(), trials=3, epochs=12, cluster="inline", progress=False, scheduler="none", store=tmp_path / "g.db"
    )
    best = study.best
    accuracies = study.history(best.number).values("val_accuracy")
    assert best.value == max(accuracies)
    assert best.epoch < len(accuracies), "the last epoch was not the best one here"
    validation = read_prepared(Path(study.spec["data"])).validation
    assert best.model().evaluate(validation)["accuracy"] == best.value


@pytest.mark.row("RP1")
def test_one_seed_gives_one_sequence_of_trials_at_concurrency_1(tmp_path: Path) -> None:
    def outcome(study: Study) -> list[tuple[object, ...]]:
        return [(trial.config, trial.seed, trial.value) for trial in study.trials]

    first, again = search(tmp_path, name="first", seed=7), search(tmp_path, name="again", seed=7)
    assert outcome(first) == outcome(again)
    assert outcome(search(tmp_path, name="other", seed=8)) != outcome(first)


@pytest.mark.row("SE9")
@pytest.mark.parametrize(
    "limits",
    [{"trials": 3}, {"budget": 4.0}, {"target": 0.7}, {"patience": 4}],
    ids=["trials", "time", "target", "patience"],
)
def test_each_limit_ends_the_search_with_a_usable_best_model(tmp_path: Path, limits: dict[str, float]) -> None:
    began = time.monotonic()
    study = search(tmp_path, **{"trials": None, **limits})
    took = time.monotonic() - began
    values = [-1.0 if trial.value is None else trial.value for trial in study.trials]
    assert len(values) == limits.get("trials", len(values))
    assert took <= limits.get("budget", took) + 2.0
    assert study.best.value >= limits.get("target", 0.0)
    first_best = values.index(max(values))
    assert len(values) - 1 - first_best == limits.get("patience", len(values) - 1 - first_best)
    assert study.state == "completed"
    assert study.best.model().evaluate(study.best.validation())["accuracy"] == study.best.value


def test_a_search_goes_on_where_it_ended(tmp_path: Path) -> None:
    search(tmp_path, trials=3)
    study = search(tmp_path, trials=6, resume=True)
    straight = search(tmp_path, name="straight", trials=6, warm_start=False)
    assert [trial.config for trial in study.trials] == [trial.config for trial in straight.trials]


def test_a_project_that_was_moved_with_its_store_goes_on_in_the_new_place(tmp_path: Path) -> None:
    before, now = tmp_path / "before", tmp_path / "now"
    before.mkdir()
    search(before, trials=3)
    before.rename(now)
    study = Study.attach("moons", store=now / "gradfleet.db", trust_recipe=True)
    best = study.best
    assert best.model().evaluate(best.validation())["accuracy"] == best.value
    assert best.files().is_relative_to(now)
    search(now, trials=5, resume=True)
    assert len(study.trials) == 5
    assert not before.exists(), "nothing was looked for, or written, where it was"


def test_a_study_of_other_data_or_another_space_is_refused(tmp_path: Path) -> None:
    search(tmp_path, trials=1)
    with pytest.raises(SettingError, match="resume=True"):
        search(tmp_path)
    for data, differs in (
        (moons(seed=1), r"data\.content or split"),
        (moons(300), r"data\.num_rows\.train: the store"),
    ):
        with pytest.raises(StudyMismatchError, match=differs):
            AutoModel(two_by_two()).fit(
                data, name="moons", resume=True, cluster="inline", store=tmp_path / "gradfleet.db", progress=False
            )


def test_an_objective_that_no_record_has_is_refused_before_the_first_trial(tmp_path: Path) -> None:
    model = AutoModel(two_by_two(), objective=Objective("val_acuracy", "max"))
    with pytest.raises(SettingError, match="Did you mean 'val_accuracy'"):
        model.fit(moons(), cluster="inline", store=tmp_path / "g.db", progress=False)
    assert not (tmp_path / "g.db").exists()


def test_a_trial_that_raises_fails_alone_and_all_failing_says_why(tmp_path: Path) -> None:
    def broken(input_shape: tuple[int, ...], num_outputs: int, *, width: int = 8) -> nn.Module:
        if width > 4:
            raise RuntimeError("the network is too wide")
        return linear(input_shape, num_outputs)

    def tuner(low: int) -> Tuner:
        made = Tuner()
        made.architecture("broken", broken, width=Int(low, 8))
        made.optimizer("sgd", learning_rate=Float(0.1, 0.2))
        return made

    settings = {"cluster": "inline", "progress": False, "trials": 8, "epochs": 1, "store": tmp_path / "g.db"}
    study = AutoModel(tuner(1)).fit(moons(), name="some", **settings)  # type: ignore[arg-type]
    failed = [trial for trial in study.trials if trial.state == "FAIL"]
    assert 0 < len(failed) < 8
    assert failed[0].reason == "RuntimeError: the network is too wide"
    assert "Traceback" in (failed[0].traceback or "")
    assert study.best.config["architecture.broken.width"] <= 4
    with pytest.raises(NoUsableTrialError, match=r"RuntimeError: the network is too wide \(8\)"):
        AutoModel(tuner(5)).fit(moons(), name="none", **settings)  # type: ignore[arg-type]


def test_a_training_function_is_searched_like_a_model(tmp_path: Path) -> None:
    def train(config: dict[str, float], report: object) -> None:
        for epoch in range(3):
            report({"score": -((config["x"] - 0.3) ** 2) - 0.1 / (epoch + 1)})  # type: ignore[operator]

    model = AutoModel.from_function(train, {"x": Float(0.0, 1.0)}, Objective("score", "max"))
    study = model.fit(trials=12, epochs=3, cluster="inline", progress=False, store=tmp_path / "g.db")
    assert study.trials[0].config == {"x": 0.5}
    assert abs(study.best.config["x"] - 0.3) < 0.2  # type: ignore[operator]
    assert study.best.epoch == 3


class Adversaries(Model):
    """A generator that learns to make points near those that it is given, against a discriminator."""

    def __init__(self, networks: dict[str, nn.Module]) -> None:
        super().__init__(networks)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        real, _ = batch
        generator, discriminator = self.networks["generator"], self.networks["discriminator"]
        fake = generator(torch.randn_like(real))
        ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
        judge = nn.functional.binary_cross_entropy_with_logits
        self.backward(judge(discriminator(real), ones) + judge(discriminator(fake.detach()), zeros))
        self.step("discriminator")
        self.backward(judge(discriminator(fake), ones))
        self.step("generator")

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        real, _ = batch
        with torch.random.fork_rng():
            torch.manual_seed(0)
            fake = self.networks["generator"](torch.randn_like(real))
        self.log("distance", (fake.mean(0) - real.mean(0)).norm())


def test_a_model_of_several_networks_is_searched_with_an_optimizer_for_each(tmp_path: Path) -> None:
    def build(input_shape: tuple[int, ...], *, width: int = 16) -> Model:
        def network(outputs: int) -> nn.Module:
            return nn.Sequential(nn.Linear(input_shape[0], width), nn.ReLU(), nn.Linear(width, outputs))

        return Adversaries({"generator": network(input_shape[0]), "discriminator": network(1)})

    tuner = Tuner()
    tuner.architecture("gan", build, width=Int(8, 32))
    tuner.optimizer("adam", network="generator", learning_rate=Float(1e-3, 1e-2, log=True))
    tuner.optimizer("sgd", network="discriminator", learning_rate=Float(1e-2, 1e-1, log=True))
    model = AutoModel(tuner, objective=Objective("val_distance", "min"))
    study = model.fit(moons(), trials=3, epochs=3, cluster="inline", progress=False, store=tmp_path / "g.db")
    assert study.trials[0].state == "COMPLETE"
    best = study.best
    assert best.value == min(study.history(best.number).values("val_distance"))
    assert set(best.model().model.networks) == {"generator", "discriminator"}


def stopping(patience: int = 1, min_delta: float = 0.5) -> EarlyStopping:
    """One that stops early with what it has for defaults too, so that only its absence lets a fit go on."""
    return EarlyStopping(patience=patience, min_delta=min_delta)


@pytest.mark.row("CB7")
def test_a_callbacks_parameter_is_a_dimension_and_none_switches_it_off(tmp_path: Path) -> None:
    tuner = Tuner()
    tuner.architecture("linear", linear)
    tuner.optimizer("sgd", learning_rate=Float(1e-6, 1e-5))  # so slow that nothing is ever gained
    tuner.callback("early_stopping", stopping, patience=Int(1, 3), min_delta=Float(0.5, 0.6))
    tuner.add("callbacks.early_stopping", Choice("on", None))
    study = AutoModel(tuner).fit(
        moons(),
        trials=10,
        epochs=6,
        scheduler="none",
        sampler="random",
        cluster="inline",
        progress=False,
        store=tmp_path / "g.db",
    )
    for trial in study.trials:
        patience = trial.config.get("callbacks.early_stopping.patience")
        assert (patience is None) == (trial.config["callbacks.early_stopping"] is None)
        assert trial.epochs == (6 if patience is None else 1 + int(patience))
    assert len({trial.epochs for trial in study.trials}) > 1


@pytest.mark.row("TP2")
def test_each_trial_is_one_tracked_run_grouped_by_the_study_and_closed_with_its_state(tmp_path: Path) -> None:
    tuner = two_by_two()
    tuner.callback("csv", partial(CSVTracker, tmp_path / "runs"))
    study = AutoModel(tuner).fit(
        moons(), trials=6, epochs=9, name="tracked", cluster="inline", progress=False, store=tmp_path / "g.db"
    )
    assert {trial.state for trial in study.trials} == {"COMPLETE", "PRUNED"}
    for trial in study.trials:
        folder = tmp_path / "runs" / "tracked" / f"trial-{trial.number}"
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        assert run["config"] == trial.config
        assert run["state"] == ("completed" if trial.state == "COMPLETE" else "ended early")
        assert len((folder / "metrics.csv").read_text(encoding="utf-8").splitlines()) == 1 + trial.epochs


def test_what_a_search_lacks_is_said_before_anything_is_written(tmp_path: Path) -> None:
    settings = {"cluster": "inline", "progress": False, "trials": 2, "store": tmp_path / "g.db"}
    with pytest.raises(SettingError, match="needs data"):
        AutoModel(two_by_two()).fit(**settings)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="no architecture"):
        AutoModel(Tuner()).fit(moons(), **settings)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="batch_size"):
        AutoModel(two_by_two()).fit(moons(), portfolio=[{"batch_size": 7}], **settings)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_study_is_not_gone_on_with_under_other_code_or_settings(tmp_path: Path) -> None:
    def tuner(build: Callable[..., nn.Module]) -> Tuner:
        made = Tuner()
        made.architecture("net", build)
        made.optimizer("sgd", learning_rate=Float(0.1, 0.2))
        return made

    def relu(input_shape: tuple[int, ...]) -> nn.Module:
        return nn.Sequential(nn.Linear(input_shape[0], 8), nn.ReLU(), nn.Linear(8, 2))

    def tanh(input_shape: tuple[int, ...]) -> nn.Module:
        return nn.Sequential(nn.Linear(input_shape[0], 8), nn.Tanh(), nn.Linear(8, 2))

    settings = {
        "name": "code",
        "cluster": "inline",
        "progress": False,
        "trials": 2,
        "epochs": 2,
        "store": tmp_path / "g.db",
    }
    AutoModel(tuner(relu)).fit(moons(), **settings)  # type: ignore[arg-type]
    with pytest.raises(StudyMismatchError, match=r"training\.architecture\.net"):
        AutoModel(tuner(tanh)).fit(moons(), resume=True, **settings)  # type: ignore[arg-type]
    with pytest.raises(StudyMismatchError, match=r"training\.epochs: the store has 2, 7 came"):
        AutoModel(tuner(relu)).fit(moons(), resume=True, **{**settings, "epochs": 7})  # type: ignore[arg-type]
    AutoModel(tuner(relu)).fit(moons(), resume=True, **settings)  # type: ignore[arg-type]
