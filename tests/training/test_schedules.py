from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ExponentialLR, LambdaLR, OneCycleLR

from gradfleet.errors import SettingError
from gradfleet.training.callbacks import Callback
from gradfleet.training.model import Model
from gradfleet.training.schedules import SCHEDULES, ScheduleChoice
from gradfleet.training.schedules.curves import (
    Curve,
    Piece,
    constant,
    cosine,
    exponential,
    flat_cosine,
    linear,
    one_cycle,
    restarts,
    warmup_cosine,
)
from gradfleet.training.schedules.torch_schedules import TORCH_SCHEDULERS, TorchSchedule
from gradfleet.training.settings import TrainingSettings

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]
STEPS = 5  # batches of 14 of the 70 rows


class Watch(Callback):
    """Keeps what the optimizer has when it is about to step."""

    def __init__(self) -> None:
        self.groups: list[dict[str, Any]] = []

    def on_backward_end(self, context: Any) -> None:
        group = context.model.optimizers["network"].param_groups[0]
        self.groups.append({key: value for key, value in group.items() if key != "params"})

    def values(self, key: str) -> list[float]:
        return [group[key] for group in self.groups]


def watch(
    pair: Pair, module: nn.Module, schedule: ScheduleChoice, *, epochs: int = 4, **settings: Any
) -> tuple[Watch, Model]:
    watching = Watch()
    model = Model(module).compile(schedule=schedule, **{"learning_rate": 0.1, **settings})
    model.fit(pair, pair, epochs=epochs, batch_size=14, callbacks=[watching])
    return watching, model


def half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


@pytest.mark.row("TL8")
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_any_value_of_an_optimizer_follows_its_closed_form_at_every_step(
    optimizer: str, pair: Pair, network: Make
) -> None:
    schedule: dict[str, Any] = {
        "learning_rate": linear(0.5, 0.1),
        "weight_decay": cosine(0.1, 0.01),
        "momentum": exponential(0.9, 0.1),
    }
    seen, _ = watch(pair, network(), schedule, optimizer=optimizer)

    momentum = seen.values("momentum") if optimizer == "sgd" else [betas[0] for betas in seen.values("betas")]
    total = 4 * STEPS
    assert seen.values("lr") == pytest.approx([0.5 - 0.4 * step / total for step in range(total)])
    assert seen.values("weight_decay") == pytest.approx([half_cosine(0.1, 0.01, n / total) for n in range(total)])
    assert momentum == pytest.approx([0.9 * (1 / 9) ** (step / total) for step in range(total)])


@pytest.mark.row("TL8")
def test_both_betas_follow_a_pair_of_curves(pair: Pair, network: Make) -> None:
    seen, _ = watch(pair, network(), {"betas": (linear(0.9, 0.8), constant(0.99))}, epochs=1)
    alone, _ = watch(pair, network(), {"beta2": linear(0.999, 0.9)}, epochs=1)

    assert [one[0] for one in seen.values("betas")] == pytest.approx([0.9, 0.88, 0.86, 0.84, 0.82])
    assert [one[1] for one in seen.values("betas")] == [0.99] * 5
    assert [one[0] for one in alone.values("betas")] == [0.9] * 5
    assert alone.values("betas")[-1][1] == pytest.approx(0.999 - 0.099 * 0.8)


@pytest.mark.row("TL8")
def test_warm_up_and_cosine_follow_their_closed_form_at_every_step(pair: Pair, network: Make) -> None:
    seen, model = watch(pair, network(), "warmup_cosine")

    expected = [0.1 * step / 2 for step in range(2)] + [half_cosine(0.1, 0, step / 18) for step in range(18)]
    assert seen.values("lr") == pytest.approx(expected)
    assert model.optimizers["network"].param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)


@pytest.mark.row("TL8")
def test_a_curve_may_move_after_every_epoch(pair: Pair, network: Make) -> None:
    seen, _ = watch(pair, network(), linear(0.4, 0.0, every="epoch"))

    assert seen.values("lr") == pytest.approx([rate for rate in (0.4, 0.3, 0.2, 0.1) for _ in range(STEPS)])


