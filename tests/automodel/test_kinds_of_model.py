"""Every kind of Model is searched as it is: what trains alone trains as a recipe, unchanged."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import torchmetrics
from torch import nn
from torch.utils.data import DataLoader, Dataset

from gradfleet import AutoDataset, AutoModel, EarlyStopping, Float, Model, Objective, Tuner
from gradfleet.errors import DataError, NoUsableTrialError
from gradfleet.training.callbacks import EMA, SWA, CutMix, LabelSmoothing, MixUp
from gradfleet.training.step import Step, split_batch

sys.path.append(str(Path(__file__).parents[2] / "examples"))

ROWS, FEATURES = 60, 6
Pair = tuple[torch.Tensor, torch.Tensor]


def inputs(*shape: int) -> torch.Tensor:
    return torch.randn(ROWS, *(shape or (FEATURES,)), generator=torch.Generator().manual_seed(0))


def classes() -> Pair:
    x = inputs()
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 1).long()


def yes_or_no() -> Pair:
    x = inputs()
    return x, (x[:, 0] > 0).float()


def several_labels() -> Pair:
    x = inputs()
    return x, (x[:, :3] > 0).float()


def amounts() -> Pair:
    x = inputs()
    return x, x[:, 0] * 2 - x[:, 1] + 0.5


def images() -> Pair:
    x = inputs(1, 8, 8)
    return x, (x.mean(dim=(1, 2, 3)) > 0).long()


class OwnDataset(Dataset[Pair]):
    """Rows that only this class knows how to read."""

    def __init__(self) -> None:
        self.pair = classes()

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, row: int) -> Pair:
        return self.pair[0][row], self.pair[1][row]


def mlp(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(input_shape[0], 16), nn.ReLU(), nn.BatchNorm1d(16), nn.Linear(16, num_outputs))


def cnn(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(input_shape[0], 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, num_outputs))


def lazy(num_outputs: int) -> nn.Module:
    return nn.Sequential(nn.LazyLinear(16), nn.ReLU(), nn.LazyBatchNorm1d(), nn.LazyLinear(num_outputs))


class OwnSteps(Model):
    """Every step overridden, each doing by hand what it does anyway."""

    def training_step(self, batch: Any) -> Step:
        x, y = split_batch(batch)
        outputs = self.network(x)
        loss = nn.functional.cross_entropy(outputs, y)
        self.log("confidence", outputs.softmax(dim=1).amax(dim=1).mean())
        return Step(loss, outputs, y)

    def backward(self, loss: torch.Tensor, network: str | None = None) -> None:
        super().backward(loss * 1.0, network)

    def optimizer_step(self) -> None:
        super().optimizer_step()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.network.parameters(), lr=self.settings.learning_rate or 1e-2)


class Autoencoder(Model):
    """Two networks, an optimizer each, and steps by hand."""

    def __init__(self, features: int) -> None:
        super().__init__({"encoder": nn.Linear(features, 3), "decoder": nn.Linear(3, features)})

    def training_step(self, batch: Any) -> None:
        loss = self.distance(batch)
        self.backward(loss)
        self.step("decoder")
        self.step("encoder")
        self.log("distance", loss)

    def validation_step(self, batch: Any) -> None:
        self.log("distance", self.distance(batch))

    def predict_step(self, batch: Any) -> torch.Tensor:
        x = batch if isinstance(batch, torch.Tensor) else split_batch(batch)[0]
        return self.networks["decoder"](self.networks["encoder"](x))

    def distance(self, batch: Any) -> torch.Tensor:
        x, _ = split_batch(batch)
        return (self.predict_step(x) - x).square().mean()


def function_step(model: Model, batch: Any) -> Step:
    x, y = split_batch(batch)
    outputs = model.network(x)
    return Step(nn.functional.cross_entropy(outputs, y), outputs, y)


def bert(num_outputs: int) -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    return BertForSequenceClassification(BertConfig(vocab_size=20, num_labels=num_outputs, **size))


def words() -> Pair:
    ids = torch.randint(20, (ROWS, 5), generator=torch.Generator().manual_seed(0))
    return ids, (ids == 7).any(dim=1).long()


def pix2pix() -> Model:
    from pix2pix import Pix2Pix  # the example, unchanged

    return Pix2Pix(width=4)


def outlines() -> Pair:
    from pix2pix import paired_digits

    drawn, digits = paired_digits()
    return drawn[:ROWS], digits[:ROWS]


@dataclass(frozen=True)
class Kind:
    """A kind of Model, with what it learns from and how it is compiled."""

    build: Callable[..., Any]
    data: Callable[[], Any] = classes
    settings: Mapping[str, Any] = field(default_factory=dict)
    metric: str = "val_loss"
    optimizers: tuple[tuple[str, str | None], ...] = (("adamw", None),)
    validation: Callable[[], Any] = lambda: None

    def dataset(self) -> AutoDataset:
        return AutoDataset(self.data(), validation=self.validation())

    def model(self) -> AutoModel:
        tuner = Tuner()
        tuner.architecture("it", self.build)
        for name, network in self.optimizers:
            tuner.optimizer(name, network=network, learning_rate=Float(1e-3, 1e-2, log=True))
        return AutoModel(tuner, objective=Objective(self.metric, "min")).compile(batch_size=16, **self.settings)


def warmed_up(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)


def share_right(outputs: torch.Tensor, targets: torch.Tensor) -> float:
    return float((outputs.argmax(dim=1) == targets).float().mean())


KINDS: dict[str, Kind] = {
    "classes": Kind(mlp),
    "yes or no": Kind(mlp, yes_or_no),
    "several labels": Kind(mlp, several_labels),
    "amounts": Kind(mlp, amounts, {"metrics": ["mae", "r2"]}),
    "images, channels last": Kind(cnn, images, {"channels_last": True}),
    "lazy layers": Kind(lazy),
    "a model of transformers": Kind(bert, words),
    "a Dataset of one's own": Kind(mlp, OwnDataset),
    "a DataLoader": Kind(mlp, lambda: DataLoader(OwnDataset(), batch_size=8, shuffle=True), validation=OwnDataset),
    "steps of one's own": Kind(lambda input_shape, num_outputs: OwnSteps(mlp(input_shape, num_outputs))),
    "a function as the step": Kind(
        lambda input_shape, num_outputs: Model(mlp(input_shape, num_outputs), training_step=function_step)
    ),
    "networks with optimizers of their own": Kind(
        lambda input_shape: Autoencoder(input_shape[0]),
        metric="val_distance",
        optimizers=(("adam", "encoder"), ("sgd", "decoder")),
    ),
    "compile of one's own": Kind(pix2pix, outlines, optimizers=()),
    "metrics of every form": Kind(
        mlp,
        settings={
            "metrics": {
                "f1": torchmetrics.classification.MulticlassF1Score(3),
                "right": share_right,
                "balanced": "balanced_accuracy",
                "recall": "recall",
            }
        },
    ),
    "moving averages": Kind(mlp, settings={"callbacks": [lambda: EMA(decay=0.9)]}),
    "averaged at the end": Kind(mlp, settings={"callbacks": [lambda: SWA(start=2)]}),
    "mixed rows": Kind(mlp, settings={"callbacks": [MixUp, LabelSmoothing]}),
    "cut and mixed images": Kind(cnn, images, {"callbacks": [CutMix]}),
    "accumulated gradients, clipped": Kind(mlp, settings={"accumulate": 4, "clip_norm": 1.0, "clip_value": 0.5}),
    "a schedule by name": Kind(mlp, settings={"schedule": "one_cycle"}),
    "a schedule by factory": Kind(mlp, settings={"schedule": warmed_up}),
    "half precision": Kind(mlp, settings={"precision": "bf16"}),
    "stopped early": Kind(
        mlp, settings={"callbacks": [lambda: EarlyStopping("val_loss", patience=1, min_delta=100.0)]}
    ),
}


def search(kind: Kind, folder: Path, *, cluster: str | None) -> tuple[float, float]:
    """The value of the best trial, and what its model measures."""
    study = kind.model().fit(
        kind.dataset(),
        trials=2,
        epochs=3,
        cluster=cluster,
        scheduler="none",
        progress=False,
        store=folder / "gradfleet.db",
    )
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 2, [trial.reason for trial in study.trials]
    best = study.best
    values = study.history(best.number).values(kind.metric)
    assert best.value == min(values)
    measured = best.model().evaluate(kind.dataset().open().validation)
    return best.value, measured[kind.metric.removeprefix("val_")]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_model_is_searched_and_its_best_gives_its_value_again(name: str, tmp_path: Path) -> None:
    recorded, measured = search(KINDS[name], tmp_path, cluster="inline")
    assert measured == pytest.approx(recorded, abs=1e-5)


@pytest.mark.ray
def test_on_a_cluster_too(tmp_path: Path) -> None:
    recorded, measured = search(KINDS["compile of one's own"], tmp_path, cluster=None)
    assert measured == pytest.approx(recorded, abs=1e-5)


class Ring(Model):
    """Walks on a ring of places to place 0, and learns from its own moves."""

    def __init__(self) -> None:
        super().__init__(nn.Embedding(8, 2))

    def training_step(self, batch: None) -> torch.Tensor:
        places = torch.arange(8)
        policy = torch.distributions.Categorical(logits=self.network(places))
        moves = policy.sample()
        reward = ((places + moves * 2 - 1) % 8 == 0).float()
        self.log("reward", reward.mean())
        return -(policy.log_prob(moves) * reward).mean()


def test_steps_without_data_are_searched_and_the_best_predicts(tmp_path: Path) -> None:
    tuner = Tuner()
    tuner.architecture("ring", Ring)
    tuner.optimizer("adam", learning_rate=Float(1e-2, 1e-1, log=True))
    model = AutoModel(tuner, objective=Objective("train_reward", "max")).compile(steps_per_epoch=20)
    study = model.fit(
        trials=2, epochs=2, cluster="inline", scheduler="none", progress=False, store=tmp_path / "gradfleet.db"
    )
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 2
    predictor = study.best.model()
    assert len(predictor.predict(torch.arange(8))) == 8
    assert predictor.labels is None
    with pytest.raises(DataError, match=r"learned from no data knows no classes; use predict\(\)"):
        predictor.predict_proba(torch.arange(8))


def reasons(architecture: Callable[..., Any], folder: Path) -> str:
    tuner = Tuner()
    tuner.architecture("it", architecture)
    tuner.optimizer("sgd", learning_rate=Float(1e-3, 1e-2))
    with pytest.raises(NoUsableTrialError) as caught:
        AutoModel(tuner, objective=Objective("val_loss", "min")).compile(kind="regression").fit(
            AutoDataset(outlines()), trials=1, epochs=1, cluster="inline", progress=False, store=folder / "gradfleet.db"
        )
    return str(caught.value)


def test_what_a_models_own_compile_does_not_take_is_named(tmp_path: Path) -> None:
    said = "Pix2Pix.compile takes no kind, optimizer, which this search chooses; it takes learning_rate, closeness"
    assert said in reasons(pix2pix, tmp_path)


def test_a_model_that_its_builder_compiled_leaves_nothing_to_choose(tmp_path: Path) -> None:
    said = "builds a compiled Pix2Pix, so kind, learning_rate, optimizer of this search would count for nothing"
    assert said in reasons(lambda: pix2pix().compile(), tmp_path)


def test_a_builder_that_asks_for_facts_needs_data(tmp_path: Path) -> None:
    tuner = Tuner()
    tuner.architecture("mlp", mlp)
    model = AutoModel(tuner, objective=Objective("train_loss", "min")).compile(steps_per_epoch=1)
    with pytest.raises(NoUsableTrialError, match="asks for input_shape, num_outputs, and this search has no data"):
        model.fit(trials=1, epochs=1, cluster="inline", progress=False, store=tmp_path / "gradfleet.db")
