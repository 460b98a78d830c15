from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gradfleet.errors import SettingError
from gradfleet.training.callbacks import Callback, Checkpoint, EarlyStopping, Progress
from gradfleet.training.context import Context
from gradfleet.training.model import Model

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]


class Rows(Callback):
    """Which rows were trained on: the first number of each, by epoch; and how many batches were validated."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, list[float]]] = []
        self.validated = 0

    def on_batch_end(self, context: Context) -> None:
        self.batches.append((context.epoch, context.batch[0][:, 0].tolist()))

    def on_validation_batch_end(self, context: Context) -> None:
        self.validated += 1

    def of(self, epoch: int) -> list[list[float]]:
        return [rows for number, rows in self.batches if number == epoch]


def trained(pair: Any, network: Make, *, epochs: int = 2, **limits: Any) -> Rows:
    rows = Rows()
    Model(network()).compile("cross_entropy").fit(pair, pair, epochs=epochs, batch_size=16, callbacks=[rows], **limits)
    return rows


@pytest.mark.row("TL15")
def test_limited_batches_of_training_and_of_validation(pair: Pair, network: Make) -> None:
    whole, limited = trained(pair, network), trained(pair, network, limit_batches=2)

    assert limited.of(1) == whole.of(1)[:2]
    assert limited.of(2) == whole.of(2)[:2]
    assert limited.validated == 4
    assert len(trained(pair, network, limit_batches=99).batches) == len(whole.batches) == 10


@pytest.mark.row("TL15")
@pytest.mark.parametrize("form", ["tensors", "loader"])
def test_overfitting_one_batch_trains_on_the_same_rows_in_every_epoch(form: str, pair: Pair, network: Make) -> None:
    loader = DataLoader(TensorDataset(*pair), batch_size=16, shuffle=True)
    rows = trained(pair if form == "tensors" else loader, network, epochs=3, overfit_batches=1)

    assert len(rows.batches) == 3
    assert rows.of(1) == rows.of(2) == rows.of(3)
    assert len(set(rows.of(1)[0])) == 16


def test_a_callback_that_changes_a_batch_in_place_does_not_change_it_for_the_next_epoch(
    pair: Pair, network: Make
) -> None:
    class Zero(Callback):
        def on_batch_start(self, context: Context) -> None:
            seen.append(context.batch[0].abs().sum().item())
            context.batch[0].zero_()

    seen: list[float] = []
    Model(network()).compile().fit(pair, epochs=2, overfit_batches=1, callbacks=[Zero()])

    assert seen[0] == seen[1] > 0


@pytest.mark.row("TL15")
def test_fixed_steps_per_epoch_go_through_short_data_again_and_end_long_data_early(pair: Pair, network: Make) -> None:
    short, long = trained(pair, network, steps_per_epoch=2), trained(pair, network, steps_per_epoch=7)

    assert [len(short.of(epoch)) for epoch in (1, 2)] == [2, 2]
    assert [len(long.of(epoch)) for epoch in (1, 2)] == [7, 7]
    assert {len(rows) for rows in long.of(1)} == {16, 6}


def test_a_schedule_over_steps_counts_those_there_will_be(pair: Pair, network: Make) -> None:
    model = Model(network()).compile(optimizer="sgd", learning_rate=1.0, schedule="linear")

    model.fit(pair, epochs=2, batch_size=16, steps_per_epoch=7)

    assert model.optimizers["network"].param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-9)


def test_wrong_limits_are_refused(pair: Pair, network: Make) -> None:
    with pytest.raises(SettingError) as caught:
        Model(network()).compile().fit(pair, epochs=1, limit_batches=0, steps_per_epoch=1.5)  # type: ignore[arg-type]

    assert list(caught.value.problems) == [
        "steps_per_epoch must be a whole number of at least 1, got 1.5.",
        "limit_batches must be a whole number of at least 1, got 0.",
    ]


@pytest.mark.row("TL15")
def test_a_dry_run_trains_and_validates_one_batch_writes_nothing_and_leaves_no_trace(
    pair: Pair, network: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Saves(Callback):
        def on_epoch_end(self, context: Context) -> None:
            context.model.save(tmp_path / "own")

    dry, straight = (Model(network(dropout=0.5)).compile(schedule="one_cycle") for _ in range(2))
    rows = Rows()
    callbacks = [rows, Saves(), Progress(), Checkpoint(tmp_path / "kept", monitor="val_loss"), EarlyStopping()]
    torch.manual_seed(3)
    state = torch.get_rng_state()

    history = dry.fit(pair, pair, epochs=5, batch_size=16, callbacks=callbacks, dry_run=True)

    assert (len(rows.batches), rows.validated) == (1, 1)
    assert [record.epoch for record in history] == [1]
    assert {"train_loss", "val_accuracy"} <= set(history[0].metrics)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")
    assert (len(dry.history), dry.epoch) == (0, 0)
    assert torch.equal(torch.get_rng_state(), state)
    for model in (dry, straight):
        model.fit(pair, epochs=2)
    assert all(map(torch.equal, dry.network.parameters(), straight.network.parameters()))


@pytest.mark.row("TL14")
def test_evaluate_and_predict_keep_the_order_are_repeatable_and_run_in_eval_mode(pair: Pair, network: Make) -> None:
    modes: list[bool] = []
    module = network(dropout=0.5)
    module.register_forward_hook(lambda one, *_: modes.append(one.training))
    model = Model(module).compile()
    model.fit(pair, epochs=1)
    modes.clear()

    outputs = model.predict(pair[0], batch_size=9)

    assert torch.equal(outputs, model.predict(pair, batch_size=9))
    assert model.evaluate(pair) == model.evaluate(pair)
    torch.testing.assert_close(  # to a few steps of float32: where a row stands decides how its sums are rounded
        model.predict(pair[0].flip(0)).flip(0), model.predict(pair[0]), rtol=1e-6, atol=1e-6
    )
    assert outputs.shape == (70, 2)
    assert set(modes) == {False}


@pytest.mark.row("TL14")
def test_views_are_averaged_in_predict_and_in_evaluate(pair: Pair, network: Make) -> None:
    model = Model(network()).compile("cross_entropy")
    model.fit(pair, epochs=1)
    views: list[Callable[[Any], Any]] = [lambda inputs: inputs, lambda inputs: -inputs, lambda inputs: inputs * 2]

    averaged = model.predict(pair[0], views=views)
    measured = model.evaluate(pair, views=views)

    expected = sum(model.predict(view(pair[0])) for view in views) / 3
    assert torch.allclose(averaged, expected, atol=1e-6)
    assert torch.equal(model.predict(pair, views=views), averaged)
    assert measured["loss"] == pytest.approx(nn.functional.cross_entropy(averaged, pair[1]).item(), abs=1e-6)
    assert measured["accuracy"] == pytest.approx((averaged.argmax(1) == pair[1]).double().mean().item())


def test_views_of_several_inputs_get_them_all(pair: Pair) -> None:
    class Two(nn.Linear):
        def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
            return first - second

    batches = DataLoader(TensorDataset(pair[0], pair[0] * 2, pair[1]), batch_size=10)
    model = Model(Two(1, 1)).compile("cross_entropy")

    outputs = model.predict(batches, views=[lambda inputs: (inputs[1], inputs[0])])

    assert torch.equal(outputs, pair[0])