@pytest.mark.row("TL8")
@pytest.mark.parametrize("every", ["step", "epoch"])
def test_a_torch_scheduler_by_name_moves_after_every_step_or_epoch(every: Any, pair: Pair, network: Make) -> None:
    seen, _ = watch(pair, network(), TorchSchedule("ExponentialLR", {"gamma": 0.5}, every=every), epochs=2)

    moved = range(10) if every == "step" else [number // STEPS for number in range(10)]
    assert seen.values("lr") == pytest.approx([0.1 * 0.5**number for number in moved])


@pytest.mark.row("TL8")
def test_a_torch_scheduler_follows_the_metric_that_it_is_told(pair: Pair, network: Make) -> None:
    options = {"mode": "max", "patience": 0, "factor": 0.1, "threshold": 10.0, "threshold_mode": "abs"}
    seen, _ = watch(pair, network(), TorchSchedule("ReduceLROnPlateau", options, monitor="val_accuracy"), epochs=3)

    assert seen.values("lr")[::STEPS] == pytest.approx([0.1, 0.1, 0.01])
    with pytest.raises(SettingError, match="metric that a schedule could follow is called 'val_acuracy'. Did you mean"):
        watch(pair, network(), TorchSchedule("ReduceLROnPlateau", monitor="val_acuracy"))


@pytest.mark.row("TL8")
def test_a_factory_moves_after_every_epoch_or_when_it_takes_total_steps_after_every_step(
    pair: Pair, network: Make
) -> None:
    def per_step(optimizer: Optimizer, total_steps: int) -> LambdaLR:
        return LambdaLR(optimizer, lambda step: 1 - step / total_steps)

    by_epoch, _ = watch(pair, network(), lambda optimizer: ExponentialLR(optimizer, gamma=0.5), epochs=2)
    by_step, _ = watch(pair, network(), per_step, epochs=2)

    assert by_epoch.values("lr") == pytest.approx([0.1] * 5 + [0.05] * 5)
    assert by_step.values("lr") == pytest.approx([0.1 * (1 - step / 10) for step in range(10)])


@pytest.mark.row("TL9")
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "rmsprop"])
def test_one_cycle_is_the_published_one_at_every_step(optimizer: str, pair: Pair, network: Make) -> None:
    seen, _ = watch(pair, network(), "one_cycle", optimizer=optimizer)

    rates = seen.values("lr")
    momentum = [betas[0] for betas in seen.values("betas")] if optimizer == "adamw" else seen.values("momentum")
    up, down = 5, 14  # 25% of 20 steps, of which the last is taken at the end value
    shares = [(0, step / up) for step in range(up)] + [(1, step / down) for step in range(down + 1)]
    assert rates == pytest.approx([half_cosine(*((0.004, 0.1), (0.1, 1e-6))[piece], at) for piece, at in shares])
    assert momentum == pytest.approx([half_cosine(*((0.95, 0.85), (0.85, 0.95))[piece], at) for piece, at in shares])
    assert rates[0] == pytest.approx(0.1 / 25)
    assert max(rates) == rates[len(rates) // 4] == 0.1
    assert rates[-1] < 0.1 / 1000
    assert (momentum[0], min(momentum), momentum[-1]) == pytest.approx((0.95, 0.85, 0.95))


@pytest.mark.row("TL9")
@pytest.mark.parametrize("steps", [2, 3, 7, 40, 1001])
def test_one_cycle_begins_peaks_and_ends_as_it_should_over_any_number_of_steps(steps: int) -> None:
    values = one_cycle(1.0).values(steps)

    assert max(values) == 1.0
    assert abs(values.index(1.0) - 0.25 * steps) <= 1
    assert values[-1] == pytest.approx(1e-5)
    assert steps < 4 or values[0] == pytest.approx(1 / 25)


@pytest.mark.row("TL9")
def test_one_cycle_follows_torchs_own_with_the_same_settings() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0, momentum=0.9)
    torchs = OneCycleLR(optimizer, 1.0, total_steps=41, pct_start=11 / 41, div_factor=25, final_div_factor=4000)
    seen = []
    for _ in range(41):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(seen) < 41:
            torchs.step()

    assert one_cycle(1.0).values(41) == pytest.approx(seen)


@pytest.mark.row("TL9")
def test_flat_cosine_is_flat_then_half_a_cosine_at_every_step(pair: Pair, network: Make) -> None:
    seen, model = watch(pair, network(), "flat_cosine")

    assert seen.values("lr") == pytest.approx([0.1] * 15 + [half_cosine(0.1, 1e-6, step / 5) for step in range(5)])
    assert model.optimizers["network"].param_groups[0]["lr"] == pytest.approx(1e-6)


