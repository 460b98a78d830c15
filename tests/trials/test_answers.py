"""Labels, probabilities and scores of one pass of a network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autotasks import sentiments
from gradfleet import Model
from gradfleet.data.prepared import DataFacts
from gradfleet.errors import DataError
from gradfleet.service.predictions import Loaded, predicted
from gradfleet.trials.answers import answers_of
from gradfleet.trials.predictor import ModelPredictor

ROWS = [[2.0, 0.0], [0.0, 1.0]]


class Passes(nn.Module):
    """Gives its inputs back, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.count = 0

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        self.count += 1
        return self.scale * rows


@pytest.fixture
def network() -> Passes:
    return Passes()


@pytest.fixture
def predictor(network: Passes) -> ModelPredictor:
    """Of two classes that have scores."""
    facts = DataFacts("multiclass", (2,), 2, ("bad", "good"), label_scores=(-1.0, 1.0))
    return ModelPredictor(Model(network).compile(kind="multiclass"), facts, temperature=2.0)


def test_one_pass_says_all_that_three_would(network: Passes, predictor: ModelPredictor) -> None:
    rows = torch.tensor(ROWS)
    said = predictor.answers(rows)
    found = said.labels, said.probabilities, said.scores
    assert network.count == 1
    assert found[0] == predictor.predict(rows) == ["bad", "good"]
    np.testing.assert_array_equal(found[1], predictor.predict_proba(rows))
    np.testing.assert_array_equal(found[2], predictor.scores(rows))


def test_sentiments_and_a_service_ask_the_network_once(network: Passes, predictor: ModelPredictor) -> None:
    expected = predictor.scores(torch.tensor(ROWS)).tolist()
    network.count = 0
    assert sentiments(predictor, torch.tensor(ROWS)) == [("bad", expected[0]), ("good", expected[1])]
    assert network.count == 1
    served = predicted(Loaded(predictor, predictor.facts.to_json()), ROWS, proba=True)
    assert [(one.prediction, one.score) for one in served] == [("bad", expected[0]), ("good", expected[1])]
    assert list(served[0].probabilities or ()) == ["bad", "good"]
    assert network.count == 2


def test_outputs_that_are_probabilities_already_are_taken_as_such(network: Passes) -> None:
    model = Model(network).compile(kind="multilabel", loss=nn.BCELoss())
    predictor = ModelPredictor(model, DataFacts("multilabel", (2,), 2, ("long", "loud")))
    rows = torch.tensor([[0.9, 0.2], [0.4, 0.3]])
    assert predictor.predict(rows) == [["long"], []]
    np.testing.assert_allclose(predictor.predict_proba(rows), rows)


class Echo:
    """A predictor of somebody's own, which knows no classes."""

    labels = None

    def predict(self, items: Any) -> list[Any]:
        return list(items)

    def predict_proba(self, items: Any) -> Any:
        raise DataError("An echo has no probabilities.")

    def evaluate(self, data: Any) -> Any:
        raise NotImplementedError


def test_a_predictor_of_another_kind_is_asked_for_what_is_wanted_alone() -> None:
    said = answers_of(Echo(), ["a"])
    assert said.labels == ["a"]
    with pytest.raises(DataError, match="An echo has no probabilities"):
        said.probabilities  # noqa: B018
    with pytest.raises(DataError, match="Echo predicts no classes that could have scores"):
        said.scores  # noqa: B018
