from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from rich.console import Console
from torch import nn

from gradfleet.errors import DataError
from gradfleet.training.model import Model
from gradfleet.training.networks.freezing import freeze
from gradfleet.training.step import inputs_of
from gradfleet.training.summary import summarize

Make = Callable[..., nn.Module]
Pair = tuple[torch.Tensor, torch.Tensor]


def convolutional() -> nn.Module:
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    return nn.Sequential(body, nn.Flatten(), nn.Linear(4 * 36, 10))


@pytest.mark.row("UX5")
def test_a_summary_lists_layers_with_shapes_parameters_and_what_is_trained() -> None:
    network = convolutional()
    freeze(network, ["0", "2.bias"])
    summary = summarize(Model(network), torch.randn(5, 1, 8, 8))

    assert [(one.name, one.kind, one.output, one.parameters, one.trainable) for one in summary.layers] == [
        ("0.0", "Conv2d", (5, 4, 6, 6), 40, 0),
        ("0.1", "BatchNorm2d", (5, 4, 6, 6), 8, 0),
        ("0.2", "ReLU", (5, 4, 6, 6), 0, 0),
        ("1", "Flatten", (5, 144), 0, 0),
        ("2", "Linear", (5, 10), 1450, 1440),
    ]
    assert (summary.num_parameters, summary.num_trainable) == (1498, 1440)


@pytest.mark.row("UX5")
def test_a_summary_is_a_table_and_a_frame() -> None:
    network = convolutional()
    freeze(network, "0")
    summary = summarize(Model(network), torch.randn(5, 1, 8, 8))

    lines = [[part.strip() for part in line.split("│")[1:-1]] for line in str(summary).splitlines() if "│" in line]
    assert lines == [
        ["0.0", "Conv2d", "5 x 4 x 6 x 6", "40", "no"],
        ["0.1", "BatchNorm2d", "5 x 4 x 6 x 6", "8", "no"],
        ["0.2", "ReLU", "5 x 4 x 6 x 6", "0", "-"],
        ["1", "Flatten", "5 x 144", "0", "-"],
        ["2", "Linear", "5 x 10", "1,450", "yes"],
        ["", "", "", "1,498", "1,450"],
    ]
    frame = summary.to_frame()
    assert frame.loc["2", "parameters"] == 1450
    assert frame["trainable"].sum() == 1450
    console = Console(width=100)
    with console.capture() as captured:
        console.print(summary)
    assert "BatchNorm2d" in captured.get()


@pytest.mark.row("UX5")
def test_a_summary_leaves_the_model_as_it_was(pair: Pair) -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))
    network[1].eval()
    model = Model(network)
    before, modes = copy.deepcopy(network.state_dict()), [module.training for module in network.modules()]
    generator = torch.get_rng_state()

    summarize(model, pair)

    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [module.training for module in network.modules()] == modes
    assert torch.equal(torch.get_rng_state(), generator)
    assert not any(module._forward_hooks for module in network.modules())
    assert not model.is_compiled


def test_a_network_that_is_one_layer_or_of_another_model_has_a_name(pair: Pair) -> None:
    class Two(Model):
        def predict_step(self, batch: torch.Tensor) -> torch.Tensor:
            outputs: torch.Tensor = self.networks["a"](inputs_of(batch))
            return outputs

    assert [one.name for one in summarize(Model(nn.Linear(4, 2)), pair).layers] == ["Linear"]
    layers = summarize(Two({"a": nn.Sequential(nn.Linear(4, 2)), "b": nn.Linear(2, 2)}), pair[0]).layers
    assert [(one.name, one.output) for one in layers] == [("a.0", (32, 2)), ("b", None)]


def test_shared_weights_count_once(pair: Pair) -> None:
    network = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    network[1].weight = network[0].weight

    assert [one.parameters for one in summarize(Model(network), pair).layers] == [16, 0]


def test_a_summary_needs_a_batch(network: Make) -> None:
    with pytest.raises(DataError, match="no batches to summarize|no rows to make batches of"):
        summarize(Model(network()), torch.utils.data.DataLoader([]))  # type: ignore[arg-type]