@pytest.mark.row("TL9")
def test_restarts_begin_each_longer_cycle_at_the_top(pair: Pair, network: Make) -> None:
    seen, _ = watch(pair, network(), "restarts", epochs=7)

    expected = [half_cosine(0.1, 0, step / length) for length in (5, 10, 20) for step in range(length)]
    assert seen.values("lr") == pytest.approx(expected)
    assert restarts(1.0, cycles=2, growth=1).values(4) == pytest.approx([1.0, 0.5, 1.0, 0.5])


def test_a_named_cycle_of_the_learning_rate_goes_beside_a_curve_of_another_value(pair: Pair, network: Make) -> None:
    schedule: ScheduleChoice = {"learning_rate": "one_cycle", "weight_decay": "linear", "momentum": constant(0.5)}
    seen, _ = watch(pair, network(), schedule, optimizer_options={"weight_decay": 0.2})

    assert max(seen.values("lr")) == 0.1
    assert seen.values("weight_decay") == pytest.approx([0.2 * (1 - step / 20) for step in range(20)])
    assert {betas[0] for betas in seen.values("betas")} == {0.5}


def test_a_curve_keeps_the_proportions_of_groups_with_rates_of_their_own(pair: Pair, network: Make) -> None:
    class Layers(Model):
        def configure_optimizers(self) -> Optimizer:
            first, last = self.network[0], self.network[3]
            groups = [{"params": first.parameters(), "lr": 0.01}, {"params": last.parameters()}]
            return torch.optim.SGD(groups, lr=0.1)

    for schedule, whole in ((linear(0.4, 0.0), 0.4), ("linear", 0.1)):
        rates: list[list[float]] = []

        class Rates(Callback):
            def on_backward_end(self, context: Any) -> None:
                rates.append([group["lr"] for group in context.model.optimizers["network"].param_groups])  # noqa: B023

        Layers(network()).compile(schedule=schedule).fit(pair, epochs=1, batch_size=14, callbacks=[Rates()])

        assert rates[0] == pytest.approx([whole / 10, whole])
        assert rates[-1] == pytest.approx([whole / 50, whole / 5])


def test_an_optimizer_without_momentum_takes_one_cycle_all_the_same(pair: Pair, network: Make) -> None:
    seen, _ = watch(pair, network(), "one_cycle", optimizer="adagrad")

    assert max(seen.values("lr")) == 0.1
    assert "momentum" not in seen.groups[0]


