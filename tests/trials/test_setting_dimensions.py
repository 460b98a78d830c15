"""Values of a Tuner's settings that no trial could train with are refused before the first one."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from torch import nn

from gradfleet import AutoModel, Choice, Float, Int, Tuner
from gradfleet.errors import SettingError
from gradfleet.search.dimensions import Dimension
from gradfleet.search.space import Entry, SearchSpace
from gradfleet.trials.setting_dimensions import setting_problems


def problems(name: str, dimension: Dimension) -> list[str]:
    return setting_problems(SearchSpace((Entry(name, dimension),)))


@pytest.mark.parametrize(
    ("name", "dimension", "said"),
    [
        ("loss", Choice("cross_entropy", "cros_entropy"), "No loss is called 'cros_entropy'."),
        ("loss", Float(0, 1), "got 0.0"),
        ("precision", Choice("fp32", "fp17"), "No precision is called 'fp17'."),
        ("schedule", Choice("cosine", "cosin"), "No schedule is called 'cosin'."),
        ("batch_size", Choice(0, 32), "batch_size must be a whole number of at least 1, got 0."),
        ("batch_size", Choice("a", 32), "batch_size must be a whole number of at least 1, got 'a'."),
        ("batch_size", Float(1, 20), "batch_size must be a whole number of at least 1, got 1.0."),
        ("learning_rate", Float(-1, 1), "A learning rate above 0 is needed, got -1.0."),
        ("optimizer.sgd.learning_rate", Float(-1, 1), "A learning rate above 0 is needed, got -1.0."),
        ("optimizer.critic.sgd.learning_rate", Choice("a"), "A learning rate above 0 is needed, got 'a'."),
        ("clip_norm", Float(-1, 1), "A clip_norm above 0 is needed, got -1.0."),
        ("layer_decay", Choice(0.0, 0.5), "decay must be above 0, got 0.0."),
        ("layer_decay", Choice("a"), "decay must be above 0, got 'a'."),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_dimension(name: str, dimension: Dimension, said: str) -> None:
    first, *_ = problems(name, dimension)
    assert first.startswith(f"The dimension {name!r}, {dimension!r}, cannot be: ")
    assert said in first


@pytest.mark.parametrize(
    ("name", "dimension"),
    [
        ("loss", Choice(None, "cross_entropy", "nll")),
        ("precision", Choice("fp32", "bf16", "fp16")),
        ("schedule", Choice(None, "cosine", "one_cycle", "plateau")),
        ("batch_size", Int(1, 512, log=True)),
        ("learning_rate", Float(1e-5, 1.0, log=True)),
        ("optimizer.sgd.momentum", Float(0.0, 0.9)),
        ("clip_norm", Choice(None, 1.0)),
        ("layer_decay", Choice(None, 0.5)),
        ("architecture.mlp.batch_size", Choice("a")),
    ],
)
def test_values_that_can_be_and_parameters_of_builders_are_left_alone(name: str, dimension: Dimension) -> None:
    assert problems(name, dimension) == []


def test_a_search_with_such_values_is_refused_with_all_of_them_and_nothing_is_written(tmp_path: Path) -> None:
    tuner = Tuner()
    tuner.architecture("linear", lambda input_shape, num_outputs: nn.Linear(*input_shape, num_outputs))
    tuner.optimizer("sgd", learning_rate=Float(-1, 1))
    tuner.add("loss", Choice("cross_entropy", "cros_entropy"))
    tuner.add("batch_size", Choice(0, 32))
    data = numpy.zeros((20, 2), dtype="float32"), numpy.arange(20) % 2
    with pytest.raises(SettingError) as refused:
        AutoModel(tuner).fit(data, trials=2, cluster="inline", store=tmp_path / "g.db", progress=False)
    assert [problem.partition(",")[0] for problem in refused.value.problems] == [
        "The dimension 'optimizer.sgd.learning_rate'",
        "The dimension 'loss'",
        "The dimension 'batch_size'",
    ]
    assert list(tmp_path.iterdir()) == []
