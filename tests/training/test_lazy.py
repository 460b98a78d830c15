"""Lazy layers: their weights take their shapes from the first batch, and all else is as with any other layer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from gradfleet import Model
from gradfleet.training.finders import find_batch_size, find_learning_rate
from gradfleet.training.summary import summarize

Pair = tuple[torch.Tensor, torch.Tensor]


def lazy_model() -> Model:
    torch.manual_seed(0)
    return Model(nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(2))).compile()


def weights(model: Model) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in model.network.state_dict().values()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_lazy_layers_learn_and_begin_anew(pair: Pair) -> None:
    model = lazy_model()
    history = model.fit(pair, pair, epochs=4, progress=False)
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    once = weights(model)
    assert same(weights(model), once)
    model.fit(pair, pair, epochs=4, reset=True, progress=False)
    assert same(weights(model), once)


def test_their_first_batch_teaches_nothing(pair: Pair) -> None:
    model = lazy_model()
    model.fit(pair, epochs=0, progress=False)
    assert not model.network[1].running_mean.any()
    assert model.network[0].weight.shape == (8, 4)


def test_lazy_images_lie_channels_last() -> None:
    model = Model(nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)))
    model.compile("cross_entropy", channels_last=True)
    history = model.fit((torch.randn(16, 3, 8, 8), torch.arange(16) % 2), epochs=1, progress=False)
    assert history[-1]["train_loss"] > 0
    assert model.network[0].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("also", ["dry run", "learning rate", "batch size", "summary"])
def test_what_tries_a_lazy_model_out_leaves_it_as_it_will_begin(pair: Pair, also: str) -> None:
    plain, tried = lazy_model(), lazy_model()
    torch.manual_seed(1)
    plain.fit(pair, epochs=0, progress=False)
    torch.manual_seed(1)
    if also == "dry run":
        tried.fit(pair, epochs=1, dry_run=True, progress=False)
    elif also == "learning rate":
        find_learning_rate(tried, pair, steps=20)
    elif also == "batch size":
        find_batch_size(tried, pair, largest=8)
    else:
        assert summarize(tried, pair).num_parameters == sum(one.numel() for one in tried.network.parameters())
    assert same(weights(plain), weights(tried))


def test_a_checkpoint_goes_into_layers_that_have_no_shape_yet(pair: Pair, tmp_path: Path) -> None:
    straight = lazy_model()
    straight.fit(pair, epochs=4, progress=False)
    halfway = lazy_model()
    halfway.fit(pair, epochs=2, progress=False)
    halfway.save(tmp_path / "half")
    loaded = Model.load(tmp_path / "half", nn.Sequential(*lazy_model().network))
    assert torch.equal(loaded.predict(pair[0]), halfway.predict(pair[0]))
    resumed = lazy_model()
    resumed.fit(pair, epochs=4, resume=tmp_path / "half", progress=False)
    assert same(weights(straight), weights(resumed))
