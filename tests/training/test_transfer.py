from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gradfleet.errors import SettingError
from gradfleet.training.callbacks import Callback
from gradfleet.training.callbacks.gradual_unfreezing import GradualUnfreezing
from gradfleet.training.fine_tuning import fine_tune
from gradfleet.training.model import Model
from gradfleet.training.networks.freezing import freeze, freeze_to, layers_of, unfreeze
from gradfleet.training.optimizers.layer_rates import LayerRates

Pair = tuple[torch.Tensor, torch.Tensor]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8))
        self.head = nn.Linear(8, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(torch.relu(self.body(inputs)))
        return outputs


BODY = ["body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias", "body.3.weight", "body.3.bias"]
HEAD = ["head.weight", "head.bias"]
STATISTICS = ["body.1.running_mean", "body.1.running_var", "body.1.num_batches_tracked"]


def moved(network: nn.Module, before: dict[str, torch.Tensor]) -> list[str]:
    return [name for name, value in network.state_dict().items() if not torch.equal(value, before[name])]


def snapshot(network: nn.Module) -> dict[str, torch.Tensor]:
    return copy.deepcopy(network.state_dict())


@pytest.mark.row("TL11")
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "rmsprop"])
def test_frozen_means_frozen(optimizer: str, pair: Pair) -> None:
    network = Net()
    options = {"weight_decay": 0.1, **({"momentum": 0.9} if optimizer == "sgd" else {})}
    model = Model(network).compile(optimizer=optimizer, learning_rate=0.1, optimizer_options=options)
    model.fit(pair, pair, epochs=1)  # momentum and the like are there
    freeze(network, "body")
    before = snapshot(network)

    model.fit(pair, pair, epochs=2)

    assert moved(network, before) == HEAD


@pytest.mark.row("TL11")
def test_running_statistics_of_frozen_layers_follow_the_policy(pair: Pair) -> None:
    network = Net().eval()
    freeze(network, "body", statistics="train")
    before = snapshot(network)

    Model(network).compile().fit(pair, pair, epochs=1)

    assert moved(network, before) == [*STATISTICS, *HEAD]
    before = snapshot(network)
    freeze(network.eval(), "body", statistics="freeze")
    Model(network).compile().fit(pair, pair, epochs=1)
    assert moved(network, before) == HEAD


@pytest.mark.row("TL11")
@pytest.mark.parametrize(
    ("patterns", "frozen"),
    [
        ("*", [*BODY, *HEAD]),
        ("body", BODY),
        ("body.?", BODY),
        ("*.bias", [name for name in [*BODY, *HEAD] if name.endswith("bias")]),
        (["head", "body.0.weight"], ["body.0.weight", *HEAD]),
    ],
)
def test_a_pattern_names_parameters_and_modules(patterns: Any, frozen: list[str]) -> None:
    network = Net()

    assert freeze(network, patterns) == frozen
    assert [name for name, one in network.named_parameters() if not one.requires_grad] == frozen
    assert unfreeze(network, patterns) == frozen
    assert all(one.requires_grad for one in network.parameters())
    assert all(module.training for module in network.modules())


@pytest.mark.row("TL11")
def test_freeze_to_freezes_what_is_before(pair: Pair) -> None:
    network = Net()
    freeze(network)

    assert freeze_to(network, "body.3") == BODY[:4]
    assert [name for name, one in network.named_parameters() if one.requires_grad] == [*BODY[4:], *HEAD]
    before = snapshot(network)
    Model(network).compile().fit(pair, epochs=1)
    assert moved(network, before) == [*BODY[4:], *HEAD]
    assert freeze_to(network, "body.0") == []


def test_a_pattern_that_names_nothing_is_refused() -> None:
    with pytest.raises(SettingError, match="No part with weights is called 'haed'. Did you mean 'head'"):
        freeze(Net(), "haed")
    with pytest.raises(SettingError, match="No policy for running statistics is called 'keep'"):
        freeze(Net(), statistics="keep")  # type: ignore[arg-type]


def test_layers_are_the_children_in_order() -> None:
    assert [name for name, _ in layers_of(Net())] == ["body.0", "body.1", "body.3", "head"]