EXACT: Mapping[str, Any] = {
    **{name: name for name in SCHEDULES},
    "several values": {"learning_rate": "plateau", "weight_decay": cosine(0.1, 0.01), "beta2": linear(0.999, 0.9)},
    "after every epoch": warmup_cosine(0.1, every="epoch"),
    "StepLR": TorchSchedule("StepLR", {"step_size": 1}),
    "MultiStepLR": TorchSchedule("MultiStepLR", {"milestones": [3, 12]}, every="step"),
    "CyclicLR": TorchSchedule("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "cycle_momentum": False}, every="step"),
    "CosineAnnealingWarmRestarts": TorchSchedule("CosineAnnealingWarmRestarts", {"T_0": 4}, every="step"),
    "PolynomialLR": "PolynomialLR",
    "OneCycleLR": TorchSchedule("OneCycleLR", {"max_lr": 0.1, "total_steps": 21}, every="step"),
    "a factory": lambda optimizer: LambdaLR(optimizer, lambda epoch: 0.9**epoch),
}


@pytest.mark.row("TL8")
@pytest.mark.parametrize("schedule", EXACT)
def test_every_schedule_is_resumed_exactly(schedule: str, pair: Pair, network: Make, tmp_path: Path) -> None:
    def compiled() -> Model:
        return Model(network(dropout=0.5)).compile(learning_rate=0.05, schedule=EXACT[schedule])

    straight, resumed = Watch(), Watch()
    whole = compiled()
    for record in whole.epochs(pair, pair, epochs=4, batch_size=14, callbacks=[straight]):
        if record.epoch == 2:
            whole.save(tmp_path / "saved")
    other = compiled()
    other.fit(pair, pair, epochs=4, batch_size=14, callbacks=[resumed], resume=tmp_path / "saved")

    assert resumed.groups == straight.groups[2 * STEPS :]
    for one, another in zip(whole.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(one, another)


@pytest.mark.parametrize(
    "schedule",
    [
        "restarts",
        cosine(0.1, 0.01, every="epoch"),
        TorchSchedule("StepLR", {"step_size": 2}, every="step"),
        {"learning_rate": "one_cycle", "weight_decay": one_cycle(0.1), "betas": (linear(0.9, 0.8), constant(0.99))},
    ],
)
def test_a_schedule_of_names_and_numbers_survives_a_checkpoints_json(schedule: Any) -> None:
    settings = TrainingSettings(optimizer="adamw", schedule=schedule)

    assert TrainingSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    assert (
        TrainingSettings.from_json(TrainingSettings(schedule={"learning_rate": ExponentialLR_of()}).to_json()) is None
    )


def ExponentialLR_of() -> Callable[[Optimizer], ExponentialLR]:  # noqa: N802
    return lambda optimizer: ExponentialLR(optimizer, gamma=0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "cosin"}, "No schedule is called 'cosin'. Did you mean 'cosine'"),
        ({"schedule": "StepLR"}, "StepLR needs step_size; give a factory: lambda optimizer"),
        ({"schedule": {"learning_rte": "cosine"}}, "value of the optimizer is called 'learning_rte'. Did you mean"),
        ({"schedule": {"beta2": linear(1, 0)}, "optimizer": "sgd"}, "value of the optimizer is called 'beta2'"),
        ({"schedule": {"weight_decay": "cosin"}}, "No schedule is called 'cosin'"),
        ({"schedule": {"weight_decay": "plateau"}}, "schedule of weight_decay is a curve, .+ got 'plateau'"),
        ({"schedule": {"weight_decay": ExponentialLR}}, "schedule of weight_decay is a curve, .+ got <class"),
        ({"schedule": {"betas": (0.9, 0.99)}}, r"betas is a pair of curves, got \(0.9, 0.99\)"),
    ],
)
def test_a_schedule_that_cannot_be_says_what_is_needed(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        TrainingSettings(**settings)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cosine(float("nan")), "between two numbers, got nan"),
        (lambda: exponential(0.0, 1.0), "start and an end above 0, got 0.0 and 1.0"),
        (lambda: Piece("cosin", 0, 1), "No shape of a curve is called 'cosin'. Did you mean 'cosine'"),  # type: ignore[arg-type]
        (lambda: Piece("linear", 0, 1, 0), "a share above 0, got 0"),
        (lambda: Curve(()), r"one or more Pieces, got \(\)"),
        (lambda: linear(0, 1, every="batch"), "No pace of a curve is called 'batch'"),  # type: ignore[arg-type]
        (lambda: one_cycle(1.0, peak=1.0), "peak is a share of the fit between 0 and 1, got 1.0"),
        (lambda: flat_cosine(1.0, flat=0), "flat is a share of the fit"),
        (lambda: restarts(1.0, cycles=0), "At least 1 cycle is needed, got 0"),
        (lambda: TorchSchedule("StepLRR"), "No scheduler of torch is called 'StepLRR'. Did you mean 'StepLR'"),
        (lambda: TorchSchedule("StepLR", {"size": 1}), "refuses its options: .+ It takes step_size, gamma, last_epoch"),
        (lambda: TorchSchedule("StepLR", {"step_size": 1}, monitor="val_loss"), "StepLR follows no metric"),
        (lambda: TorchSchedule("ReduceLROnPlateau", every="step"), "a metric, which there is after an epoch"),
        (lambda: TorchSchedule("StepLR", {"step_size": 1}, every="batch"), "No pace of a schedule"),  # type: ignore[arg-type]
    ],
)
def test_a_curve_or_torch_schedule_checks_itself(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        make()


def test_an_optimizer_that_was_made_must_have_the_value_that_is_scheduled(pair: Pair, network: Make) -> None:
    model = Model(network()).compile(optimizer=torch.optim.SGD, learning_rate=0.1, schedule={"beta2": constant(0.9)})

    with pytest.raises(SettingError, match="No value of the optimizer is called 'beta2'"):
        model.fit(pair, epochs=1)


def test_torch_schedulers_are_known_by_the_names_of_their_classes() -> None:
    assert {"StepLR", "ReduceLROnPlateau", "CyclicLR"} <= set(TORCH_SCHEDULERS)
    assert "LambdaLR" not in TORCH_SCHEDULERS
