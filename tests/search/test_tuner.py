from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import cloudpickle
import pytest
import torch

from gradfleet import Choice, Float, Int, Tuner
from gradfleet.errors import SpaceError
from gradfleet.search.optimizers import OptimizerChoice
from gradfleet.search.space import When


@dataclass(frozen=True)
class Digits:
    input_shape: tuple[int, ...] = (1, 8, 8)
    num_outputs: int = 10
    kind: str = "multiclass"


def mlp(input_shape: tuple[int, ...], num_outputs: int, width: int = 32, dropout: float = 0.9) -> torch.nn.Module:
    inputs = torch.Size(input_shape).numel()
    return torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(inputs, width),
        torch.nn.Dropout(dropout),
        torch.nn.Linear(width, num_outputs),
    )


def cnn(channels: int, *, deep: bool = False) -> torch.nn.Module:
    return torch.nn.Sequential(*[torch.nn.LazyConv2d(channels, 3) for _ in range(1 + deep)])


class Shift:
    def __init__(self, pixels: int, fill: float = 0.0) -> None:
        self.pixels, self.fill = pixels, fill


@pytest.fixture
def tuner() -> Tuner:
    tuner = Tuner()
    tuner.architecture("mlp", mlp, width=Int(16, 256, log=True), dropout=Float(0.0, 0.5))
    tuner.architecture("cnn", cnn, channels=Choice(16, 32), deep=Choice(True, False))
    tuner.optimizer("sgd", learning_rate=Float(0.01, 1.0, log=True), momentum=Float(0.0, 0.98))
    tuner.optimizer("adamw", learning_rate=Float(1e-4, 1e-2, log=True))
    tuner.callback("shift", Shift, pixels=Int(0, 2))
    tuner.add("batch_size", Choice(32, 64))
    return tuner


def test_the_space_holds_every_choice_and_its_branches(tuner: Tuner) -> None:
    assert {entry.name: [str(each) for each in entry.when] for entry in tuner.space().entries} == {
        "architecture": [],
        "optimizer": [],
        "architecture.mlp.width": ["architecture='mlp'"],
        "architecture.mlp.dropout": ["architecture='mlp'"],
        "architecture.cnn.channels": ["architecture='cnn'"],
        "architecture.cnn.deep": ["architecture='cnn'"],
        "optimizer.sgd.learning_rate": ["optimizer='sgd'"],
        "optimizer.sgd.momentum": ["optimizer='sgd'"],
        "optimizer.adamw.learning_rate": ["optimizer='adamw'"],
        "callbacks.shift.pixels": [],
        "batch_size": [],
    }


def test_a_default_is_given_else_the_signatures_when_in_range_else_the_middle(tuner: Tuner) -> None:
    assert tuner.space().default() == {
        "architecture": "mlp",
        "optimizer": "sgd",
        "architecture.mlp.width": 32,  # the signature's
        "architecture.mlp.dropout": 0.25,  # the middle: the signature's 0.9 is out of range
        "optimizer.sgd.learning_rate": pytest.approx(0.1),
        "optimizer.sgd.momentum": 0.49,
        "callbacks.shift.pixels": 1,
        "batch_size": 32,
    }
    assert tuner.space().complete({"architecture": "cnn"})["architecture.cnn.deep"] is False


def test_a_given_default_beats_the_signatures() -> None:
    tuner = Tuner()
    tuner.architecture("mlp", partial(mlp, dropout=0.1), width=Int(16, 256, default=128))
    assert tuner.space().default() == {"architecture": "mlp", "architecture.mlp.width": 128}


def test_one_architecture_and_one_optimizer_are_named_all_the_same() -> None:
    tuner = Tuner()
    tuner.architecture("mlp", mlp)
    tuner.optimizer("adamw")
    assert tuner.space().default() == {"architecture": "mlp", "optimizer": "adamw"}


def test_a_network_is_built_from_its_dimensions_and_the_facts_it_asks_for(tuner: Tuner) -> None:
    network = tuner.build_network(tuner.space().default(), Digits())
    assert [tuple(weights.shape) for weights in network.parameters()] == [(32, 64), (32,), (10, 32), (10,)]
    config = tuner.space().complete({"architecture": "cnn", "architecture.cnn.deep": True})
    assert len(tuner.build_network(config, Digits())) == 2


