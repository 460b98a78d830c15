from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR

from gradfleet.errors import SettingError
from gradfleet.training.losses import DEFAULTS
from gradfleet.training.model import Model
from gradfleet.training.optimizers import LEARNING_RATES, OPTIMIZERS, LayerRates
from gradfleet.training.optimizers.by_name import values_of
from gradfleet.training.optimizers.values import known_values
from gradfleet.training.settings import TrainingSettings

Make = Callable[..., nn.Module]


@pytest.mark.row("UX4")
def test_all_wrong_settings_are_named_in_one_error(network: Make) -> None:
    with pytest.raises(SettingError) as caught:
        Model(network()).compile(
            "cross_entropi",
            optimizer="adamm",
            learning_rate=-1.0,
            metrics=["acuracy"],
            kind="multi",  # type: ignore[arg-type]
            precision="fp8",  # type: ignore[arg-type]
            schedule="cosin",
            clip_norm=0.0,
        )

    starts = [
        "No loss is called 'cross_entropi'. Did you mean 'cross_entropy'?",
        "No optimizer is called 'adamm'. Did you mean 'adam'?",
        "A learning rate above 0 is needed, got -1.0.",
        "No kind of problem is called 'multi'. Did you mean 'multilabel'?",
        "No metric is called 'acuracy'. Did you mean 'accuracy'?",
        "No precision is called 'fp8'. Known: bf16, fp16, fp32.",
        "No schedule is called 'cosin'. Did you mean 'cosine'?",
        "A clip_norm above 0 is needed, got 0.0.",
    ]
    assert len(caught.value.problems) == len(starts)
    for problem, start in zip(caught.value.problems, starts, strict=True):
        assert problem.startswith(start)


