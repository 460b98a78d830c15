"""What an estimator is given, and how a network is made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gradfleet.errors import SettingError
from gradfleet.sklearn import Classifier, Regressor

Make = Callable[..., nn.Module]
Flowers = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


@pytest.mark.row("SE3")
def test_options_are_reached_by_a_double_underscore(mlp: Make) -> None:
    classifier = Classifier(mlp, network_options={"width": 8}, optimizer="sgd")

    classifier.set_params(network__dropout=0.5, optimizer__momentum=0.9, epochs=3)

    assert classifier.network_options == {"width": 8, "dropout": 0.5}
    deep, own = classifier.get_params(), classifier.get_params(deep=False)
    assert (deep["network__width"], deep["network__dropout"], deep["optimizer__momentum"]) == (8, 0.5, 0.9)
    assert own["optimizer_options"] == {"momentum": 0.9}
    assert own["epochs"] == 3
    assert not any("__" in name for name in own)


def test_options_that_are_set_reach_network_and_optimizer(mlp: Make, flowers: Flowers) -> None:
    classifier = Classifier(mlp, optimizer="sgd", epochs=1).set_params(network__width=5, optimizer__momentum=0.5)

    model = classifier.fit(*flowers).model_

    assert model.network[1].out_features == 5
    assert model.optimizers["network"].param_groups[0]["momentum"] == 0.5


def test_an_unknown_name_changes_nothing(mlp: Make) -> None:
    classifier = Classifier(mlp)

    with pytest.raises(
        SettingError, match="No parameter of Classifier is called 'bach_size'. Did you mean 'batch_size'"
    ):
        classifier.set_params(epochs=3, bach_size=8)

    assert classifier.epochs == 10


def test_options_given_as_a_dict_are_not_changed_by_setting_one(mlp: Make) -> None:
    options = {"width": 8}
    Classifier(mlp, network_options=options).set_params(network__width=9)

    assert options == {"width": 8}


def test_all_problems_are_named_at_once(flowers: Flowers, mlp: Make) -> None:
    classifier = Classifier(
        mlp,
        network_options={"widht": 8},
        loss="cross_entrop",
        optimizer="adamm",
        precision="fp8",  # type: ignore[arg-type]  # what this test is about
        epochs=1.5,  # type: ignore[arg-type]
        batch_size=0,
        seed=-1,
        validation_fraction=1.0,
        callbacks=3,  # type: ignore[arg-type]
        device="gpu",
    )

    with pytest.raises(SettingError) as caught:
        classifier.fit(*flowers)

    assert [" ".join(problem.split()[:3]) for problem in caught.value.problems] == [
        "epochs must be",
        "batch_size must be",
        "seed must be",
        "validation_fraction must be",
        "callbacks must be",
        "device is a",
        "No loss is",
        "No optimizer is",
        "No precision is",
        "No parameter of",
    ]


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (None, None, "network is a Module's class or a function that returns a Module, got None"),
        (
            nn.Linear,
            {"in_features": 4},
            r"The network needs 'out_features': network_options=\{'out_features': \.\.\.\}",
        ),
        (nn.Linear(4, 3), {"bias": False}, "made already takes no network_options: give its class"),
        (
            nn.Linear(4, 10),
            None,
            "needs 3 outputs, and the network has 10. A builder whose signature names num_outputs",
        ),
        (nn.Linear(7, 3), None, r"does not take rows of shape \(4,\): .+ names input_shape is given that shape"),
        (lambda: "net", None, "A network is a torch Module, got str"),
        (nn.Linear, 3, "network_options must be a dict of options by name, got 3"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_before_training(
    network: Any, options: Any, message: str, flowers: Flowers
) -> None:
    with pytest.raises(SettingError, match=message):
        Classifier(network, network_options=options).fit(*flowers)


def test_one_output_for_two_classes_hints_at_the_loss(flowers: Flowers) -> None:
    with pytest.raises(SettingError, match="loss='binary_cross_entropy' makes do with one output for two classes"):
        Classifier(nn.Linear(4, 1)).fit(flowers[0], flowers[1] == "setosa")


def test_an_optimizer_that_is_made_already_is_refused(flowers: Flowers) -> None:
    network = nn.Linear(4, 3)
    with pytest.raises(
        SettingError, match="made already belongs to one network; give its name, its class or a factory"
    ):
        Classifier(network, optimizer=torch.optim.SGD(network.parameters(), lr=0.1)).fit(*flowers)


def test_an_unknown_option_of_the_optimizer_is_refused(flowers: Flowers, mlp: Make) -> None:
    with pytest.raises(SettingError, match="No option of sgd is called 'momentm'. Did you mean 'momentum'?"):
        Classifier(mlp, optimizer="sgd").set_params(optimizer__momentm=0.9).fit(*flowers)


def test_a_network_that_is_made_already_is_copied_by_every_fit(flowers: Flowers) -> None:
    network = nn.Linear(4, 3)
    before = network.weight.detach().clone()
    classifier = Classifier(network, epochs=2)

    first = classifier.fit(*flowers).predict_proba(flowers[0])

    assert torch.equal(network.weight, before)
    assert (classifier.fit(*flowers).predict_proba(flowers[0]) == first).all()


def test_lazy_layers_take_their_shape_from_the_data(flowers: Flowers) -> None:
    regressor = Regressor(nn.LazyLinear, network_options={"out_features": 1}, epochs=1)

    assert regressor.fit(flowers[0], flowers[0][:, 0]).model_.network.in_features == 4


def test_the_builder_gets_the_facts_that_it_names(flowers: Flowers) -> None:
    seen = []

    def build(kind: str, input_shape: tuple[int, ...], num_outputs: int, width: int = 3) -> nn.Module:
        seen.append((kind, input_shape, num_outputs, width))
        return nn.Linear(4, num_outputs)

    Classifier(build, epochs=0).fit(*flowers)
    Regressor(build, epochs=0).fit(flowers[0], flowers[0][:, :2])

    assert seen == [("multiclass", (4,), 3, 3), ("regression", (4,), 2, 3)]