def test_an_optimizer_is_handed_out_with_its_options(tuner: Tuner) -> None:
    choices = tuner.optimizer_choices(tuner.space().default())
    assert choices == (OptimizerChoice("sgd", None, pytest.approx(0.1), {"momentum": 0.49}),)


@pytest.mark.parametrize("factory", [torch.optim.SGD, partial(torch.optim.SGD, nesterov=True), "sgd"])
def test_a_class_a_function_or_another_name_stands_for_an_optimizer(factory: Callable[..., Any] | str) -> None:
    tuner = Tuner()
    tuner.optimizer("mine", factory, learning_rate=Float(0.1, 0.3), momentum=Float(0.5, 0.9))
    choices = tuner.optimizer_choices(tuner.space().default())
    assert choices == (OptimizerChoice("mine", factory, pytest.approx(0.2), {"momentum": 0.7}),)


def test_a_learning_rate_for_all_optimizers_is_a_setting() -> None:
    tuner = Tuner()
    tuner.optimizer("sgd", momentum=Choice(0.9))
    tuner.add("learning_rate", Float(0.1, 0.3))
    choices = tuner.optimizer_choices(tuner.space().default())
    assert choices == (OptimizerChoice("sgd", None, pytest.approx(0.2), {"momentum": 0.9}),)


def test_no_optimizer_leaves_the_choice_to_training() -> None:
    assert Tuner().optimizer_choices({}) == ()


def test_each_network_may_choose_its_own_optimizer() -> None:
    tuner = Tuner()
    tuner.optimizer("adam", network="generator", learning_rate=Choice(0.1))
    tuner.optimizer("sgd", network="generator")
    tuner.optimizer("adam", network="critic", learning_rate=Choice(0.2))
    config = tuner.space().default()
    assert config == {
        "optimizer.generator": "adam",
        "optimizer.critic": "adam",
        "optimizer.generator.adam.learning_rate": 0.1,
        "optimizer.critic.adam.learning_rate": 0.2,
    }
    assert tuner.optimizer_choices(config) == (
        OptimizerChoice("adam", None, 0.1, {}, "generator"),
        OptimizerChoice("adam", None, 0.2, {}, "critic"),
    )
    with pytest.raises(
        SpaceError, match="others were registered for one network: say network= for each of them or for none"
    ):
        tuner.optimizer("sgd")


def test_callbacks_are_new_for_every_trial(tuner: Tuner) -> None:
    config = tuner.space().default()
    (first,), (second,) = tuner.callbacks(config), tuner.callbacks(config)
    assert (first.pixels, first.fill) == (1, 0.0)
    assert first is not second


def test_none_leaves_a_callback_out_with_its_dimensions(tuner: Tuner) -> None:
    tuner.add("callbacks.shift", Choice(None, "on"))
    space = tuner.space()
    assert "callbacks.shift.pixels" not in space.default()
    assert tuner.callbacks(space.default()) == []
    (shift,) = tuner.callbacks(space.complete({"callbacks.shift": "on"}))
    assert shift.pixels == 1


def test_a_parameter_is_added_to_what_is_registered(tuner: Tuner) -> None:
    tuner.add("callbacks.shift.fill", Float(0.0, 1.0))
    tuner.add("optimizer.adamw.weight_decay", Float(0.0, 1.0))
    assert tuner.space().default()["callbacks.shift.fill"] == 0.0  # the signature's
    assert tuner.space().complete({"optimizer": "adamw"})["optimizer.adamw.weight_decay"] == 0.5


def test_a_branch_hangs_on_a_branch() -> None:
    tuner = Tuner()
    tuner.architecture("mlp", mlp, width=Choice(16, 512))
    tuner.add("architecture.mlp.dropout", Float(0.0, 0.5), when=When("architecture.mlp.width", (512,)))
    space = tuner.space()
    assert "architecture.mlp.dropout" not in space.complete({"architecture.mlp.width": 16})
    assert space.complete({"architecture.mlp.width": 512})["architecture.mlp.dropout"] == 0.25
    with pytest.raises(SpaceError, match="'architecture.mlp.dropout' is only there with architecture='mlp' and"):
        space.validate({"architecture": "mlp", "architecture.mlp.width": 16, "architecture.mlp.dropout": 0.1})