@pytest.mark.row("UX4")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": 3}, "A loss is a name, a class or a function of .+ got 3"),
        ({"optimizer": 3}, "An optimizer is a name, a class, a factory or an instance, got 3"),
        ({"learning_rate": float("nan")}, "learning rate above 0 is needed, got nan"),
        ({"learning_rate": "0.1"}, "learning rate above 0 is needed, got '0.1'"),
        ({"clip_norm": "1"}, "clip_norm above 0 is needed, got '1'"),
        ({"accumulate": "2"}, "accumulate must be a whole number of at least 1, got '2'"),
        (
            {"optimizer": "sgd", "optimizer_options": {"momentun": 0.9}},
            r"option of sgd .+'momentum'\? Known: dampening",
        ),
        ({"optimizer": "sgd", "optimizer_options": {"momentum": -1.0}}, "sgd refuses its options: Invalid momentum"),
        ({"optimizer_options": {"lr": 0.1}}, "as learning_rate=, not as the option 'lr'"),
        ({"metrics": "accuracy"}, r"metrics takes a list .+ got 'accuracy'"),
        ({"metrics": [3]}, "A metric is a name, .+ got 3"),
        ({"metrics": ["f1", "f1"]}, "Two metrics are called 'f1'; name them with a dict"),
        ({"metrics": {"loss": "f1"}}, "A metric cannot be called 'loss'"),
        ({"schedule": 3}, "A schedule is a name, a curve, a class or a factory .+ got 3"),
        ({"schedule": CosineAnnealingLR}, r"CosineAnnealingLR needs T_max; give a factory: lambda optimizer"),
        ({"kind": "regression", "metrics": ["f1"]}, "'f1' is for binary or multiclass or multilabel"),
        ({"clip_norm": -1}, "clip_norm above 0 is needed, got -1"),
    ],
)
def test_a_wrong_setting_says_what_is_needed_and_what_came(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        TrainingSettings(**settings)


def test_an_optimizer_that_is_made_already_takes_no_options_and_serves_one_network(network: Make) -> None:
    module = network()
    made = torch.optim.SGD(module.parameters(), lr=0.1)

    with pytest.raises(SettingError, match="takes no learning_rate and no optimizer_options"):
        Model(module).compile(optimizer=made, learning_rate=0.1)
    with pytest.raises(SettingError, match="One optimizer cannot serve several networks"):
        Model({"a": module, "b": network()}).compile(optimizer=made)


def test_networks_must_be_modules() -> None:
    with pytest.raises(SettingError, match="A network is a torch Module, got str for 'a'"):
        Model({"a": "resnet"})  # type: ignore[dict-item]
    with pytest.raises(SettingError, match="at least one network"):
        Model({})


def test_checking_settings_draws_no_random_number() -> None:
    torch.manual_seed(0)
    TrainingSettings(optimizer="sgd", learning_rate=0.1)
    drawn = torch.rand(1)
    torch.manual_seed(0)

    assert torch.equal(torch.rand(1), drawn)


def test_every_named_optimizer_has_a_default_learning_rate_and_trains(network: Make) -> None:
    assert set(LEARNING_RATES) == set(OPTIMIZERS)
    for name in OPTIMIZERS:
        optimizer = Model(network()).compile(optimizer=name).optimizers["network"]
        assert type(optimizer) is OPTIMIZERS[name]
        assert optimizer.param_groups[0]["lr"] == LEARNING_RATES[name]


def test_adam_is_fused_unless_it_is_told_not_to_be(network: Make) -> None:
    def fused(**options: Any) -> Any:
        model = Model(network()).compile(optimizer="adamw", optimizer_options=options)
        return model.optimizers["network"].param_groups[0]["fused"]

    assert fused() is True
    assert fused(fused=False) is False


def test_a_schedule_may_be_a_class_or_a_factory(network: Make) -> None:
    data = (torch.randn(32, 4), torch.randint(2, (32,)))
    factories = (ExponentialLR, lambda optimizer: ExponentialLR(optimizer, gamma=0.5))
    with pytest.raises(SettingError, match="ExponentialLR needs gamma"):
        TrainingSettings(schedule=factories[0])

    model = Model(network()).compile(optimizer="sgd", learning_rate=1.0, schedule=factories[1])
    model.fit(data, epochs=3)

    assert model.optimizers["network"].param_groups[0]["lr"] == 0.125


def test_settings_of_names_survive_json_and_objects_do_not() -> None:
    named = TrainingSettings("mse", "sgd", 0.1, {"momentum": 0.9}, ["mae"], "regression", "bf16", "cosine", 1.0)
    own = TrainingSettings(nn.MSELoss())

    assert TrainingSettings.from_json(named.to_json()) == named
    assert own.to_json()["loss"] == {"own": "torch.nn.modules.loss.MSELoss"}
    assert TrainingSettings.from_json(own.to_json()) is None


def test_every_kind_has_a_default_loss() -> None:
    assert set(DEFAULTS) == {"binary", "multiclass", "multilabel", "regression", "text"}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_a_schedule_may_move_is_known_without_an_optimizer_that_is_made(name: str) -> None:
    made: Any = OPTIMIZERS[name]
    assert values_of(name) == known_values(made([torch.zeros(1, 1)]).param_groups[0])


def test_named_optimizers_are_made_when_they_are_needed_and_what_may_be_refused_at_once() -> None:
    network = nn.Linear(3, 2)
    model = Model(network).compile(
        "cross_entropy", optimizer=LayerRates("sgd", 0.5), optimizer_options={"momentum": 0.5}
    )
    network.weight = nn.Parameter(torch.zeros(2, 3))  # changed in between: the optimizer is of what is trained
    assert any(one is network.weight for group in model.optimizers["network"].param_groups for one in group["params"])
    assert model.optimizers["network"] is model.optimizers["network"]

    with pytest.raises(SettingError, match="nosuch"):
        Model(network).compile("cross_entropy", optimizer=LayerRates("adam", 0.5, {"nosuch": 2.0}))
    with pytest.raises(ValueError, match="empty parameter list"):
        Model(nn.ReLU()).compile("cross_entropy")
    other = torch.optim.SGD(network.parameters(), 0.1)
    model.optimizers = {"network": other}
    assert model.optimizers["network"] is other

    class Own(Model):
        def configure_optimizers(self) -> torch.optim.Optimizer:
            raise SettingError("Nothing is to be trained here.")

    with pytest.raises(SettingError, match="Nothing is to be trained here"):
        Own(nn.Linear(3, 2)).compile("cross_entropy")

    def refused(parameters: Any) -> torch.optim.Optimizer:
        raise ValueError("no such rate")

    with pytest.raises(ValueError, match="no such rate"):
        Model(nn.Linear(3, 2)).compile("cross_entropy", optimizer=refused)
