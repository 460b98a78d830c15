"""A trained Model that takes raw items: file names, images, texts, rows of tables, arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import torch

from gradfleet.data.examples import ArrayExamples
from gradfleet.data.items import inputs_of
from gradfleet.data.labelled import Labelled, labelled
from gradfleet.data.prepared import DataFacts
from gradfleet.data.trained_rows import said_of_trained
from gradfleet.training.data_network import DataNetwork
from gradfleet.training.evaluation import Evaluation
from gradfleet.training.inference import View
from gradfleet.training.model import Model
from gradfleet.trials.answers import NetworkAnswers
from gradfleet.trials.explanation import Explanation, explain
from gradfleet.trials.results import Results, results


class ModelPredictor:
    """Predicts in the terms of the data that the model learned from.

    Attributes:
        model: the trained Model itself.
        facts: of the training data: labels, input shape, preparation.
        batch_size: rows that go through the network at once.
        temperature: what raw outputs are divided by before they become probabilities.
        trained_on: the prepared folder of the training data, where it is known; `evaluate` counts its rows.
    """

    trained_on: Path | None = None

    def __init__(self, model: Model, facts: DataFacts, *, batch_size: int = 32, temperature: float = 1.0) -> None:
        self.model = model
        self.facts = facts
        self.temperature = temperature
        self.batch_size = batch_size

    @property
    def labels(self) -> tuple[str, ...] | None:
        return self.facts.labels

    def predict(self, items: Any, *, views: Sequence[View] = ()) -> list[Any]:
        """One prediction an item, in order: a label for classes, a list of labels for multilabel, else numbers.

        Args:
            items: paths or images when the model learned from images, strings when it learned from texts, a table or
                its file with the columns of training, else an array of shape (rows, *input_shape).
            views: functions of a batch of inputs, such as a flip or no change at all; the mean of the outputs over
                them is what is predicted (test-time augmentation).

        Raises:
            DataError: an item cannot be read, or the shape is another than in training; it is named.
        """
        return self.answers(items, views=views).labels

    def predict_proba(
        self, items: Any, *, views: Sequence[View] = ()
    ) -> numpy.ndarray[Any, numpy.dtype[numpy.float32]]:
        """Probabilities of shape (rows, classes), in the order of `facts.labels`.

        Raises:
            DataError: as `predict`, or the model does not classify.
        """
        return self.answers(items, views=views).probabilities

    def scores(self, items: Any) -> numpy.ndarray[Any, Any]:
        """Of data whose classes have scores, such as sentiments, the mean score of each item, shape (items,).

        Raises:
            DataError: as `predict`, or the classes have none.
        """
        return self.answers(items).scores

    def answers(self, items: Any, *, views: Sequence[View] = ()) -> NetworkAnswers:
        """Labels, probabilities and scores of one pass; arguments and errors are those of `predict`."""
        return self.understood(self.outputs(items, views))

    def understood(self, outputs: torch.Tensor) -> NetworkAnswers:
        """Raw outputs in the terms of the data."""
        return NetworkAnswers(outputs, self.facts, self.temperature, self.model.problem.outputs_are_probabilities)

    def evaluate(self, data: Any, *, views: Sequence[View] = ()) -> Evaluation:
        """Loss and metrics over labelled data, computed over all predictions at once.

        `loss` is what training minimizes, of the network's raw outputs: no temperature is in it. Each row's loss by
        calibrated probabilities is in `results`. `notes` says how many of the rows the model was trained on.

        Args:
            data: a folder of class folders, a table or its file, an archive or URL of these, a pair (inputs, targets)
                in the terms of the training data, or a prepared part such as `prepared.validation`.
            views: as for `predict`.

        Raises:
            DataError: a class that training never saw, or items that cannot be read; they are named.
        """
        self.model.labels = self.facts.labels
        found = labelled(data, self.facts)
        measured = self.model.evaluate(self._seen(found).examples, batch_size=self.batch_size, views=views)
        measured.notes = said_of_trained(found.examples, self.trained_on)
        return measured

    def results(self, data: Any) -> Results:
        """What the model says of each row, the worst first: `.table.head(9)` are the top losses, `.plot` shows them.

        Args:
            data: as for `evaluate`.

        Raises:
            DataError: as `evaluate`, or the model does not tell classes apart.
        """
        return results(self, data)

    def explain(self, items: Sequence[Any], *, method: str = "occlusion", target: Any = None) -> list[Explanation]:
        """What each item's prediction hangs on; see `gradfleet.trials.explanation.explain`."""
        return explain(self, items, method=method, target=target)

    def examples(self, data: Any) -> Any:
        """Labelled data as the model's own batches are made of; `data` is what `evaluate` takes."""
        return self.labelled(data).examples

    def labelled(self, data: Any) -> Labelled:
        """The same, and what each row is called."""
        return self._seen(labelled(data, self.facts))

    def _seen(self, found: Labelled) -> Labelled:
        """Examples as the network reads them."""
        network = self._data_network()
        if network is not None and isinstance(found.examples, ArrayExamples):
            found = replace(found, examples=network.seen(found.examples))
        return found

    @property
    def reads_its_own_way(self) -> bool:
        """Whether the network makes inputs of prepared ones that no other may understand."""
        return self._data_network() is not None

    def _data_network(self) -> DataNetwork | None:
        """The network, when it reads inputs in its own way."""
        network = next(iter(self.model.networks.values()))
        return network if isinstance(network, DataNetwork) else None

    def outputs(self, items: Any, views: Sequence[View] = ()) -> torch.Tensor:
        """The network's own outputs, a row an item; `items` and `views` are what `predict` takes."""
        inputs: Any = inputs_of(items, self.facts)
        network = self._data_network()
        if network is not None:
            inputs = network.reads(inputs)
        if not isinstance(inputs, torch.Tensor):  # rows that give batches by name need a second column
            inputs = ArrayExamples(inputs, torch.zeros(len(inputs)))
        return self.model.predict(inputs, batch_size=self.batch_size, views=views)