@pytest.mark.row("TL11")
def test_layers_have_learning_rates_of_their_own(pair: Pair) -> None:
    network = Net()
    before = snapshot(network)
    model = Model(network).compile(optimizer=LayerRates("sgd", decay=0.1, factors={"*.bias": 2.0}), learning_rate=1.0)
    named = dict(network.named_parameters())
    rates = {
        name: group["lr"]
        for group in model.optimizers["network"].param_groups
        for name, one in named.items()
        if any(one is each for each in group["params"])
    }

    expected = [1e-3, 2e-3, 1e-2, 2e-2, 1e-1, 2e-1, 1.0, 2.0]
    assert [rates[name] for name in [*BODY, *HEAD]] == pytest.approx(expected)
    gradients: dict[str, torch.Tensor] = {}

    class Keep(Callback):
        def on_backward_end(self, context: Any) -> None:
            gradients.update({name: one.grad.clone() for name, one in named.items() if one.grad is not None})

    model.fit(pair, epochs=1, batch_size=70, callbacks=[Keep()])
    for name, rate in rates.items():
        torch.testing.assert_close(named[name].detach(), before[name] - rate * gradients[name])


def test_a_fine_tuned_model_is_loaded_as_it_was_compiled(pair: Pair, tmp_path: Path) -> None:
    model = Model(Net()).compile()
    fine_tune(model, pair, pair, epochs=1)
    model.save(tmp_path / "saved")

    loaded = Model.load(tmp_path / "saved", Net())

    assert loaded.evaluate(pair)["loss"] == model.evaluate(pair)["loss"]
    assert loaded.settings.optimizer == model.settings.optimizer == LayerRates("adamw", decay=1 / 2.6)


def test_layer_rates_check_themselves() -> None:
    with pytest.raises(SettingError, match="decay must be above 0, got 0") as caught:
        LayerRates(decay=0, factors={"head": -1})
    assert caught.value.problems[1] == "the factor of 'head' must be above 0, got -1."
    with pytest.raises(SettingError, match="No optimizer is called 'sdg'. Did you mean 'sgd'"):
        Model(Net()).compile(optimizer=LayerRates("sdg"))


@pytest.mark.row("TL11")
def test_fine_tuning_moves_only_the_head_first_then_everything_at_lower_rates(pair: Pair) -> None:
    network = Net()
    model = Model(network).compile(learning_rate=0.1)
    before = snapshot(network)
    after_first: list[str] = []

    class Look(Callback):
        def on_epoch_end(self, context: Any) -> None:
            if context.epoch == 2:
                after_first.extend(moved(network, before))

    history = fine_tune(model, pair, pair, epochs=1, head_epochs=2, callbacks=[Look()])

    assert after_first == HEAD
    assert moved(network, before) == list(before)
    assert [record.epoch for record in history] == [1, 2, 3]
    rates = [group["lr"] for group in model.optimizers["network"].param_groups]
    assert rates == pytest.approx([0.05 / 2.6**depth for depth in (3, 2, 1, 0)])


@pytest.mark.row("TL11")
def test_a_head_may_be_named(pair: Pair) -> None:
    network = Net()
    before = snapshot(network)

    fine_tune(Model(network).compile(), pair, epochs=0, head=["head", "body.3"], statistics="train")

    assert moved(network, before) == [*STATISTICS, *BODY[4:], *HEAD]


def test_fine_tuning_needs_one_network_and_an_optimizer_that_can_be_made_again(pair: Pair) -> None:
    network = Net()
    made = torch.optim.SGD(network.parameters(), lr=0.1)
    with pytest.raises(SettingError, match="give compile its name or class, not SGD"):
        fine_tune(Model(network).compile(optimizer=made), pair, epochs=1)
    with pytest.raises(SettingError, match="a model of one network"):
        fine_tune(Model({"a": Net(), "b": Net()}).compile("mse"), pair, epochs=1)


@pytest.mark.row("TL11")
def test_gradual_unfreezing_thaws_one_more_layer_every_few_epochs(pair: Pair) -> None:
    network = Net()
    model = Model(network).compile()
    seen = []
    before = snapshot(network)
    for _ in model.epochs(pair, pair, epochs=8, callbacks=[GradualUnfreezing(every=2)]):
        seen.append(moved(network, before))
        before = snapshot(network)

    last = [*BODY[4:], *HEAD]
    assert seen[:2] == [HEAD] * 2
    assert seen[2:4] == [last] * 2
    assert seen[4:6] == [[*BODY[2:4], *STATISTICS, *last]] * 2
    assert seen[6:] == [list(network.state_dict())] * 2


def test_gradual_unfreezing_is_resumed_exactly(pair: Pair, tmp_path: Path) -> None:
    straight, resumed = (Model(Net()).compile() for _ in range(2))
    for record in straight.epochs(pair, epochs=4, callbacks=[GradualUnfreezing()]):
        if record.epoch == 2:
            straight.save(tmp_path / "saved")
    resumed.fit(pair, epochs=4, callbacks=[GradualUnfreezing()], resume=tmp_path / "saved")

    assert moved(resumed.network, straight.network.state_dict()) == []
    with pytest.raises(SettingError, match="every 1 or more epochs, got 0"):
        GradualUnfreezing(every=0)