def test_a_setting_that_is_not_varied_is_the_callers(tuner: Tuner) -> None:
    config = tuner.space().default()
    assert (tuner.setting(config, "batch_size", 8), tuner.setting(config, "precision", "fp32")) == (32, "fp32")
    with pytest.raises(SpaceError, match=r"No setting is called 'batchsize'. Did you mean 'batch_size'\?"):
        tuner.setting(config, "batchsize", 8)


@pytest.mark.parametrize(
    ("register", "message"),
    [
        (lambda tuner: tuner.add("batch_size", Choice(1)), "'batch_size' is a dimension already"),
        (
            lambda tuner: tuner.add("bach_size", Choice(1)),
            r"No setting is called 'bach_size'. Did you mean 'batch_size'\?",
        ),
        (
            lambda tuner: tuner.add("x", Float(0, 1)),
            r"A training function of your own takes dimensions .*from_function",
        ),
        (lambda tuner: tuner.add("callbacks.shfit.fill", Choice(1)), "Did you mean 'callbacks.shift.fill'"),
        (lambda tuner: tuner.add("callbacks.shift.pixel", Choice(1)), "Did you mean 'pixels'"),
        (lambda tuner: tuner.add("callbacks.shift", Int(0, 1)), r"is None: use Choice\('on', None\), got Int\(0, 1\)"),
        (lambda tuner: tuner.add("precision", "bf16"), "'precision' needs a Float, an Int or a Choice, got 'bf16'"),
        (lambda tuner: tuner.architecture("mlp", mlp), "The architecture 'mlp' is registered already"),
        (lambda tuner: tuner.architecture("a.b", mlp), "a word without dots, got 'a.b'"),
        (
            lambda tuner: tuner.architecture("wide", mlp, widht=Int(1, 2)),
            r"No parameter of 'architecture.wide' is called 'widht'. Did you mean 'width'\? Known: dropout, width.",
        ),
        (lambda tuner: tuner.architecture("wide", mlp, width=64), "'architecture.wide.width' needs a Float"),
        (lambda tuner: tuner.optimizer("sgd"), "The optimizer 'sgd' is registered already"),
        (lambda tuner: tuner.optimizer("adamm"), r"No optimizer is called 'adamm'. Did you mean 'adam'\?"),
        (lambda tuner: tuner.optimizer("adam", lr=Float(0, 1)), "No parameter of 'optimizer.adam' is called 'lr'"),
        (lambda tuner: tuner.optimizer("adam", momentum=Float(0, 1)), "'optimizer.adam' is called 'momentum'.+betas"),
        (lambda tuner: tuner.callback("shift", Shift), "The callback 'shift' is registered already"),
        (
            lambda tuner: tuner.callback("crop", Shift, size=Int(1, 2)),
            "'callbacks.crop' is called 'size'. Known: fill, pix",
        ),
    ],
)
def test_a_mistake_in_registering_is_told_at_once(
    tuner: Tuner, register: Callable[[Tuner], None], message: str
) -> None:
    before = tuner.space()
    with pytest.raises(SpaceError, match=message):
        register(tuner)
    assert tuner.space() == before


def test_parameters_that_nobody_gives_are_all_named() -> None:
    tuner = Tuner()
    tuner.architecture("cnn", cnn)
    tuner.callback("shift", Shift)
    with pytest.raises(SpaceError) as error:
        tuner.space()
    assert [problem.partition(":")[0] for problem in error.value.problems] == [
        "'architecture.cnn' needs a value for its parameter 'channels'",
        "'callbacks.shift' needs a value for its parameter 'pixels'",
    ]


def test_an_unknown_architecture_is_refused(tuner: Tuner) -> None:
    with pytest.raises(SpaceError, match=r"No architecture is called 'cn'. Did you mean 'cnn'\? Known: cnn, mlp."):
        tuner.build_network({"architecture": "cn"}, Digits())


def test_a_tuner_of_local_functions_crosses_to_a_worker() -> None:
    tuner = Tuner()
    tuner.architecture("lambda", lambda width: torch.nn.Linear(1, width), width=Int(1, 3))
    there = cloudpickle.loads(cloudpickle.dumps(tuner))
    assert there.space() == tuner.space()
    assert there.build_network(there.space().default(), Digits()).out_features == 2
