"""The callbacks that change what is learned: averages, mixing, smoothing, penalties."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gradfleet.data.loaders import make_batches
from gradfleet.errors import SettingError
from gradfleet.training.callbacks import (
    EMA,
    L1,
    L2,
    SWA,
    Callback,
    Checkpoint,
    CutMix,
    LabelSmoothing,
    LearningRateMonitor,
    MixUp,
)
from gradfleet.training.context import Context
from gradfleet.training.model import Model

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]
Weights = dict[str, torch.Tensor]


class Snapshots(Callback):
    """The weights after every step, and those that are validated."""

    def __init__(self) -> None:
        self.steps: list[Weights] = []
        self.validated: list[Weights] = []

    def on_fit_start(self, context: Context) -> None:
        self.steps.append(weights(context.model))

    def on_step_end(self, context: Context) -> None:
        self.steps.append(weights(context.model))

    def on_validation_batch_start(self, context: Context) -> None:
        self.validated.append(weights(context.model))


def weights(model: Model) -> Weights:
    return {key: value.clone() for key, value in model.network.state_dict().items()}


def fit(pair: Pair, network: Make, *callbacks: Callback, epochs: int = 2, **arguments: Any) -> Model:
    model = Model(network()).compile("cross_entropy", optimizer="sgd", learning_rate=0.1)
    model.fit(pair, pair, epochs=epochs, batch_size=30, callbacks=callbacks, **arguments)
    return model


def by_hand(steps: list[Weights], decay: float) -> Weights:
    average = steps[0]
    for step in steps[1:]:
        average = {key: decay * average[key] + (1 - decay) * step[key] for key in average}
    return average


@pytest.mark.row("TL12")
def test_ema_equals_a_hand_computation_and_is_what_is_validated_and_kept(
    pair: Pair, network: Make, tmp_path: Path
) -> None:
    seen = Snapshots()

    model = fit(pair, network, EMA(0.8), seen, Checkpoint(tmp_path))

    expected = by_hand(seen.steps, 0.8)
    torch.testing.assert_close(seen.validated[0], by_hand(seen.steps[:4], 0.8))
    torch.testing.assert_close(seen.validated[-1], expected)
    torch.testing.assert_close(weights(model), expected)
    torch.testing.assert_close(weights(Model.load(tmp_path / "last", network())), expected)


@pytest.mark.row("TL12")
@pytest.mark.parametrize("validate", [True, False])
def test_ema_beside_the_model_leaves_its_weights_alone(
    validate: bool,  # noqa: FBT001
    pair: Pair,
    network: Make,
    tmp_path: Path,
) -> None:
    seen, ema = Snapshots(), EMA(0.8, validate=validate, save=False)

    model = fit(pair, network, ema, seen, Checkpoint(tmp_path))

    plain = weights(fit(pair, network))
    torch.testing.assert_close(ema.average["network"], by_hand(seen.steps, 0.8))
    torch.testing.assert_close(seen.validated[-1], ema.average["network"] if validate else plain)
    torch.testing.assert_close(weights(model), plain)
    torch.testing.assert_close(weights(Model.load(tmp_path / "last", network())), plain)


@pytest.mark.row("TL12")
@pytest.mark.parametrize(
    "make", [lambda: EMA(0.8), lambda: SWA(2), lambda: EMA(0.8, save=False)], ids=["EMA", "SWA", "beside"]
)
def test_averages_are_the_same_after_a_resume(make: Callable[[], Callback], tmp_path: Path, pair: Pair) -> None:
    def network() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))

    straight = fit(pair, network, make(), epochs=4)
    fit(pair, network, make(), Checkpoint(tmp_path), epochs=2)
    resumed = fit(pair, network, make(), epochs=4, resume=tmp_path / "last")

    torch.testing.assert_close(weights(resumed), weights(straight), rtol=0, atol=0)


@pytest.mark.row("TL12")
@pytest.mark.parametrize(("start", "first"), [(3, 3), (0.5, 3), (0.0, 1)])
def test_swa_is_the_mean_of_the_last_epochs(start: float, first: int, pair: Pair, network: Make) -> None:
    seen = Snapshots()

    model = fit(pair, network, SWA(start), seen, epochs=4)

    ends = seen.steps[3 * first :: 3]
    expected = {key: torch.stack([end[key] for end in ends]).mean(dim=0) for key in ends[0]}
    assert len(ends) == 5 - first
    torch.testing.assert_close(weights(model), expected)
    torch.testing.assert_close(seen.validated[-1], expected)
    torch.testing.assert_close(seen.validated[0], seen.steps[3])


@pytest.mark.row("TL12")
def test_swa_computes_the_statistics_of_batch_norm_for_its_mean_weights(pair: Pair) -> None:
    def network() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 2))

    seen, callback = Snapshots(), SWA(3)
    model = fit(pair, network, callback, seen, epochs=4)
    plain = fit(pair, network, epochs=4)

    hidden = model.network[0](pair[0])  # type: ignore[index]
    batches = hidden.detach()[_order(model, pair)].split(30)
    norm = model.network[1]  # type: ignore[index]
    torch.testing.assert_close(norm.running_mean, torch.stack([one.mean(0) for one in batches]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([one.var(0) for one in batches]).mean(0))
    torch.testing.assert_close(seen.validated[-1]["1.running_mean"], norm.running_mean)
    for key, value in weights(plain).items():  # the pass over the data has moved nothing that training depends on
        torch.testing.assert_close(callback.average["network"].get(key, value), value, rtol=0, atol=0)
    assert norm.momentum == 0.1
    assert norm.num_batches_tracked == plain.network[1].num_batches_tracked  # type: ignore[index]

    averaged = fit(pair, network, SWA(3, recompute_batch_norm=False), epochs=4)
    assert not torch.allclose(averaged.network[1].running_var, norm.running_var)  # type: ignore[index]


def _order(model: Model, pair: Pair) -> list[int]:
    """The rows of epoch 4 as they were trained on."""
    rows = (torch.arange(len(pair[0])).float()[:, None], pair[1])
    batches = make_batches(rows, batch_size=30, shuffle=True, seed=0)
    return [int(row) for batch in batches.epoch(4) for row in batch[0]]


class Losses(Callback):
    """The batches that are trained on, with outputs and losses."""

    priority = 100

    def __init__(self) -> None:
        self.seen: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def on_forward_end(self, context: Context) -> None: ...

    def on_loss_end(self, context: Context) -> None:
        assert context.loss is not None
        inputs, targets = context.batch
        self.seen.append((inputs, targets, context.outputs.detach(), context.loss.detach()))


@pytest.mark.row("TL12")
def test_mixup_trains_on_weighted_sums_of_two_rows_and_of_their_losses() -> None:
    seen = Losses()
    model = Model(nn.Linear(3, 3)).compile("cross_entropy", optimizer="sgd", learning_rate=0.1)
    model.fit((torch.eye(3), torch.arange(3)), epochs=8, callbacks=[MixUp(1.0), seen])

    shares = set()
    for inputs, _, outputs, loss in seen.seen:  # of one-hot rows the inputs are the mixed labels
        torch.testing.assert_close(inputs.sum(dim=1), torch.ones(3))
        torch.testing.assert_close(loss, nn.functional.cross_entropy(outputs, inputs))
        shares.add(round(inputs.max().item(), 4))
    assert len(shares) > 2


@pytest.mark.row("TL12")
def test_mixed_rows_keep_their_partners_when_a_batch_is_trained_in_parts(pair: Pair, network: Make) -> None:
    whole, split = (
        Model(network()).compile("cross_entropy", optimizer="sgd", learning_rate=0.1, accumulate=parts)
        for parts in (1, 4)
    )
    for model in (whole, split):
        model.fit(pair, epochs=2, batch_size=30, callbacks=[MixUp(1.0), LabelSmoothing(0.1)])

    torch.testing.assert_close(weights(split), weights(whole))
    assert split.history.values("train_loss") == pytest.approx(whole.history.values("train_loss"))


@pytest.mark.row("TL12")
def test_cutmix_puts_a_box_of_another_image_in_and_weighs_the_losses_by_area() -> None:
    seen = Losses()
    images = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 8, 8).contiguous()
    model = Model(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)))
    model.compile("cross_entropy", optimizer="sgd", learning_rate=0.01)
    model.fit((images, torch.arange(4)), epochs=12, callbacks=[CutMix(), seen])

    cuts = set()
    for inputs, _, outputs, loss in seen.seen:  # every pixel has the number of its image
        soft = torch.stack([(inputs == label).float().mean(dim=(1, 2, 3)) for label in range(4)], dim=1)
        torch.testing.assert_close(loss, nn.functional.cross_entropy(outputs, soft))
        cuts.add(round(soft.max().item(), 4))
    assert len(cuts) > 2
    assert torch.equal(images[3], torch.full((1, 8, 8), 3.0))  # the data itself is untouched


@pytest.mark.row("TL12")
def test_label_smoothing_equals_torchs_own(pair: Pair, network: Make) -> None:
    smoothed = fit(pair, network, LabelSmoothing(0.2))

    model = Model(network())
    model.compile(nn.CrossEntropyLoss(label_smoothing=0.2), optimizer="sgd", learning_rate=0.1, kind="multiclass")
    model.fit(pair, pair, epochs=2, batch_size=30)
    torch.testing.assert_close(weights(smoothed), weights(model))
    assert smoothed.history.values("train_loss") == pytest.approx(model.history.values("train_loss"))
    assert smoothed.history[-1]["val_loss"] == pytest.approx(smoothed.evaluate(pair)["loss"])


@pytest.mark.row("TL12")
def test_label_smoothing_of_mixed_labels_is_that_of_soft_ones() -> None:
    seen = Losses()
    model = Model(nn.Linear(3, 3)).compile("cross_entropy", optimizer="sgd", learning_rate=0.1)
    model.fit((torch.eye(3), torch.arange(3)), epochs=3, callbacks=[LabelSmoothing(0.3), MixUp(1.0), seen])

    for inputs, _, outputs, loss in seen.seen:
        torch.testing.assert_close(loss, nn.functional.cross_entropy(outputs, inputs, label_smoothing=0.3))


@pytest.mark.row("TL12")
def test_l2_is_weight_decay_and_l1_moves_every_weight_by_its_sign(pair: Pair, network: Make) -> None:
    decayed = Model(network())
    decayed.compile("cross_entropy", optimizer="sgd", learning_rate=0.1, optimizer_options={"weight_decay": 0.02})
    decayed.fit(pair, epochs=2, batch_size=30)
    torch.testing.assert_close(weights(fit(pair, network, L2(0.01))), weights(decayed))

    model = Model(nn.Linear(1, 1)).compile("mse", optimizer="sgd", learning_rate=0.1)
    nn.init.constant_(model.network.weight, -2.0)
    nn.init.constant_(model.network.bias, 3.0)
    history = model.fit((torch.zeros(4, 1), torch.full((4, 1), 3.0)), epochs=1, callbacks=[L1(0.5, only="weight")])
    assert model.network.weight.item() == pytest.approx(-1.95)
    assert model.network.bias.item() == pytest.approx(3.0)
    assert history[0]["train_loss"] == pytest.approx(1.0)


def test_learning_rates_are_recorded(pair: Pair, network: Make) -> None:
    model = Model(network()).compile("cross_entropy", optimizer="sgd", learning_rate=0.1)

    @model.on("epoch_start", at=[2])
    def halve(context: Context) -> None:
        model.optimizers["network"].param_groups[0]["lr"] /= 2

    history = model.fit(pair, epochs=3, callbacks=[LearningRateMonitor()])

    assert history.values("learning_rate") == [0.1, 0.05, 0.05]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EMA(1.0), "A decay of at least 0 and below 1 is needed, got 1.0"),
        (lambda: SWA(0), "SWA starts at an epoch from 1, or at a part of the fit from 0.0 below 1.0, got 0"),
        (lambda: SWA(1.5), "below 1.0, got 1.5"),
        (lambda: MixUp(0.0), "An alpha above 0 is needed, got 0.0"),
        (lambda: LabelSmoothing(math.nan), "below 1 is needed, got nan"),
        (lambda: L1(-1.0), "A strength of at least 0 is needed, got -1.0"),
    ],
)
def test_settings_are_checked_at_birth(make: Callable[[], Callback], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        make()


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (CutMix(), r"CutMix needs images, with height and width for last axes, got \(30, 4\)"),
        (L2(0.1, only="nothing"), "No trainable parameter is called 'nothing'"),
    ],
)
def test_what_does_not_fit_the_data_is_said(callback: Callback, message: str, pair: Pair, network: Make) -> None:
    with pytest.raises(SettingError, match=message):
        fit(pair, network, callback)


def test_label_smoothing_of_amounts_is_refused(pair: Pair, network: Make) -> None:
    with pytest.raises(SettingError, match="LabelSmoothing is for multiclass problems, and this one is regression"):
        Model(network(1)).compile("mse").fit((pair[0], pair[0][:, :1]), epochs=1, callbacks=[LabelSmoothing()])
