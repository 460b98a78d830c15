from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sklearn.metrics
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gradfleet.errors import DataError, SettingError
from gradfleet.training.model import Model

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]


@pytest.mark.row_part("TL14")
def test_predict_keeps_the_order_is_repeatable_and_runs_in_eval_mode(pair: Pair, network: Make) -> None:
    module = network(dropout=0.5)
    model = Model(module).compile()
    model.fit(pair, epochs=1)

    first = model.predict(pair[0], batch_size=16)

    assert module.training
    assert torch.equal(first, model.predict(pair[0], batch_size=16))
    with torch.no_grad():
        assert torch.allclose(first, module.eval()(pair[0]), atol=1e-6)


@pytest.mark.row_part("TL14")
def test_predict_takes_inputs_with_and_without_targets(pair: Pair, network: Make) -> None:
    model = Model(network())
    inputs, _ = pair
    expected = model.predict(inputs)

    for data in (pair, inputs.numpy(), DataLoader(TensorDataset(inputs), batch_size=7), TensorDataset(*pair)):
        assert torch.allclose(model.predict(data), expected, atol=1e-6)


@pytest.mark.row_part("TL14")
def test_evaluate_is_repeatable_and_leaves_weights_mode_and_generators_alone(pair: Pair, network: Make) -> None:
    module = nn.Sequential(nn.BatchNorm1d(4), network(dropout=0.5))
    model = Model(module).compile()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    drawn = torch.get_rng_state()

    assert model.evaluate(pair) == model.evaluate(DataLoader(TensorDataset(*pair), batch_size=32))
    assert module.training
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_evaluate_reads_as_a_dict_of_plain_names(pair: Pair, network: Make) -> None:
    assert set(Model(network()).compile(metrics=["f1", "roc_auc"]).evaluate(pair)) == {
        "loss",
        "f1",
        "roc_auc",
        "accuracy",
    }


@pytest.mark.row("UX5")
def test_details_have_the_confusion_matrix_and_numbers_for_every_class(pair: Pair, network: Make) -> None:
    model = Model(network(3)).compile(kind="multiclass")
    model.labels = ("left", "right", "never")

    evaluation = model.evaluate(pair)

    predicted = model.predict(pair[0]).argmax(1)
    expected = sklearn.metrics.confusion_matrix(pair[1], predicted, labels=[0, 1, 2])
    assert (evaluation.details["confusion"].to_numpy() == expected).all()
    assert list(evaluation.details["confusion"].columns) == ["left", "right", "never"]
    classes = evaluation.details["classes"]
    assert list(classes.columns) == ["precision", "recall", "f1", "rows"]
    assert classes.loc["left", "rows"] == (pair[1] == 0).sum()
    assert classes.loc["right", "recall"] == sklearn.metrics.recall_score(pair[1] == 1, predicted == 1)


def test_details_of_yes_and_no_and_of_several_labels(pair: Pair, network: Make) -> None:
    binary = Model(network(1)).compile().evaluate((pair[0], pair[1].float()))
    several = Model(network(3)).compile().evaluate((pair[0], (pair[0][:, :3] > 0).float()))

    assert binary.details["confusion"].to_numpy().sum() == 70
    assert list(several.details) == ["labels"]
    assert len(several.details["labels"]) == 3
    assert "accuracy" in several


def test_evaluation_of_amounts_has_no_tables(pair: Pair, network: Make) -> None:
    evaluation = Model(network(1)).compile().evaluate((pair[0], pair[0].sum(dim=1)))

    assert set(evaluation) == {"loss", "mae"}
    assert evaluation.details == {}


@pytest.mark.row("ME7")
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("multiclass", {"true", "predicted"}),
        ("binary", {"true", "predicted", "share of yes found"}),
        ("multilabel", {"precision", "recall", "f1"}),
        ("regression", {"true", "predicted"}),
    ],
)
def test_the_kind_of_problem_picks_the_picture_of_each_split(
    kind: str, words: set[str], pair: Pair, network: Make, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    inputs, classes = pair
    targets = {
        "multiclass": classes,
        "binary": classes.float(),
        "multilabel": (inputs[:, :3] > 0).float(),
        "regression": inputs.sum(dim=1),
    }[kind]
    model = Model(network({"multiclass": 2, "multilabel": 3}.get(kind, 1))).compile(kind=kind)  # type: ignore[arg-type]

    for name, rows in {"train": slice(50), "validation": slice(50, 70)}.items():
        evaluation = model.evaluate((inputs[rows], targets[rows]))
        assert evaluation.plot(tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        shown = evaluation.plot(tmp_path / f"{name}.svg").read_text("utf-8")
        assert all(f"<!-- {word} -->" in shown for word in words)


def test_what_has_no_picture_says_so(pair: Pair, network: Make, tmp_path: Path) -> None:
    class Bare(Model):
        def validation_step(self, batch: object) -> torch.Tensor:
            return torch.tensor(1.0)

    with pytest.raises(SettingError, match="no picture of an evaluation whose step gave no outputs and targets"):
        Bare(network()).compile(kind="multiclass").evaluate(pair).plot(tmp_path / "it.png")


def test_evaluate_before_compile_is_refused(pair: Pair, network: Make) -> None:
    with pytest.raises(SettingError, match=r"call compile\(\.\.\.\) before evaluate"):
        Model(network()).evaluate(pair)


def test_nothing_to_predict_is_refused(network: Make) -> None:
    with pytest.raises(DataError, match="no rows"):
        Model(network()).predict(torch.zeros(0, 4))


def test_a_validation_step_of_ones_own_is_used(pair: Pair, network: Make) -> None:
    class Own(Model):
        def validation_step(self, batch: Any) -> torch.Tensor:
            return torch.tensor(float(len(batch[0])))

    assert Own(network()).compile().evaluate(pair, batch_size=35) == {"loss": 35.0}


def test_a_network_may_take_named_inputs_and_give_an_object_with_logits(pair: Pair) -> None:
    class Output:
        def __init__(self, logits: torch.Tensor) -> None:
            self.logits = logits

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 2)

        def forward(self, *, values: torch.Tensor) -> Output:
            return Output(self.head(values))

    rows = [{"values": x, "labels": y} for x, y in zip(*pair, strict=True)]
    batches: Any = DataLoader(rows, batch_size=16)  # type: ignore[arg-type]
    model = Model(Named()).compile()
    history = model.fit(batches, batches, epochs=1)

    assert history[0]["val_accuracy"] == model.evaluate(batches)["accuracy"]
    assert model.predict(batches).shape == (70, 2)
