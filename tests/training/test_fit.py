from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from gradfleet.data.examples import ArrayExamples
from gradfleet.errors import DataError, SettingError
from gradfleet.training.callbacks import EarlyStopping
from gradfleet.training.model import Model
from gradfleet.training.state.seeding import untouched_generators
from gradfleet.training.step import Step

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]


def weights(model: Model) -> torch.Tensor:
    values = [value.flatten().double() for one in model.networks.values() for value in one.state_dict().values()]
    return torch.cat(values)


class Rows(Dataset[Pair]):
    """A Dataset whose loader cannot be read in any other way than row by row."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    def __len__(self) -> int:
        return len(self.pair[0])

    def __getitem__(self, row: int) -> Pair:
        return self.pair[0][row], self.pair[1][row]


class Stream(IterableDataset[Pair]):
    """Rows without a length."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    def __iter__(self) -> Any:
        return zip(*self.pair, strict=True)


@pytest.mark.row("TL1")
def test_a_plain_module_loader_loss_and_optimizer_learn_a_toy_set(pair: Pair, network: Make) -> None:
    module = network()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    loader = DataLoader(TensorDataset(*pair), batch_size=16, shuffle=True)
    model = Model(module).compile(nn.CrossEntropyLoss(), optimizer=optimizer)

    history = model.fit(loader, loader, epochs=20)

    assert history[-1]["val_accuracy"] >= 0.95
    assert model.evaluate(loader)["accuracy"] == history[-1]["val_accuracy"]


CROSS_ENTROPIES = ["cross_entropy", nn.CrossEntropyLoss, nn.CrossEntropyLoss()]


@pytest.mark.row("TL1")
@pytest.mark.parametrize("loss", CROSS_ENTROPIES)
@pytest.mark.parametrize("form", ["name", "class", "factory", "instance"])
def test_names_classes_and_instances_of_loss_and_optimizer_train_the_same(
    pair: Pair, network: Make, loss: Any, form: str
) -> None:
    module = network()
    optimizer = {
        "name": "sgd",
        "class": torch.optim.SGD,
        "factory": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, fused=True),
        "instance": torch.optim.SGD(module.parameters(), lr=0.1, fused=True),
    }[form]
    rate = None if form == "instance" else 0.1
    reference = Model(network()).compile("cross_entropy", optimizer="sgd", learning_rate=0.1)

    model = Model(module).compile(loss, optimizer=optimizer, learning_rate=rate)

    assert model.fit(pair, epochs=2).values("train_loss") == reference.fit(pair, epochs=2).values("train_loss")
    assert torch.equal(weights(model), weights(reference))


KINDS = {
    "binary": (1, lambda inputs: (inputs[:, :1] > 0).float(), {"accuracy"}),
    "multiclass": (2, lambda inputs: (inputs[:, 0] > 0).long(), {"accuracy"}),
    "multilabel": (3, lambda inputs: (inputs[:, :3] > 0).float(), {"accuracy", "f1"}),
    "regression": (1, lambda inputs: inputs[:, :1] * 2 + inputs[:, 1:2], {"mae"}),
}


@pytest.mark.row("TL1")
@pytest.mark.parametrize("kind", KINDS)
def test_loss_optimizer_and_metrics_have_defaults_by_kind_of_problem(kind: str, pair: Pair, network: Make) -> None:
    outputs, target, metrics = KINDS[kind]
    data = (pair[0], target(pair[0]))
    model = Model(network(outputs)).compile(learning_rate=0.02)

    history = model.fit(data, data, epochs=30, batch_size=8)

    assert model.problem.kind == kind
    assert {name.removeprefix("val_") for name in history[-1].metrics if name.startswith("val_")} == {"loss"} | metrics
    assert history[-1]["train_loss"] < history[0]["train_loss"] / 2
    score = "mae" if kind == "regression" else "accuracy"
    assert history[-1][f"val_{score}"] < 0.5 if score == "mae" else history[-1][f"val_{score}"] >= 0.95


def test_columns_of_one_and_plain_rows_of_targets_give_the_same_loss(pair: Pair, network: Make) -> None:
    amounts = pair[0].sum(dim=1)

    def first_loss(loss: Any, targets: torch.Tensor) -> float:
        return Model(network(1)).compile(loss, kind="regression").fit((pair[0], targets), epochs=1)[0]["train_loss"]

    expected = first_loss("mse", amounts)
    assert first_loss("mse", amounts[:, None]) == expected
    assert first_loss(nn.MSELoss(), amounts) == expected
    assert first_loss(nn.MSELoss, amounts.double()) == expected


def test_the_kind_of_problem_is_told_by_the_first_batch_of_a_stream(pair: Pair, network: Make) -> None:
    model = Model(network()).compile()

    history = model.fit(Stream(pair), Stream(pair), epochs=1, batch_size=16)

    assert model.problem.kind == "multiclass"
    assert history[0]["val_accuracy"] >= 0


class OwnLoader:
    """Gives batches each time that it is gone through, and is nothing else."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    def __iter__(self) -> Iterator[Pair]:
        return zip(self.pair[0].split(9), self.pair[1].split(9), strict=True)


@pytest.mark.parametrize(
    "form", ["arrays", "lists", "frame", "examples", "dataset", "rows", "loader", "own loader", "float64"]
)
def test_data_is_taken_in_every_form(form: str, pair: Pair, network: Make) -> None:
    inputs, targets = pair
    data = {
        "arrays": (inputs.numpy(), targets.numpy()),
        "lists": (inputs.tolist(), targets.tolist()),
        "frame": (pandas.DataFrame(inputs.numpy()), pandas.Series(targets.numpy())),
        "examples": ArrayExamples(inputs, targets),
        "dataset": Rows(pair),
        "rows": range_of(pair),
        "own loader": OwnLoader(pair),
        "loader": DataLoader(Rows(pair), batch_size=9),
        "float64": (inputs.numpy().astype(np.float64), targets.numpy().astype(np.int32)),
    }[form]
    model = Model(network()).compile()

    assert len(model.fit(data, data, epochs=2)) == 2
    assert model.predict(data).shape == (70, 2)


@pytest.mark.parametrize("form", ["array", "frame", "list"])
def test_what_a_pair_may_hold_is_predicted_alone_too(form: str, pair: Pair, network: Make) -> None:
    inputs = {"array": pair[0].numpy(), "frame": pandas.DataFrame(pair[0].numpy()), "list": pair[0].tolist()}[form]
    model = Model(network())
    assert torch.allclose(model.predict(inputs), model.predict(pair[0]))


def test_a_dataset_of_hugging_face_is_taken_as_it_is(pair: Pair) -> None:
    datasets = pytest.importorskip("datasets")

    class Named(nn.Linear):
        def forward(self, points: torch.Tensor) -> torch.Tensor:
            return super().forward(points)

    rows = datasets.Dataset.from_dict({"points": pair[0].tolist(), "labels": pair[1].tolist()})
    model = Model(Named(4, 2)).compile()
    assert model.fit(rows, rows, epochs=1)[0]["val_loss"] == pytest.approx(model.evaluate(pair_by_name(pair))["loss"])


def pair_by_name(pair: Pair) -> Any:
    return {"points": pair[0]}, pair[1]


def range_of(pair: Pair) -> Any:
    """Rows by number, of no class that anybody knows."""

    class Numbered:
        def __len__(self) -> int:
            return len(pair[0])

        def __getitem__(self, row: int) -> Pair:
            if row >= len(self):
                raise IndexError(row)
            return pair[0][row], pair[1][row]

        def __iter__(self) -> Iterator[Pair]:
            raise AssertionError("asked by number")

    return Numbered()


def test_fit_before_compile_is_refused(pair: Pair, network: Make) -> None:
    with pytest.raises(SettingError, match=r"not compiled: call compile\(\.\.\.\) before fit"):
        Model(network()).fit(pair, epochs=1)


def test_all_wrong_arguments_of_fit_are_named_at_once(pair: Pair, network: Make) -> None:
    with pytest.raises(SettingError) as caught:
        Model(network()).fit(pair, epochs=-1, batch_size=0, seed=-3)

    assert [problem.split()[0] for problem in caught.value.problems] == ["epochs", "batch_size", "seed", "This"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((torch.zeros(3, 4), torch.zeros(2).long()), "as many rows as each other, got 3 and 2"),
        ((torch.zeros(0, 4), torch.zeros(0).long()), "no rows"),
        ("digits/", r"tuple \(inputs, targets\) is needed, got str. Paths and tables are for AutoDataset"),
        (
            [torch.zeros(8, 4), torch.zeros(8).long()],
            r"got list. Inputs and targets go into a tuple: \(inputs, targets\)",
        ),
        (iter([]), "got list_iterator. It is over when it was gone through once"),
        (torch.zeros(8, 4), r"got a tuple of 1. Targets go with their inputs in one tuple: fit\(\(inputs, targets\)\)"),
        (DataLoader(TensorDataset(torch.zeros(8, 4))), r"tuple \(inputs, targets\) or a dict .+ got a list of 1"),
        (
            DataLoader(TensorDataset(torch.zeros(8, 4)), collate_fn=len),
            "got a int. For another shape override training_step",
        ),
    ],
)
def test_data_that_cannot_be_learned_from_is_refused(data: Any, message: str, network: Make) -> None:
    with pytest.raises(DataError, match=message):
        Model(network()).compile().fit(data, epochs=1)


def test_an_empty_loader_is_refused(network: Make, pair: Pair) -> None:
    with pytest.raises(DataError, match="gives no batches"):
        Model(network()).compile().fit(DataLoader(Rows(pair), batch_size=100, drop_last=True), epochs=1)


def test_empty_validation_data_is_refused(network: Make, pair: Pair) -> None:
    empty = DataLoader(Rows(pair), batch_size=100, drop_last=True)
    with pytest.raises(DataError, match="validation data gives no batches"):
        Model(network()).compile().fit(pair, empty, epochs=1)
    with pytest.raises(DataError, match="validation data gives no batches"):
        Model(network()).compile(kind="multiclass").evaluate(empty)


def test_a_loss_that_does_not_fit_names_both_shapes(pair: Pair, network: Make) -> None:
    with pytest.raises(SettingError, match=r"outputs are \(32, 2\) of float32 and targets are \(32, 3\) of float32"):
        Model(network()).compile("mse").fit((pair[0], pair[0][:, :3]), epochs=1)


def test_a_loss_that_is_no_single_number_is_refused(pair: Pair, network: Make) -> None:
    with pytest.raises(SettingError, match=r"one number, got a tensor of shape \(32,\)"):
        Model(network()).compile(nn.CrossEntropyLoss(reduction="none")).fit(pair, epochs=1)


def test_what_a_network_raises_says_which_inputs_it_was_given(pair: Pair, network: Make) -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied") as caught:
        Model(network()).compile().fit((torch.ones(70, 5), pair[1]), epochs=1)
    assert caught.value.__notes__ == ["Raised by the network Sequential, given a tensor of shape (32, 5)."]


def test_a_loss_that_no_weight_can_lower_is_refused(pair: Pair, network: Make) -> None:
    frozen = network().requires_grad_(requires_grad=False)
    with pytest.raises(SettingError, match="The loss depends on no weight that is trained: all of them are frozen"):
        Model(frozen).compile().fit(pair, epochs=1)


@pytest.mark.row("RP1")
@pytest.mark.parametrize("persistent", [False, True])
def test_the_same_seed_gives_the_same_weights_with_0_and_2_loader_workers(
    pair: Pair, network: Make, *, persistent: bool
) -> None:
    def trained(**workers: Any) -> Model:
        model = Model(network(dropout=0.5)).compile()
        model.fit(DataLoader(Rows(pair), batch_size=16, shuffle=True, **workers), epochs=3, seed=5)
        return model

    assert torch.equal(weights(trained()), weights(trained(num_workers=2, persistent_workers=persistent)))


@pytest.mark.row("RP1")
def test_another_seed_gives_other_weights(pair: Pair, network: Make) -> None:
    models = [Model(network()).compile() for _ in range(3)]
    for model, seed in zip(models, (5, 5, 6), strict=True):
        model.fit(pair, epochs=1, seed=seed)

    assert torch.equal(weights(models[0]), weights(models[1]))
    assert not torch.equal(weights(models[0]), weights(models[2]))


@pytest.mark.row("RP3")
@pytest.mark.parametrize("shared", [False, True])
def test_adding_validation_leaves_training_weights_unchanged(pair: Pair, network: Make, *, shared: bool) -> None:
    def trained(*, validated: bool) -> Model:
        generator = torch.Generator().manual_seed(3) if shared else None
        loader = DataLoader(Rows(pair), batch_size=16, shuffle=True, generator=generator)
        held_out = DataLoader(Rows(pair), batch_size=9, shuffle=True, generator=generator)
        model = Model(network(dropout=0.5)).compile()
        model.fit(loader, held_out if validated else None, epochs=2)
        return model

    assert torch.equal(weights(trained(validated=True)), weights(trained(validated=False)))


def test_fit_leaves_a_model_that_was_put_partly_into_eval_mode_as_it_is(pair: Pair) -> None:
    frozen = nn.BatchNorm1d(4)
    model = Model(nn.Sequential(frozen, nn.Linear(4, 2))).compile()
    frozen.eval()

    model.fit(pair, pair, epochs=2)

    assert not frozen.training
    assert torch.equal(frozen.running_mean, torch.zeros(4))


def test_a_pretrained_network_in_eval_mode_is_trained_in_training_mode(pair: Pair) -> None:
    norm = nn.BatchNorm1d(4)
    Model(nn.Sequential(norm, nn.Linear(4, 2)).eval()).compile().fit(pair, epochs=1)

    assert not torch.equal(norm.running_mean, torch.zeros(4))


def test_several_fits_go_on_where_the_last_one_ended(pair: Pair, network: Make) -> None:
    straight, twice = Model(network()).compile(), Model(network()).compile()
    straight.fit(pair, epochs=3)
    twice.fit(pair, epochs=1)
    history = twice.fit(pair, epochs=2)

    assert [record.epoch for record in history] == [1, 2, 3]
    assert torch.equal(weights(straight), weights(twice))


@pytest.mark.parametrize("optimizer", ["adamw", torch.optim.Adagrad])
def test_a_fit_with_reset_starts_anew(optimizer: Any, pair: Pair, network: Make) -> None:
    model = Model(network(dropout=0.5)).compile(optimizer=optimizer, learning_rate=0.1, schedule="cosine")
    first = model.fit(pair, epochs=2, seed=3).values("train_loss")
    after = weights(model)
    model.fit(pair, epochs=1)

    again = model.fit(pair, epochs=2, seed=3, reset=True)

    assert [record.epoch for record in again] == [1, 2]
    assert again.values("train_loss") == first
    assert torch.equal(weights(model), after)


def test_a_fit_cannot_start_anew_and_go_on(pair: Pair, network: Make, tmp_path: Path) -> None:
    made = network()
    model = Model(made).compile(optimizer=torch.optim.SGD(made.parameters(), lr=0.1))
    model.fit(pair, epochs=1, reset=True)

    with pytest.raises(SettingError, match="a SGD that is made already cannot be; give compile its name"):
        model.fit(pair, epochs=1, reset=True)
    with pytest.raises(SettingError, match="goes on from a checkpoint and reset=True begins anew"):
        model.fit(pair, epochs=1, reset=True, resume=tmp_path)


def test_epochs_gives_each_record_while_the_model_is_at_the_end_of_that_epoch(pair: Pair, network: Make) -> None:
    model = Model(network()).compile()

    seen = [(record.epoch, model.epoch, len(model.history)) for record in model.epochs(pair, epochs=3)]

    assert seen == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]


def test_the_loop_trains_exactly_as_one_written_by_hand(pair: Pair, network: Make) -> None:
    model = Model(network()).compile("cross_entropy", optimizer="adamw", learning_rate=0.01)
    loader = DataLoader(TensorDataset(*pair), batch_size=16)
    model.fit(loader, epochs=2)

    module = network()
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01, fused=True)
    for _ in range(2):
        for inputs, targets in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(inputs), targets).backward()
            optimizer.step()

    assert torch.equal(weights(model), torch.cat([value.flatten().double() for value in module.state_dict().values()]))


@pytest.mark.row("TL7")
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_learns_and_keeps_weights_in_float32(precision: Any, pair: Pair, network: Make) -> None:
    full = Model(network()).compile(learning_rate=0.01)
    mixed = Model(network()).compile(learning_rate=0.01, precision=precision)

    expected = full.fit(pair, pair, epochs=20)[-1]["val_loss"]

    assert mixed.fit(pair, pair, epochs=20)[-1]["val_loss"] == pytest.approx(expected, rel=0.05)
    assert {parameter.dtype for parameter in mixed.network.parameters()} == {torch.float32}


@pytest.mark.gpu
@pytest.mark.row("TL7")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_on_a_gpu_ends_within_5_percent_of_full_precision(
    precision: Any, pair: Pair, network: Make
) -> None:
    full, mixed = (
        Model(network(), device="cuda").compile(learning_rate=0.01, precision=one) for one in ("fp32", precision)
    )

    expected = full.fit(pair, pair, epochs=20)[-1]["val_loss"]

    assert mixed.fit(pair, pair, epochs=20)[-1]["val_loss"] == pytest.approx(expected, rel=0.05)


def test_gradients_are_clipped_before_the_step(pair: Pair, network: Make) -> None:
    class Watching(Model):
        def optimizer_step(self) -> None:
            super().optimizer_step()
            norms.append(torch.stack([one.grad.norm() for one in self.network.parameters()]).norm().item())

    norms: list[float] = []
    Watching(network()).compile(clip_norm=0.01).fit(pair, epochs=1)

    assert norms
    assert max(norms) <= 0.01 * (1 + 1e-5)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "one_cycle", "plateau"])
def test_a_schedule_by_name_moves_the_learning_rate(schedule: str, pair: Pair, network: Make) -> None:
    model = Model(network()).compile(optimizer="sgd", learning_rate=0.1, schedule=schedule)
    model.fit(pair, epochs=2)

    rate = model.optimizers["network"].param_groups[0]["lr"]
    assert rate == 0.1 if schedule == "plateau" else rate < 1e-3


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_a_second_fit_starts_its_schedule_from_the_rate_that_was_asked_for(
    schedule: str, pair: Pair, network: Make
) -> None:
    rates: list[float] = []

    class Watching(Model):
        def optimizer_step(self) -> None:
            rates.append(self.optimizers["network"].param_groups[0]["lr"])
            super().optimizer_step()

    model = Watching(network()).compile(optimizer="sgd", learning_rate=0.1, schedule=schedule)
    model.fit(pair, epochs=1)
    model.fit(pair, epochs=1)

    assert rates[:3] == pytest.approx(rates[3:])
    assert max(rates) <= 0.1


def test_a_schedule_over_steps_needs_data_that_knows_its_length(pair: Pair, network: Make) -> None:
    with pytest.raises(SettingError, match="'cosine' needs to know the number of batches"):
        Model(network()).compile(schedule="cosine").fit(Stream(pair), epochs=1)


def test_each_overridden_step_is_used_alone(pair: Pair, network: Make) -> None:
    calls: list[str] = []

    class Own(Model):
        def training_step(self, batch: Any) -> Step:
            calls.append("training_step")
            return super().training_step(batch)  # type: ignore[return-value]

        def backward(self, loss: torch.Tensor) -> None:
            calls.append("backward")
            super().backward(loss)

        def optimizer_step(self) -> None:
            calls.append("optimizer_step")
            super().optimizer_step()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            calls.append("configure_optimizers")
            return torch.optim.SGD(self.network.parameters(), lr=0.1)

    Own(network()).compile().fit(pair, epochs=1, batch_size=40)

    assert calls == ["configure_optimizers", *["training_step", "backward", "optimizer_step"] * 2]


def test_a_step_may_return_a_bare_loss(pair: Pair, network: Make) -> None:
    class Own(Model):
        def training_step(self, batch: Any) -> torch.Tensor:
            inputs, targets = batch
            return nn.functional.cross_entropy(self.network(inputs), targets)

    plain, own = Model(network()).compile(), Own(network()).compile()
    expected, history = plain.fit(pair, pair, epochs=2), own.fit(pair, pair, epochs=2)

    assert history.values("val_accuracy") == expected.values("val_accuracy")
    assert history.values("train_loss") == expected.values("train_loss")
    assert history.values("train_accuracy") == []


def test_two_networks_train_by_a_step_of_their_own(pair: Pair, network: Make) -> None:
    class Both(Model):
        def training_step(self, batch: Any) -> torch.Tensor:
            inputs, targets = batch
            return self.compute_loss(self.networks["first"](inputs) + self.networks["second"](inputs), targets)

    model = Both({"first": network(), "second": network()}).compile("cross_entropy")
    before = weights(model)

    model.fit(pair, epochs=1)

    assert set(model.optimizers) == {"first", "second"}
    moved = weights(model) != before
    assert moved[: len(moved) // 2].any()
    assert moved[len(moved) // 2 :].any()


def test_training_does_not_depend_on_what_was_drawn_before(pair: Pair, network: Make) -> None:
    models = [Model(network(dropout=0.5)).compile() for _ in range(2)]
    models[0].fit(pair, epochs=1)
    torch.rand(7)
    models[1].fit(pair, epochs=1)

    assert torch.equal(weights(models[0]), weights(models[1]))


def test_generators_are_put_back_after_a_pass_that_draws() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    with untouched_generators():
        torch.rand(5)

    assert torch.equal(torch.rand(3), expected)


def test_prepared_data_brings_its_own_validation_and_facts(pair: Pair, network: Make, tmp_path: Path) -> None:
    class Facts:
        kind, labels = "multiclass", ("left", "right")

    class Prepared:
        train, validation, test, facts = ArrayExamples(*pair), ArrayExamples(*pair), None, Facts()

    class Opens:
        def open(self) -> Prepared:
            return Prepared()

    model = Model(network()).compile()

    assert "val_accuracy" in model.fit(Opens(), epochs=1)[0].metrics
    assert list(model.evaluate(Opens()).details["classes"].index) == ["left", "right"]
    with pytest.raises(SettingError, match="has a validation part of its own"):
        model.fit(Opens(), pair, epochs=1)


def test_a_loss_that_is_not_a_number_is_said_once_an_epoch_is_over(pair: Pair, network: Make) -> None:
    model = Model(network()).compile()
    broken = pair[0].clone()
    broken[3, 1] = math.nan
    with pytest.warns(RuntimeWarning, match=r"training loss of epoch 1 is not a number.+StopOnNaN ends a fit"):
        assert math.isnan(model.fit((broken, pair[1]), epochs=1)[-1]["train_loss"])


def test_callbacks_that_are_none_are_refused(pair: Pair, network: Make) -> None:
    model = Model(network()).compile()
    with pytest.raises(SettingError, match=r"callbacks= takes a list of callbacks, got <.+EarlyStopping"):
        model.fit(pair, pair, epochs=1, callbacks=EarlyStopping())  # type: ignore[arg-type]
    with pytest.raises(SettingError, match=r"A callback is a Callback, got <class .+ Make one: EarlyStopping\(\)"):
        model.fit(pair, pair, epochs=1, callbacks=[EarlyStopping])  # type: ignore[list-item]


def test_a_fit_inside_a_fit_of_the_same_model_is_refused(pair: Pair, network: Make) -> None:
    model = Model(network()).compile()
    model.on("epoch_end", lambda context: context.model.fit(pair, epochs=1))
    with pytest.raises(SettingError, match="in the middle of a fit, whose steps and callbacks cannot begin another"):
        model.fit(pair, epochs=1)


def test_whoever_takes_the_records_may_fit_in_between(pair: Pair, network: Make) -> None:
    model = Model(network()).compile()
    records = model.epochs(pair, epochs=2)
    next(records)
    assert len(model.fit(pair, epochs=1)) == 2
